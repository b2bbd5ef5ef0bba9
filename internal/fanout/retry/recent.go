package retry

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// recent remembers how far deliveries have come, so that a record which stands twice on the ladder does not become two
// requests, each with retries of its own. There are two ways to such records. Kafka took a write whose answer was lost:
// then both are at the same step. Or a crash came between what followed from a record (the next attempt, a longer wait)
// and its commit: then the next owner reads a record whose successor stands on the ladder too.
//
// The same record read again at the same step is no copy: its partition was lost and came back before it was done, so it
// must be admitted again. Two generations of hashes keep it at 16 bytes an entry.
type recent struct {
	span time.Duration
	most int

	mu       sync.Mutex
	seed     maphash.Seed
	now, old map[uint64]place
	turned   time.Time
}

// place is the furthest step of a delivery's chain that is known to stand on the ladder, and a hash of the record that
// was admitted at that step; 0: none yet.
type place struct{ step, from uint32 }

func newRecent(span time.Duration, most int) *recent {
	return &recent{span: span, most: most, seed: maphash.MakeSeed(), now: map[uint64]place{}, old: map[uint64]place{}}
}

// stepOf orders the records of one chain of a delivery: by attempt, and by how often it was parked before that. Neither
// number comes near its limit within a delivery's life.
func stepOf(d *fanout.Delivery) uint32 {
	const most = 1<<16 - 1
	return uint32(min(d.Attempt, most))<<16 | uint32(min(d.Parked, most))
}

// chainOf is the key of the delivery's chain.
func (r *recent) chainOf(d *fanout.Delivery) uint64 { return r.hash(d.ID, int64(d.Chain), 0) }

// knows notes that a record at this step of the chain is in Kafka.
func (r *recent) knows(chain uint64, step uint32, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if step > r.find(chain).step {
		r.keep(chain, place{step: step}, at)
	}
}

// admits reports whether d, as the record at source brought it, is to be admitted, and remembers it: not if the delivery
// has come further, or another record brought the same step.
func (r *recent) admits(d *fanout.Delivery, source event.Source, at time.Time) bool {
	chain, step := r.chainOf(d), stepOf(d)
	from := uint32(r.hash(source.Topic, int64(source.Partition), source.Offset)) | 1

	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.find(chain)
	if step < known.step || step == known.step && known.from != 0 && known.from != from {
		return false
	}
	r.keep(chain, place{step, from}, at)
	return true
}

// find returns what is known of a chain. Under r.mu.
func (r *recent) find(chain uint64) place {
	if p, ok := r.now[chain]; ok {
		return p
	}
	return r.old[chain]
}

// keep remembers p, and forgets the older generation when it is time. Under r.mu.
func (r *recent) keep(chain uint64, p place, at time.Time) {
	if at.Sub(r.turned) >= r.span || len(r.now) >= r.most {
		r.old, r.now, r.turned = r.now, make(map[uint64]place), at
	}
	r.now[chain] = p
}

func (r *recent) hash(text string, a, b int64) uint64 {
	var numbers [16]byte
	binary.LittleEndian.PutUint64(numbers[0:], uint64(a))
	binary.LittleEndian.PutUint64(numbers[8:], uint64(b))
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(text)
	_, _ = h.Write(numbers[:])
	return h.Sum64()
}
