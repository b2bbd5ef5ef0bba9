package webhook

import (
	"crypto/fips140"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"

	"github.com/voxagent/dispatcher/pkg/webhook/internal/sha256x2"
)

// twoAtOnce tells whether two HMACs are computed side by side. In FIPS 140 mode the certified code does it, one by one.
var twoAtOnce = sha256x2.Available && !fips140.Enabled()

// pads are the states of an HMAC (RFC 2104) behind the first block of its inner and its outer hash, which depend on the
// key alone. Without twoAtOnce they are not used.
type pads struct{ inner, outer sha256x2.State }

func newPads(secret []byte) pads {
	if !twoAtOnce {
		return pads{}
	}
	var secretBlock, inner, outer [sha256x2.BlockSize]byte
	if len(secret) > len(secretBlock) {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	copy(secretBlock[:], secret)
	for i := range secretBlock {
		inner[i], outer[i] = 0x36, 0x5c
	}
	subtle.XORBytes(inner[:], inner[:], secretBlock[:])
	subtle.XORBytes(outer[:], outer[:], secretBlock[:])
	p := pads{sha256x2.Initial(), sha256x2.Initial()}
	sha256x2.Blocks(&p.inner, &p.outer, inner[:], outer[:])
	return p
}

// pair returns the HMAC of prefix and body by the key long, and that of the body alone by the key short.
func pair(long, short *key, prefix, body []byte) (longSum, shortSum [sha256.Size]byte) {
	const block = sha256x2.BlockSize
	a, b := long.pads.inner, short.pads.inner
	var longBuf, shortBuf [6 * block]byte
	p, more, q := append(longBuf[:0], prefix...), body, body // what is left of the two messages: p and more; q
	if head := (len(prefix) + block - 1) / block * block; len(body) >= head {
		split := head - len(prefix)
		sha256x2.Blocks(&a, &b, append(p, body[:split]...), body[:head])
		more, q = body[split:], body[head:]
		n := len(q) / block * block
		sha256x2.Blocks(&a, &b, more[:n], q[:n])
		p, more, q = p[:0], more[n:], q[n:]
	}
	p = pad(append(p, more...), len(prefix)+len(body))
	q = pad(append(shortBuf[:0], q...), len(body))
	sha256x2.Blocks(&a, &b, p[:len(q)], q)
	if p = p[len(q):]; len(p) > 0 {
		unused := b
		sha256x2.Blocks(&a, &unused, p, p)
	}

	p = pad(a.Append(longBuf[:0]), sha256.Size)
	q = pad(b.Append(shortBuf[:0]), sha256.Size)
	a, b = long.pads.outer, short.pads.outer
	sha256x2.Blocks(&a, &b, p, q)
	a.Append(longSum[:0])
	b.Append(shortSum[:0])
	return longSum, shortSum
}

// pad ends a message whose last bytes are in b (FIPS 180-4, 5.1.1); n is its length behind the block of the HMAC's key.
func pad(b []byte, n int) []byte {
	b = append(b, 0x80)
	for len(b)%sha256x2.BlockSize != sha256x2.BlockSize-8 {
		b = append(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(sha256x2.BlockSize+n)*8)
}
