package consumer

import (
	"sync/atomic"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// Record is one record with its ticket. Exactly one of Done and Abandon is to be called, once; further calls do
// nothing. All methods may be called from any goroutine.
type Record struct {
	*kafka.Record

	partition *partition
	lease     *lease
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
func (r *Record) Generation() int64 { return int64(r.lease.generation) }

// Done says that everything about the record is durable: its offset may be committed.
func (r *Record) Done() {
	if r.resolved.CompareAndSwap(false, true) {
		r.partition.done(r.Offset)
	}
}

// Abandon says that the record was dropped before it was done. If this process still, or again, owns the partition,
// the record is handed out anew.
func (r *Record) Abandon() {
	if r.resolved.CompareAndSwap(false, true) {
		r.partition.abandon(r.Offset)
	}
}

// Abandoned says whether the partition was revoked since the record was handed out: what has not started must not
// start any more.
func (r *Record) Abandoned() bool { return r.lease.over() }

// PartDone says that the part with this key is durable while others are still open. Keys should be hashes: 48 bits of
// each are kept.
func (r *Record) PartDone(key uint64) {
	r.partition.mu.Lock()
	defer r.partition.mu.Unlock()
	r.partition.tracker.PartDone(r.Offset, key)
}

// PartWasDone says whether the part is known to be durable, be it from a former owner.
func (r *Record) PartWasDone(key uint64) bool {
	r.partition.mu.Lock()
	defer r.partition.mu.Unlock()
	return r.partition.tracker.PartWasDone(r.Offset, key)
}
