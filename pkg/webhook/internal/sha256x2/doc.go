// Package sha256x2 runs the compression function of SHA-256 (FIPS 180-4, 6.2.2) over two messages at once.
//
// Each instruction that x86-64 has for SHA-256 needs the result of the one before it, so one message alone leaves the
// unit idle for much of the time. Two messages side by side take two thirds of what they take one after the other (Zen 5).
// Each request carries two signatures over the same body, so there are always two.
//
// Where the instructions are missing, [Available] is false and crypto/sha256 is to be used. Tests compare every result
// with it.
package sha256x2
