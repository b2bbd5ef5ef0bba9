package sha256x2

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// pad is the message with what FIPS 180-4, 5.1.1 puts behind it.
func pad(message []byte) []byte {
	b := append(bytes.Clone(message), 0x80)
	for len(b)%BlockSize != BlockSize-8 {
		b = append(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(len(message))*8)
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func TestTwoMessagesGiveTheirDigests(t *testing.T) {
	if !Available {
		return // callers use crypto/sha256
	}
	for n := range 700 {
		p, q := random(n), random(n)
		a, b := Initial(), Initial()
		Blocks(&a, &b, pad(p), pad(q))
		if want := sha256.Sum256(p); !bytes.Equal(a.Append(nil), want[:]) {
			t.Fatalf("first of %d bytes: %x", n, p)
		}
		if want := sha256.Sum256(q); !bytes.Equal(b.Append(nil), want[:]) {
			t.Fatalf("second of %d bytes: %x", n, q)
		}
	}
}

func BenchmarkBlocks(b *testing.B) {
	if !Available {
		return
	}
	p, q := random(30<<10), random(30<<10)
	b.Run("pair", func(b *testing.B) {
		b.SetBytes(2 * int64(len(p)))
		for b.Loop() {
			x, y := Initial(), Initial()
			Blocks(&x, &y, p, q)
		}
	})
	b.Run("crypto", func(b *testing.B) {
		b.SetBytes(2 * int64(len(p)))
		for b.Loop() {
			sha256.Sum256(p)
			sha256.Sum256(q)
		}
	})
}
