package retry

import (
	"encoding/binary"
	"hash/maphash"
	"math"
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
// What may be dropped: a second record of a step; one that was parked since, as the attempt is still to be made; and one
// whose attempt this process knows to be recorded. A record whose successor carries the next attempt is not enough: the
// row of this attempt may be missing in history, and then only making it again brings one.
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

// place is what is known of one chain of a delivery.
type place struct {
	step    step   // the furthest of which a record is in Kafka
	from    uint16 // hash of the record that was admitted at that step; 0: none yet
	settled uint16 // the last attempt that is recorded, with all that follows from it
}

// step orders the records of a chain: by attempt, and by how often it was parked before that. Neither number comes near
// its limit within a delivery's life.
type step struct{ attempt, parked uint16 }

func stepOf(d *fanout.Delivery) step {
	return step{uint16(min(d.Attempt, math.MaxUint16)), uint16(min(d.Parked, math.MaxUint16))}
}

func (s step) before(other step) bool {
	return s.attempt < other.attempt || s.attempt == other.attempt && s.parked < other.parked
}

func newRecent(span time.Duration, most int) *recent {
	return &recent{span: span, most: most, seed: maphash.MakeSeed(), now: map[uint64]place{}, old: map[uint64]place{}}
}

// chainOf is the key of the delivery's chain.
func (r *recent) chainOf(d *fanout.Delivery) uint64 { return r.hash(d.ID, int64(d.Chain), 0) }

// exists notes that a record at this step of the chain is in Kafka.
func (r *recent) exists(chain uint64, at step, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.find(chain); p.step.before(at) {
		p.step, p.from = at, 0
		r.keep(chain, p, now)
	}
}

// settles notes that an attempt is recorded, and all that follows from it.
func (r *recent) settles(chain uint64, attempt uint16, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.find(chain); p.settled < attempt {
		p.settled = attempt
		r.keep(chain, p, now)
	}
}

// admits reports whether d, as the record at source brought it, is to be admitted, and remembers it.
func (r *recent) admits(d *fanout.Delivery, source event.Source, now time.Time) bool {
	chain, at := r.chainOf(d), stepOf(d)
	from := uint16(r.hash(source.Topic, int64(source.Partition), source.Offset)) | 1

	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(chain)
	switch {
	case at.attempt <= p.settled, at.attempt == p.step.attempt && at.parked < p.step.parked:
		return false
	case at == p.step && p.from != 0 && p.from != from:
		return false
	case !at.before(p.step):
		p.step, p.from = at, from
		r.keep(chain, p, now)
	}
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
func (r *recent) keep(chain uint64, p place, now time.Time) {
	if now.Sub(r.turned) >= r.span || len(r.now) >= r.most {
		r.old, r.now, r.turned = r.now, make(map[uint64]place), now
	}
	r.now[chain] = p
}

// noted is the ticket of an admitted record: the end of its attempt is remembered.
type noted struct {
	fanout.Ticket
	recent   *recent
	delivery *fanout.Delivery
	chain    uint64
	at       step
}

// Done implements fanout.Ticket. A delivery that was parked has its attempt still before it.
func (n *noted) Done() {
	if stepOf(n.delivery) == n.at {
		n.recent.settles(n.chain, n.at.attempt, time.Now())
	}
	n.Ticket.Done()
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
