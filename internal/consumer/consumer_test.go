package consumer

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestEveryRecordOnceAndCommitted(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(1000)
		h := newHands()
		c := w.start(Config{}, h)
		h.await(t, 1000)
		w.write(100)
		h.await(t, 1100)
		c.stop()
		w.expectOnce(1100, h)
		w.expectCommitted(275, 275, 275, 275)
		if h.revoked != 1 {
			t.Errorf("revoked %d times", h.revoked)
		}
	})
}

func TestMembersComeAndGoWithoutLossOrRepetition(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		finish := func(r *Record) { time.AfterFunc(time.Duration(r.Offset%300)*time.Millisecond, r.Done) }
		a, b := newHands(), newHands()
		a.finish, b.finish = finish, finish
		ca := w.start(Config{}, a)
		ca.joined(4)
		var cb *running
		for i := range 60 {
			w.write(100)
			time.Sleep(50 * time.Millisecond)
			switch i {
			case 10:
				cb = w.start(Config{}, b)
			case 35:
				ca.stop()
			case 45:
				ca = w.start(Config{}, a)
			}
		}
		cb.await("done", func(Health) bool {
			na, _ := a.total()
			nb, _ := b.total()
			return na+nb >= 6000
		})
		ca.stop()
		cb.stop()
		w.expectOnce(6000, a, b)
		if n, _ := b.total(); n < 500 {
			t.Errorf("the second member had %d records", n)
		}
		w.expectCommitted(1500, 1500, 1500, 1500)
	})
}

func TestOnlyUnfinishedRecordsComeAgainAfterAKill(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(4000)
		a, stuck := newHands(), 0
		a.finish = func(r *Record) {
			if r.Offset%100 != 7 {
				r.Done()
				return
			}
			r.PartDone(uint64(r.Offset))
			a.mu.Lock()
			defer a.mu.Unlock()
			stuck++
		}
		ca := w.start(Config{DrainTimeout: time.Millisecond}, a)
		a.await(t, 4000)
		time.Sleep(time.Second) // longer than the commit interval
		ca.kill()

		b, parts := newHands(), 0
		b.finish = func(r *Record) {
			if r.PartWasDone(uint64(r.Offset)) && !r.PartWasDone(uint64(r.Offset)+1) {
				b.mu.Lock()
				parts++
				b.mu.Unlock()
			}
			r.Done()
		}
		cb := w.start(Config{}, b)
		b.await(t, stuck)
		w.write(40)
		b.await(t, stuck+40)
		cb.stop()
		for v, n := range b.seen {
			if i, _ := strconv.Atoi(v); i < 4000 && i/4%100 != 7 || n != 1 {
				t.Errorf("record %s came %d times", v, n)
			}
		}
		if stuck != 40 || parts != stuck || len(b.seen) != stuck+40 {
			t.Errorf("%d stuck, %d came again, %d knew their done part", stuck, len(b.seen)-40, parts)
		}
		w.expectCommitted(1010, 1010, 1010, 1010)
	})
}

func TestShutdownWaitsForWhatIsOpen(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h := newHands()
		h.finish = func(*Record) {}
		c := w.start(Config{}, h)
		h.await(t, 40)
		time.AfterFunc(8*time.Second, func() {
			if !h.open[0].Abandoned() {
				t.Error("a record does not know that its partition is revoked")
			}
			h.finishAll()
		})
		start := time.Now()
		c.stop()
		if d := time.Since(start); d < 7*time.Second || d > 10*time.Second {
			t.Errorf("stopped after %v", d)
		}
		w.expectCommitted(10, 10, 10, 10)
	})
}

func TestDrainEndsAndNothingUnfinishedIsCommitted(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h := newHands()
		h.finish = func(r *Record) {
			if r.Offset != 3 {
				r.Done()
			}
		}
		c := w.start(Config{DrainTimeout: 4 * time.Second}, h)
		h.await(t, 40)
		start := time.Now()
		c.stop()
		if d := time.Since(start); d < 3*time.Second || d > 6*time.Second {
			t.Errorf("stopped after %v", d)
		}
		w.expectCommitted(3, 3, 3, 3)
	})
}

func TestLastCommitWaitsForACoordinator(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h := newHands()
		h.finish = func(*Record) {}
		c := w.start(Config{}, h)
		h.await(t, 40)
		away := w.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1,
		})
		h.finishAll()
		time.AfterFunc(4*time.Second, away.Remove)
		start := time.Now()
		c.stop()
		if d := time.Since(start); d < 4*time.Second || d > 5*time.Second {
			t.Errorf("stopped after %v", d)
		}
		w.expectCommitted(10, 10, 10, 10)
	})
}

func TestEndDoesNotWaitForEverForACoordinator(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h := newHands()
		c := w.start(Config{CommitInterval: time.Hour}, h)
		h.await(t, 40)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: -1})
		start := time.Now()
		c.stop()
		if d := time.Since(start); d < awayTimeout || d > awayTimeout+5*time.Second {
			t.Errorf("stopped after %v", d)
		}
	})
}

func TestPartitionThatComesBackIsNotRepeated(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(400)
		h := newHands()
		h.finish = func(r *Record) {
			if r.Offset%10 != 0 {
				r.Done()
			}
		}
		c := w.start(Config{DrainTimeout: time.Second}, h)
		h.await(t, 400)
		// A second member joins: all partitions are revoked, and two come back while their records are open.
		other := newHands()
		co := w.start(Config{}, other)
		co.joined(2)
		other.await(t, 20)
		c.joined(2)
		time.Sleep(5 * time.Second)
		if n, all := h.total(); n != 400 || all != 400 {
			t.Errorf("%d records, %d with repetitions", n, all)
		}
		h.finishAll() // counts also now
		c.stop()
		co.stop()
		w.expectCommitted(100, 100, 100, 100)
		if n, all := other.total(); n != 20 || all != 20 {
			t.Errorf("the other got %d (%d)", n, all)
		}
	})
}

func TestLostMembershipKeepsWhatIsKnown(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(400)
		h := newHands()
		h.finish = func(r *Record) {
			if r.Offset%10 != 0 {
				r.Done()
			}
		}
		c := w.start(Config{}, h)
		h.await(t, 400)
		before := c.Health()
		w.forgetMember()
		c.await("joined anew", func(Health) bool { return h.revocations() == 1 })
		c.joined(4)
		time.Sleep(10 * time.Second)
		if n, all := h.total(); n != 400 || all != 400 {
			t.Errorf("%d records, %d with repetitions, before: %+v", n, all, before)
		}
		h.finishAll()
		c.stop()
		w.expectCommitted(100, 100, 100, 100)
	})
}

func TestAbandonedRecordsComeAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h, dropped := newHands(), map[string]bool{}
		h.finish = func(r *Record) {
			h.mu.Lock()
			again := dropped[string(r.Value)]
			dropped[string(r.Value)] = true
			h.mu.Unlock()
			if r.Offset%5 == 0 && !again {
				r.Abandon()
				return
			}
			r.Done()
		}
		c := w.start(Config{}, h)
		h.await(t, 40)
		c.await("done", func(health Health) bool {
			for _, p := range health.Partitions {
				if p.Base != 10 {
					return false
				}
			}
			return len(health.Partitions) == 4
		})
		c.stop()
		if n, all := h.total(); n != 40 || all != 48 {
			t.Errorf("%d records, %d with repetitions", n, all)
		}
		w.expectCommitted(10, 10, 10, 10)
	})
}

func TestRecordsThatTheHandlerGaveBackAreHandedOutAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h, refusals := newHands(), 0
		h.gate = func(context.Context, []*Record) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if refusals++; refusals <= 6 {
				return errors.New("not now")
			}
			return nil
		}
		c := w.start(Config{}, h)
		h.await(t, 40)
		c.stop()
		w.expectOnce(40, h)
	})
}

// halves takes half of the records, which are done a little later; it waits with the others until ctx ends.
type halves struct{ took atomic.Int64 }

func (h *halves) Handle(ctx context.Context, records []*Record) error {
	half := len(records) / 2
	for _, r := range records[:half] {
		time.AfterFunc(5*time.Second, r.Done)
	}
	h.took.Add(int64(half))
	<-ctx.Done()
	for _, r := range records[half:] {
		r.Abandon()
	}
	return ctx.Err()
}

func TestWhatTheHandlerTookOfABatchIsWaitedFor(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		h := new(halves)
		c := w.start(Config{}, h)
		c.joined(4)
		for h.took.Load() < 20 {
			time.Sleep(100 * time.Millisecond)
		}
		c.stop()
		w.expectCommitted(5, 5, 5, 5)
	})
}

func TestBlockedHandlerGetsOneBatchAheadAtMost(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		h, gate := newHands(), make(chan struct{})
		h.gate = func(ctx context.Context, _ []*Record) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		c := w.start(Config{FetchBytes: 1000}, h)
		c.joined(4)
		for range 10 {
			w.write(400)
			time.Sleep(100 * time.Millisecond)
		}
		for _, p := range c.partitions() {
			p.mu.Lock()
			if n := len(p.inbox); n > 1 {
				t.Errorf("partition %d: %d batches wait", p.tp.Partition, n)
			}
			if p.tracker.Next() > 200 {
				t.Errorf("partition %d: %d records taken", p.tp.Partition, p.tracker.Next())
			}
			p.mu.Unlock()
		}
		time.Sleep(30 * time.Second) // the session outlives any pause
		close(gate)
		h.await(t, 4000)
		c.stop()
		w.expectOnce(4000, h)
	})
}

func TestFullWindowPausesAndGoesOn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		h := newHands()
		h.finish = func(r *Record) {
			if r.Offset != 0 {
				r.Done()
			}
		}
		w.write(140_000)
		c := w.start(Config{}, h)
		c.await("paused", func(health Health) bool {
			paused := 0
			for _, p := range health.Partitions {
				if p.Paused && p.Next >= 18_000 {
					paused++
				}
			}
			return paused == 4
		})
		time.Sleep(10 * time.Second)
		for _, p := range c.Health().Partitions {
			if p.Base != 0 || p.Next > 24_000 || p.OldestAge < 10*time.Second {
				t.Errorf("%+v", p)
			}
		}
		h.mu.Lock()
		first := h.open
		h.finish = func(r *Record) { r.Done() }
		h.mu.Unlock()
		for _, r := range first {
			r.Done()
		}
		h.await(t, 140_000)
		c.stop()
		w.expectOnce(140_000, h)
	})
}

func TestRecordIsAbandonedByTheClockToo(t *testing.T) {
	expired := false
	r := &Ticket{lease: &lease{expired: func() bool { return expired }}}
	if r.Abandoned() {
		t.Error("abandoned while the lease runs")
	}
	if expired = true; !r.Abandoned() {
		t.Error("not abandoned although the lease ran out")
	}
}
