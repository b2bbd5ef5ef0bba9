package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
)

// SecretPrefix begins each secret that NewSecret makes.
const SecretPrefix = "whsec_"

// Bounds of a secret's length in bytes.
const (
	MinSecret = 16
	MaxSecret = 256
)

// ErrSecret says that a secret is not 16 to 256 printable ASCII characters.
var ErrSecret = errors.New("webhook: a secret must be 16 to 256 printable ASCII characters")

// NewSecret returns a new random secret: "whsec_" and the standard base64 of 32 random bytes.
func NewSecret() string {
	var key [32]byte
	rand.Read(key[:]) // never returns an error: it would end the program
	return SecretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// CheckSecret returns ErrSecret unless secret may be used.
func CheckSecret(secret string) error {
	if len(secret) < MinSecret || len(secret) > MaxSecret {
		return ErrSecret
	}
	for i := range len(secret) {
		if secret[i] < ' ' || secret[i] > '~' {
			return ErrSecret
		}
	}
	return nil
}

// standardKey returns the key of the Standard Webhooks scheme (see the package comment).
func standardKey(secret string) []byte {
	text := strings.TrimRight(strings.TrimPrefix(secret, SecretPrefix), "=")
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(key) == 0 {
		return []byte(secret)
	}
	return key
}
