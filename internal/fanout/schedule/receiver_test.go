package schedule

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// receiver is Work as tests see it.
type receiver struct {
	attempt func(ctx context.Context, d *fanout.Delivery) fanout.Result

	mu                         sync.Mutex
	running, most              int
	attempted, parked, dropped map[*fanout.Delivery]int
	notBefore                  map[*fanout.Delivery]time.Time
	causes                     map[event.Cause]int
}

func newReceiver(attempt func(context.Context, *fanout.Delivery) fanout.Result) *receiver {
	return &receiver{
		attempt: attempt, attempted: map[*fanout.Delivery]int{}, parked: map[*fanout.Delivery]int{},
		dropped: map[*fanout.Delivery]int{}, notBefore: map[*fanout.Delivery]time.Time{}, causes: map[event.Cause]int{},
	}
}

func (r *receiver) Attempt(ctx context.Context, d *fanout.Delivery) fanout.Result {
	r.mu.Lock()
	r.attempted[d]++
	r.running++
	r.most = max(r.most, r.running)
	r.mu.Unlock()
	res := r.attempt(ctx, d)
	r.mu.Lock()
	r.running--
	r.mu.Unlock()
	return res
}

func (r *receiver) Park(d *fanout.Delivery, why event.Cause, notBefore time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parked[d]++
	r.notBefore[d] = notBefore
	r.causes[why]++
}

func (r *receiver) Drop(d *fanout.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped[d]++
}

// counts returns how many deliveries were attempted, parked and dropped, and fails on one that was answered twice.
func (r *receiver) counts(t *testing.T) (attempted, parked, dropped int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[*fanout.Delivery]int{}
	for _, m := range []map[*fanout.Delivery]int{r.attempted, r.parked, r.dropped} {
		for d, n := range m {
			if seen[d] += n; seen[d] > 1 {
				t.Fatalf("answered %d times", seen[d])
			}
		}
	}
	return len(r.attempted), len(r.parked), len(r.dropped)
}

// takes returns an attempt that is answered after a time, or cut by its context.
func takes(d time.Duration) func(context.Context, *fanout.Delivery) fanout.Result {
	return func(ctx context.Context, _ *fanout.Delivery) fanout.Result {
		select {
		case <-time.After(d):
			return fanout.Result{Attempted: true, Answered: true, Duration: d}
		case <-ctx.Done():
			return fanout.Result{}
		}
	}
}
