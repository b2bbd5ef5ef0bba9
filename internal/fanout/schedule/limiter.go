package schedule

import (
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// Buckets is a Limiter of this process alone: for each webhook and workspace the moment at which its bucket of one
// second's starts will be full again. A full bucket need not be remembered. It is not safe for concurrent use; the
// scheduler calls it under its lock.
type Buckets struct {
	full  map[fanout.Ref]time.Time
	sweep int // size at which full buckets are forgotten
}

// NewBuckets returns a limiter whose buckets are all full.
func NewBuckets() *Buckets {
	return &Buckets{full: make(map[fanout.Ref]time.Time), sweep: minSweep}
}

const minSweep = 1024

// Take implements Limiter.
func (b *Buckets) Take(ref fanout.Ref, perSecond float64, now time.Time) time.Duration {
	each := interval(perSecond)
	full := b.full[ref]
	if full.Before(now) {
		full = now
	}
	// A burst of one second's starts; at less than one a second, one start.
	burst := max(time.Second, each)
	if wait := full.Add(each).Sub(now) - burst; wait > 0 {
		return wait
	}
	b.full[ref] = full.Add(each)
	b.forget(now)
	return 0
}

// forget drops full buckets whenever their number has doubled since the last time, so that it costs O(1) a start.
func (b *Buckets) forget(now time.Time) {
	if len(b.full) < b.sweep {
		return
	}
	for ref, full := range b.full {
		if !full.After(now) {
			delete(b.full, ref)
		}
	}
	b.sweep = max(minSweep, 2*len(b.full))
}

// interval is the time from one start to the next, at most a day.
func interval(perSecond float64) time.Duration {
	if perSecond*24*3600 < 1 {
		return 24 * time.Hour
	}
	return max(1, time.Duration(float64(time.Second)/perSecond))
}
