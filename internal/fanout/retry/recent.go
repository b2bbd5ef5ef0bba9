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
// What may be dropped: a record of a step of which this process admitted another one, and did not give it back; one that
// was parked since, as the attempt is still to be made; and one whose attempt this process knows to be recorded. A record
// whose successor carries the next attempt is not enough: the row of this attempt may be missing in history, and then only
// making it again brings one.
//
// The same record read again at the same step is no copy: its partition was lost and came back before it was done, so it
// must be admitted again. Two generations of hashes keep it at 16 bytes an entry, three entries an attempt.
type recent struct {
	span   time.Duration
	most   int
	topics map[string]uint64 // numbers of the ladder's topics, from 1

	mu   sync.Mutex
	seed maphash.Seed
	// now and old hold, by hashes of names: of a chain its furthest step; of a step the record that was admitted at it; of
	// an attempt whether it is settled.
	now, old map[uint64]uint64
	turned   time.Time
}

// step orders the records of a chain: by attempt, and by how often it was parked before that.
type step struct{ attempt, parked uint32 }

func stepOf(d *fanout.Delivery) step { return step{uint32(d.Attempt), uint32(d.Parked)} }

func (s step) number() uint64 { return uint64(s.attempt)<<32 | uint64(s.parked) }

func stepAt(n uint64) step { return step{uint32(n >> 32), uint32(n)} }

func (s step) before(other step) bool { return s.number() < other.number() }

func newRecent(span time.Duration, most int, topics []string) *recent {
	r := &recent{
		span: span, most: most, topics: make(map[string]uint64, len(topics)), seed: maphash.MakeSeed(),
		now: map[uint64]uint64{}, old: map[uint64]uint64{},
	}
	for i, name := range topics {
		r.topics[name] = uint64(i) + 1
	}
	return r
}

// chainOf is the name of the delivery's chain.
func (r *recent) chainOf(d *fanout.Delivery) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(d.ID)
	return r.hash(h.Sum64(), uint64(d.Chain))
}

// attemptOf is the name of an attempt: that of a step which cannot be.
func (r *recent) attemptOf(chain uint64, attempt uint32) uint64 {
	return r.hash(chain, step{attempt, math.MaxUint32}.number())
}

// exists notes that a record at this step of the chain is in Kafka.
func (r *recent) exists(chain uint64, at step, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stepAt(r.find(chain)).before(at) {
		r.keep(chain, at.number(), now)
	}
}

// settles notes that an attempt is recorded, and all that follows from it.
func (r *recent) settles(chain uint64, attempt uint32, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(r.attemptOf(chain, attempt), 1, now)
}

// forgets takes back that the record at source was admitted at this step: its partition was lost before its end.
func (r *recent) forgets(chain uint64, at step, source event.Source) {
	key, from := r.hash(chain, at.number()), r.place(source)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range []map[uint64]uint64{r.now, r.old} {
		if known[key] == from {
			delete(known, key)
		}
	}
}

// needless reports whether the record at source, of this step of the chain, is to be dropped although it is not due yet.
func (r *recent) needless(chain uint64, at step, source event.Source) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	other := r.find(r.hash(chain, at.number()))
	return other != 0 && other < r.place(source) || r.left(chain, at)
}

// left says whether the delivery has left the step behind. Under r.mu.
func (r *recent) left(chain uint64, at step) bool {
	furthest := stepAt(r.find(chain))
	return at.attempt == furthest.attempt && at.parked < furthest.parked || r.find(r.attemptOf(chain, at.attempt)) != 0
}

// admits reports whether d, as the record at source brought it, is to be admitted, and remembers it.
func (r *recent) admits(d *fanout.Delivery, source event.Source, now time.Time) bool {
	chain, at := r.chainOf(d), stepOf(d)
	key, from := r.hash(chain, at.number()), r.place(source)

	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.find(key); other != 0 && other != from || r.left(chain, at) {
		return false
	}
	r.keep(key, from, now)
	if stepAt(r.find(chain)).before(at) {
		r.keep(chain, at.number(), now)
	}
	return true
}

// find returns what is known under a key; 0: nothing. Under r.mu.
func (r *recent) find(key uint64) uint64 {
	if n, ok := r.now[key]; ok {
		return n
	}
	return r.old[key]
}

// keep remembers n, and forgets the older generation when it is time. Under r.mu.
func (r *recent) keep(key, n uint64, now time.Time) {
	if now.Sub(r.turned) >= r.span || len(r.now) >= r.most {
		r.old, r.now, r.turned = r.now, make(map[uint64]uint64), now
	}
	r.now[key] = n
}

// noted is the ticket of an admitted record: the end of its attempt is remembered.
type noted struct {
	fanout.Ticket
	recent   *recent
	delivery *fanout.Delivery
	source   event.Source
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

// Abandon implements fanout.Ticket.
func (n *noted) Abandon() {
	n.recent.forgets(n.chain, n.at, n.source)
	n.Ticket.Abandon()
}

// place orders all records: by topic, those that are not of the ladder last, partition and offset. It is never 0. Partitions
// beyond 65,536 and offsets beyond a million million would be taken for others.
func (r *recent) place(source event.Source) uint64 {
	topic, onLadder := r.topics[source.Topic]
	if !onLadder {
		topic = math.MaxUint8
	}
	return topic<<56 | uint64(source.Partition)&0xffff<<40 | uint64(source.Offset)&(1<<40-1)
}

func (r *recent) hash(a, b uint64) uint64 {
	var numbers [16]byte
	binary.LittleEndian.PutUint64(numbers[0:], a)
	binary.LittleEndian.PutUint64(numbers[8:], b)
	return maphash.Bytes(r.seed, numbers[:])
}
