package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"time"
)

// Names of the request headers that carry signatures and what they cover, in canonical form.
const (
	HeaderSignature         = "X-Voxagent-Signature"
	HeaderID                = "Webhook-Id"
	HeaderTimestamp         = "Webhook-Timestamp"
	HeaderStandardSignature = "Webhook-Signature"
)

// version begins each signature of the Standard Webhooks scheme that is an HMAC-SHA256.
const version = "v1,"

// Lengths in bytes of one signature as text.
const (
	HexSize      = 2 * sha256.Size
	StandardSize = len(version) + (sha256.Size+2)/3*4
)

// Signer signs for one webhook. Keys are prepared once; signing then hashes the body once for each
// scheme and secret and allocates nothing. It is safe for concurrent use.
type Signer struct {
	hex      *key
	standard []*key
}

// NewSigner prepares the given secrets. The first one signs X-Voxagent-Signature; all of them, in
// this order, sign webhook-signature. While a secret is rotated that is the old one and then the
// new one. Errors are ErrSecret and a missing secret.
func NewSigner(secrets ...string) (*Signer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("webhook: a signer needs a secret")
	}
	s := &Signer{hex: newKey([]byte(secrets[0]))}
	for i, secret := range secrets {
		if err := CheckSecret(secret); err != nil {
			return nil, fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), err)
		}
		s.standard = append(s.standard, newKey(standardKey(secret)))
	}
	return s, nil
}

// AppendHex appends the value of X-Voxagent-Signature for body: HexSize bytes.
func (s *Signer) AppendHex(dst, body []byte) []byte {
	mac := s.hex.mac()
	mac.hash.Write(body)
	dst = hex.AppendEncode(dst, mac.sum())
	s.hex.put(mac)
	return dst
}

// AppendStandard appends the value of webhook-signature for body, sent with the webhook-id id and
// the webhook-timestamp unix (seconds).
func (s *Signer) AppendStandard(dst []byte, id string, unix int64, body []byte) []byte {
	for i, k := range s.standard {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, version...)
		mac := k.mac()
		mac.prefix(id, unix)
		mac.hash.Write(body)
		dst = base64.StdEncoding.AppendEncode(dst, mac.sum())
		k.put(mac)
	}
	return dst
}

// Signatures are the values of the three headers that prove a request.
type Signatures struct {
	Hex       string // X-Voxagent-Signature
	Timestamp string // webhook-timestamp
	Standard  string // webhook-signature
}

// Sign returns the header values of a request that is sent at the time at for the event id.
func (s *Signer) Sign(id string, at time.Time, body []byte) Signatures {
	var buf [HexSize + 3*StandardSize]byte
	unix := at.Unix()
	b := s.AppendStandard(s.AppendHex(buf[:0], body), id, unix, body)
	text := string(b)
	return Signatures{Hex: text[:HexSize], Timestamp: strconv.FormatInt(unix, 10), Standard: text[HexSize:]}
}

// key is one HMAC key. Its pool keeps hashes that have the key already in them: resetting one costs
// far less than preparing another, and most webhooks sign one request at a time.
type key struct {
	secret []byte
	pool   sync.Pool // of *macState
}

// macState is a hash with room for what goes into and comes out of it, so that neither escapes
// to the heap for each signature.
type macState struct {
	hash hash.Hash
	buf  [sha256.Size + 160]byte
}

func newKey(secret []byte) *key { return &key{secret: secret} }

func (k *key) mac() *macState {
	if m, ok := k.pool.Get().(*macState); ok {
		return m
	}
	return &macState{hash: hmac.New(sha256.New, k.secret)}
}

// put resets m and keeps it for the next signature.
func (k *key) put(m *macState) {
	m.hash.Reset()
	k.pool.Put(m)
}

// prefix writes what the Standard Webhooks scheme signs in front of the body.
func (m *macState) prefix(id string, unix int64) {
	b := append(m.buf[:0], id...)
	b = append(b, '.')
	b = strconv.AppendInt(b, unix, 10)
	m.hash.Write(append(b, '.'))
}

// sum returns the MAC; it is valid until m is used again.
func (m *macState) sum() []byte { return m.hash.Sum(m.buf[:0]) }
