package kafka

import (
	"math/bits"
	"sync"
)

// slabs recycles large pieces of memory, of 64 KiB to 8 MiB by powers of two, as far as they are put back; the collector
// takes what is not used for a while. Smaller ones cost little to make, and larger ones are too rare to be kept.
type slabs struct {
	classes [mostSlab - leastSlab + 1]sync.Pool
}

// leastSlab and mostSlab are the binary logarithms of the sizes.
const leastSlab, mostSlab = 16, 23

// get returns n bytes, which may hold anything.
func (s *slabs) get(n int) []byte {
	size := bits.Len(uint(n - 1))
	if n <= 1<<(leastSlab-1) || size > mostSlab {
		return make([]byte, n)
	}
	size = max(size, leastSlab)
	if b, ok := s.classes[size-leastSlab].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<size)
}

// put takes back what get returned, in full or in part from its beginning on. Other memory is left to the collector.
func (s *slabs) put(b []byte) {
	size := bits.Len(uint(cap(b))) - 1
	if size >= leastSlab && size <= mostSlab && cap(b) == 1<<size {
		s.classes[size-leastSlab].Put(&b)
	}
}
