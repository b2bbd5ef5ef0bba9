package retry

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// recent remembers what was admitted in the last while, so that a record which stands twice on the ladder (Kafka took a
// write whose answer was lost) does not become two requests. The same record read again is not such a copy: its partition
// was lost and came back before it was done, so it must be admitted again. Two generations of hashes keep it at 16 bytes
// an entry.
type recent struct {
	span time.Duration
	most int

	mu       sync.Mutex
	seed     maphash.Seed
	now, old map[uint64]uint64
	turned   time.Time
}

func newRecent(span time.Duration, most int) *recent {
	return &recent{span: span, most: most, seed: maphash.MakeSeed(), now: map[uint64]uint64{}, old: map[uint64]uint64{}}
}

// admits reports whether d, as the record at source brought it, is to be admitted, and remembers it: not if another
// record brought the same attempt within the last span.
func (r *recent) admits(d *fanout.Delivery, source event.Source, at time.Time) bool {
	key := r.hash(d.ID, int64(d.Chain), int64(d.Attempt), int64(d.Parked))
	from := r.hash(source.Topic, int64(source.Partition), source.Offset, 0)

	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Sub(r.turned) >= r.span || len(r.now) >= r.most {
		r.old, r.now, r.turned = r.now, make(map[uint64]uint64), at
	}
	if other, seen := r.now[key]; seen {
		return other == from
	}
	if other, seen := r.old[key]; seen && other != from {
		return false
	}
	r.now[key] = from
	return true
}

func (r *recent) hash(text string, a, b, c int64) uint64 {
	var numbers [24]byte
	binary.LittleEndian.PutUint64(numbers[0:], uint64(a))
	binary.LittleEndian.PutUint64(numbers[8:], uint64(b))
	binary.LittleEndian.PutUint64(numbers[16:], uint64(c))
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(text)
	_, _ = h.Write(numbers[:])
	return h.Sum64()
}
