// Package webhook signs webhook requests and verifies them: the one home of the signature schemes.
// Receivers use [Verify]; the dispatcher uses [Signer]. It imports the standard library only.
//
// # The two schemes
//
// Each request carries both.
//
//	X-Voxagent-Signature  lower-case hex of HMAC-SHA256 over the raw body; the key is the UTF-8
//	                      bytes of the whole secret string.
//	webhook-signature     Standard Webhooks 1.0: "v1," and base64 of HMAC-SHA256 over
//	                      webhook-id "." webhook-timestamp "." body; several, separated by spaces,
//	                      while a secret is being rotated. The key is what the base64 behind
//	                      "whsec_" decodes to.
//
// Prefer the second: it covers the time, so that an old request cannot be sent again. The first
// proves only who wrote the body.
//
// # Secrets
//
// A secret is "whsec_" and the standard base64 of 32 random bytes ([NewSecret]). One that was
// brought from elsewhere is any 16 to 256 printable ASCII characters. For the second scheme its
// key is found as the public Standard Webhooks libraries find it: "whsec_" is taken off if it is
// there, and the rest is decoded as standard base64, with or without its padding. Where that is not
// possible, and those libraries have no key to offer, the key is the bytes of the whole secret
// string, as in the first scheme.
//
// # Invariants
//
//	raw-body   what is signed is the body's bytes as they travel; nothing is parsed or re-encoded.
//	constant   signatures are compared in constant time.
//	no-secret  no error or text of this package repeats a secret or an expected signature.
//
// # Smallest use
//
//	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
//	…
//	if err := webhook.Verify(r.Header, body, secret); err != nil {
//		http.Error(w, "bad signature", http.StatusUnauthorized)
//		return
//	}
package webhook
