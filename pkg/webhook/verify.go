package webhook

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultTolerance is how far a request's webhook-timestamp may be from the receiver's clock.
const DefaultTolerance = 5 * time.Minute

// The reasons for which a request is refused, for errors.Is.
var (
	// ErrMissingHeader: a header that the scheme needs is absent. The error names it.
	ErrMissingHeader = errors.New("webhook: header missing")
	// ErrBadHeader: a header is not in its form, or came more than once. The error names it.
	ErrBadHeader = errors.New("webhook: header malformed")
	// ErrTimestamp: the request is too old, or from the future.
	ErrTimestamp = errors.New("webhook: timestamp outside of the tolerance")
	// ErrSignature: no signature fits the body and any of the secrets.
	ErrSignature = errors.New("webhook: signature does not match")
)

// Verify tells whether a request comes from the dispatcher and is recent: it checks
// webhook-signature over webhook-id, webhook-timestamp and body. body is the request's body as it
// was received, before any decoding. One of secrets has to fit: give the old and the new one while
// a secret is rotated. It returns nil, or an error that errors.Is knows as one of this package's.
//
// A retry has the webhook-id of the attempt before it: deduplicate on that header.
func Verify(headers http.Header, body []byte, secrets ...string) error {
	return Verifier{Secrets: secrets}.Verify(headers, body)
}

// Verifier verifies with other settings than Verify.
type Verifier struct {
	Secrets []string
	// Tolerance is how far webhook-timestamp may be from now; 0 means DefaultTolerance, a
	// negative one turns the check off.
	Tolerance time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verify does what the function Verify does.
func (v Verifier) Verify(headers http.Header, body []byte) error {
	id, err := one(headers, HeaderID)
	if err != nil {
		return err
	}
	if strings.Contains(id, ".") { // dots separate what is signed
		return fmt.Errorf("%w: %s contains a dot", ErrBadHeader, HeaderID)
	}
	stamp, err := one(headers, HeaderTimestamp)
	if err != nil {
		return err
	}
	given, err := one(headers, HeaderStandardSignature)
	if err != nil {
		return err
	}
	unix, err := v.checkTime(stamp)
	if err != nil {
		return err
	}
	macs := signaturesIn(given)
	if len(macs) == 0 {
		return fmt.Errorf("%w: %s holds no v1 signature", ErrBadHeader, HeaderStandardSignature)
	}
	return v.match(macs, id, unix, body)
}

func (v Verifier) match(macs [][]byte, id string, unix int64, body []byte) error {
	if len(v.Secrets) == 0 {
		return ErrSecret
	}
	for _, secret := range v.Secrets {
		if err := CheckSecret(secret); err != nil {
			return err
		}
		mac := newMAC(standardKey(secret))
		mac.hash.Write(appendPrefix(mac.buf[:0], id, unix))
		mac.hash.Write(body)
		want := mac.sum()
		for _, got := range macs {
			if hmac.Equal(got, want) {
				return nil
			}
		}
	}
	return ErrSignature
}

// checkTime reads a webhook-timestamp. Only the plain form is taken: what is signed is its text,
// and it is written again from the number.
func (v Verifier) checkTime(stamp string) (int64, error) {
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strconv.FormatInt(unix, 10) != stamp {
		return 0, fmt.Errorf("%w: %s is not Unix seconds", ErrBadHeader, HeaderTimestamp)
	}
	tolerance := v.Tolerance
	if tolerance < 0 {
		return unix, nil
	}
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	if sent, t := time.Unix(unix, 0), now(); sent.Before(t.Add(-tolerance)) || sent.After(t.Add(tolerance)) {
		return 0, ErrTimestamp
	}
	return unix, nil
}

// one returns the value of a header that must be there exactly once. Two could be read differently
// by two readers.
func one(headers http.Header, name string) (string, error) {
	values := headers.Values(name)
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", fmt.Errorf("%w: %s", ErrMissingHeader, name)
	case len(values) > 1:
		return "", fmt.Errorf("%w: %s came %d times", ErrBadHeader, name, len(values))
	}
	return values[0], nil
}

// maxSignatures bounds the work that a hostile header can ask for. A rotation needs two.
const maxSignatures = 16

// signaturesIn returns the v1 signatures of a header. Other versions are skipped, as the standard
// wants it.
func signaturesIn(header string) [][]byte {
	var macs [][]byte
	for part := range strings.SplitSeq(header, " ") {
		text, ok := strings.CutPrefix(part, version)
		if !ok {
			continue
		}
		if mac, err := base64.StdEncoding.Strict().DecodeString(text); err == nil {
			macs = append(macs, mac)
		}
		if len(macs) == maxSignatures {
			break
		}
	}
	return macs
}

// VerifyHex checks X-Voxagent-Signature alone: signature is the header's value. It proves who wrote
// the body, but not when: prefer Verify. The error is nil, ErrMissingHeader, ErrBadHeader,
// ErrSecret or ErrSignature.
func VerifyHex(body []byte, signature, secret string) error {
	if signature == "" {
		return fmt.Errorf("%w: %s", ErrMissingHeader, HeaderSignature)
	}
	if err := CheckSecret(secret); err != nil {
		return err
	}
	got, err := hex.DecodeString(signature)
	if err != nil || strings.ToLower(signature) != signature {
		return fmt.Errorf("%w: %s is not lower-case hex", ErrBadHeader, HeaderSignature)
	}
	mac := newMAC([]byte(secret))
	mac.hash.Write(body)
	if !hmac.Equal(got, mac.sum()) {
		return ErrSignature
	}
	return nil
}
