package consumer

import (
	"sync/atomic"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// Record is one record with its ticket. Its bytes share memory with all that was fetched with it, maybe a megabyte; what
// stays open for long should keep the ticket and a copy of the rest.
type Record struct {
	*kafka.Record
	*Ticket
}

// Ticket is the open record in the account of its partition. Exactly one of Done and Abandon is to be called, once;
// further calls do nothing. All methods may be called from any goroutine.
type Ticket struct {
	partition *partition
	lease     *lease
	offset    int64
	resolved  atomic.Bool
}

// lease is one ownership of partitions: gone is set when they must be given up, expired asks the clock.
type lease struct {
	generation int32
	gone       atomic.Bool
	expired    func() bool
}

// over says whether the ownership has ended, or is about to.
func (l *lease) over() bool { return l.gone.Load() || l.expired() }

// Generation is the group's generation in which the record was handed out: of two owners of a partition, the later one
// has the greater number.
func (t *Ticket) Generation() int64 { return int64(t.lease.generation) }

// Done says that everything about the record is durable: its offset may be committed.
func (t *Ticket) Done() {
	if t.resolved.CompareAndSwap(false, true) {
		t.partition.done(t.offset)
	}
}

// Abandon says that the record was dropped before it was done. If this process still, or again, owns the partition,
// the record is handed out anew.
func (t *Ticket) Abandon() {
	if t.resolved.CompareAndSwap(false, true) {
		t.partition.abandon(t.offset)
	}
}

// Abandoned says whether the partition was revoked since the record was handed out: what has not started must not
// start any more.
func (t *Ticket) Abandoned() bool { return t.lease.over() }

// PartDone says that the part with this key is durable while others are still open. Keys should be hashes: 48 bits of
// each are kept.
func (t *Ticket) PartDone(key uint64) {
	t.partition.mu.Lock()
	defer t.partition.mu.Unlock()
	t.partition.tracker.PartDone(t.offset, key)
}

// PartWasDone says whether the part is known to be durable, be it from a former owner.
func (t *Ticket) PartWasDone(key uint64) bool {
	t.partition.mu.Lock()
	defer t.partition.mu.Unlock()
	return t.partition.tracker.PartWasDone(t.offset, key)
}
