package sha256x2

import "encoding/binary"

// Sizes in bytes.
const (
	BlockSize = 64
	Size      = 32
)

// State is what a message's whole blocks have come to: the words a to h.
type State [8]uint32

// Initial is the state before the first block (FIPS 180-4, 5.3.3).
func Initial() State {
	return State{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
}

// Append appends the state as a digest: Size bytes.
func (s *State) Append(dst []byte) []byte {
	for _, word := range s {
		dst = binary.BigEndian.AppendUint32(dst, word)
	}
	return dst
}

// Blocks takes the blocks of p into a and those of q into b. Both have the same length, a multiple of BlockSize. It may
// be called only where Available is true.
func Blocks(a, b *State, p, q []byte) {
	if len(p) != len(q) || len(p)%BlockSize != 0 {
		panic("sha256x2: not the same number of whole blocks")
	}
	if len(p) > 0 {
		blocks(a, b, &p[0], &q[0], len(p)/BlockSize)
	}
}
