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
		dst = k.appendStandard(dst, id, unix, body)
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
	unix := at.Unix()
	sums := s.Sums(id, unix, body)
	var buf [3 * StandardSize]byte
	standard := append(buf[:0], sums.Standard[:]...)
	for _, k := range s.standard[1:] {
		standard = k.appendStandard(append(standard, ' '), id, unix, body)
	}
	return Signatures{Hex: string(sums.Hex[:]), Timestamp: strconv.FormatInt(unix, 10), Standard: string(standard)}
}

// Sums are the values of the two signature headers by one secret.
type Sums struct {
	Hex      [HexSize]byte      // X-Voxagent-Signature
	Standard [StandardSize]byte // webhook-signature
}

// Sums returns both signatures by the first secret, of a request that is sent at unix (seconds) for the event id. Both at
// once take about two thirds of what AppendHex and AppendStandard take, where the machine can do that.
func (s *Signer) Sums(id string, unix int64, body []byte) (sums Sums) {
	if !twoAtOnce {
		s.AppendHex(sums.Hex[:0], body)
		s.standard[0].appendStandard(sums.Standard[:0], id, unix, body)
		return sums
	}
	var buf [160]byte
	standard, plain := pair(s.standard[0], s.hex, appendPrefix(buf[:0], id, unix), body)
	hex.Encode(sums.Hex[:], plain[:])
	copy(sums.Standard[:], version)
	base64.StdEncoding.Encode(sums.Standard[len(version):], standard[:])
	return sums
}

// key is one HMAC key. Its pool keeps hashes that have the key already in them: resetting one costs
// far less than preparing another, and most webhooks sign one request at a time.
type key struct {
	secret []byte
	pool   sync.Pool // of *macState
	pads   pads
}

func (k *key) appendStandard(dst []byte, id string, unix int64, body []byte) []byte {
	mac := k.mac()
	mac.hash.Write(appendPrefix(mac.buf[:0], id, unix))
	mac.hash.Write(body)
	dst = base64.StdEncoding.AppendEncode(append(dst, version...), mac.sum())
	k.put(mac)
	return dst
}

// appendPrefix appends what the Standard Webhooks scheme signs in front of the body.
func appendPrefix(dst []byte, id string, unix int64) []byte {
	dst = append(append(dst, id...), '.')
	return append(strconv.AppendInt(dst, unix, 10), '.')
}

// macState is a hash with room for what goes into and comes out of it, so that neither escapes
// to the heap for each signature.
type macState struct {
	hash hash.Hash
	buf  [sha256.Size + 160]byte
}

func newMAC(secret []byte) *macState { return &macState{hash: hmac.New(sha256.New, secret)} }

func newKey(secret []byte) *key { return &key{secret: secret, pads: newPads(secret)} }

func (k *key) mac() *macState {
	if m, ok := k.pool.Get().(*macState); ok {
		return m
	}
	return newMAC(k.secret)
}

// put resets m and keeps it for the next signature.
func (k *key) put(m *macState) {
	m.hash.Reset()
	k.pool.Put(m)
}

// sum returns the MAC; it is valid until m is used again.
func (m *macState) sum() []byte { return m.hash.Sum(m.buf[:0]) }
