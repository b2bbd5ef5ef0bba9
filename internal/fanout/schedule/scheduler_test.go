package schedule

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// start runs a scheduler until the test ends or stop is called.
func start(t *testing.T, cfg Config, r *receiver) (s *Scheduler, stop func()) {
	t.Helper()
	s, err := New(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	synctest.Wait()
	return s, stop
}

func TestOfferedIsAttempted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(10 * time.Millisecond))
		s, stop := start(t, Config{MaxInFlight: 50}, r)
		for i := range 1000 {
			s.Offer(delivery(ref(i%10, i%100)))
		}
		time.Sleep(time.Second)
		stop()
		if a, p, d := r.counts(t); a != 1000 || p+d != 0 {
			t.Fatalf("%d attempted, %d parked, %d dropped", a, p, d)
		}
		if r.most != 50 {
			t.Fatalf("%d at once, want 50", r.most)
		}
	})
}

// TestOfferedBeforeRun waits for it.
func TestOfferedBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(time.Millisecond))
		s, err := New(Config{}, r)
		if err != nil {
			t.Fatal(err)
		}
		s.Offer(delivery(ref(0, 0)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if a, _, _ := r.counts(t); a != 1 {
			t.Fatal("not attempted")
		}
		if err := s.Run(ctx); !errors.Is(err, errRunTwice) {
			t.Fatalf("Run again: %v", err)
		}
	})
}

// TestSpill: what cannot start within the spill time is parked, not later.
func TestSpill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(time.Hour))
		s, stop := start(t, Config{Grace: time.Second}, r)
		for range 20 {
			s.Offer(delivery(ref(0, 0)))
		}
		time.Sleep(defaultSpill - time.Millisecond)
		synctest.Wait()
		if a, p, _ := r.counts(t); a != firstConcurrency || p != 0 {
			t.Fatalf("before the spill time: %d attempted, %d parked", a, p)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if _, p, _ := r.counts(t); p != 20-firstConcurrency {
			t.Fatalf("at the spill time: %d parked", p)
		}
		stop()
	})
}

// TestNotBefore: the time that goes with a parked delivery is wall time.
func TestNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Minute)
		r := newReceiver(func(context.Context, *fanout.Delivery) fanout.Result {
			return fanout.Result{Attempted: true, Answered: true, Duration: 1, PauseUntil: until}
		})
		s, _ := start(t, Config{}, r)
		s.Offer(delivery(ref(0, 0)))
		time.Sleep(time.Second)
		d := delivery(ref(0, 0))
		s.Offer(d)
		synctest.Wait()
		if got := r.notBefore[d]; !got.Equal(until) || r.causes[event.CauseRetryAfter] != 1 {
			t.Fatalf("parked until %v, want %v; %v", got, until, r.causes)
		}
	})
}

func TestPurgeDropsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(time.Second))
		s, _ := start(t, Config{MaxInFlight: 1}, r)
		for i := range 10 {
			s.Offer(delivery(ref(i%2, 0)))
		}
		s.Purge(func(d *fanout.Delivery) bool { return d.Ref.WorkspaceID == "ws_0" })
		synctest.Wait()
		if a, _, d := r.counts(t); a != 1 || d != 4 {
			t.Fatalf("%d attempted, %d dropped; want 1 and 4", a, d)
		}
	})
}

// TestEnd: when Run's context ends nothing more starts, what waits is dropped, what runs may end, and offers that come
// later are dropped.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(3 * time.Second))
		s, stop := start(t, Config{}, r)
		for range firstConcurrency + 2 {
			s.Offer(delivery(ref(0, 0)))
		}
		begin := time.Now()
		go func() {
			time.Sleep(time.Second)
			s.Offer(delivery(ref(0, 1)))
		}()
		stop()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v, want the 3 s of what runs", took)
		}
		s.Offer(delivery(ref(0, 2)))
		if a, p, d := r.counts(t); a != firstConcurrency || p != 0 || d != 4 {
			t.Fatalf("%d attempted, %d parked, %d dropped; want %d, 0, 4", a, p, d, firstConcurrency)
		}
	})
}

// TestGrace: attempts that do not end are cut by their context.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(time.Hour))
		s, stop := start(t, Config{Grace: 4 * time.Second}, r)
		s.Offer(delivery(ref(0, 0)))
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("took %v, want the grace of 4 s", took)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(2 * time.Second))
		s, _ := start(t, Config{}, r)
		for range firstConcurrency + 2 {
			s.Offer(delivery(ref(0, 0)))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("drained although attempts run: %v", err)
		}
		if err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, _, d := r.counts(t); a != firstConcurrency || d != 2 || r.running != 0 {
			t.Fatalf("%d attempted, %d dropped, %d running", a, d, r.running)
		}
		s.Offer(delivery(ref(0, 0)))
		synctest.Wait()
		if _, _, d := r.counts(t); d != 3 {
			t.Fatal("an offer after Drain was not dropped")
		}
	})
}

// TestWorkersAreLetGo: after a burst the goroutines that nobody needs end.
func TestWorkersAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(500 * time.Millisecond))
		s, _ := start(t, Config{}, r)
		for i := range 500 {
			s.Offer(delivery(ref(i, 0)))
		}
		time.Sleep(2 * time.Second)
		if n := idleWorkers(s); n != 500 {
			t.Fatalf("%d idle workers, want 500", n)
		}
		for range 30 {
			s.Offer(delivery(ref(0, 0)))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := idleWorkers(s); n > 1 {
			t.Fatalf("%d workers are still kept", n)
		}
	})
}

func idleWorkers(s *Scheduler) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.idle)
}

// TestManyHands: offers, purges and ends from many goroutines; each delivery is answered once.
func TestManyHands(t *testing.T) {
	r := newReceiver(func(context.Context, *fanout.Delivery) fanout.Result {
		switch rand.IntN(20) {
		case 0:
			return fanout.Result{Attempted: true, Duration: time.Millisecond}
		case 1:
			return fanout.Result{Attempted: true, Answered: true, PauseUntil: time.Now().Add(time.Millisecond)}
		default:
			return answered
		}
	})
	s, err := New(Config{MaxInFlight: 20, Spill: 5 * time.Millisecond}, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var run, offer sync.WaitGroup
	run.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	const hands, each = 4, 5000
	for h := range hands {
		offer.Go(func() {
			for i := range each {
				s.Offer(delivery(ref(h, i%7)))
				if i%500 == 0 {
					s.Purge(func(d *fanout.Delivery) bool { return d.Ref.WebhookID == "wh_3" })
				}
				if h == 0 && i == each*3/4 {
					cancel()
				}
			}
		})
	}
	offer.Wait()
	run.Wait()
	a, p, d := r.counts(t)
	if a+p+d != hands*each {
		t.Fatalf("%d attempted, %d parked, %d dropped: not all of %d", a, p, d, hands*each)
	}
	verify(t, s.core, s.now())
}

func TestConfigIsChecked(t *testing.T) {
	_, err := New(Config{MaxInFlight: -1, Spill: -1}, nil)
	if err == nil || !strings.Contains(err.Error(), "max in flight") || !strings.Contains(err.Error(), "spill") {
		t.Fatalf("complaint %v, want both fields named", err)
	}
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(takes(time.Minute))
		s, stop := start(t, Config{Grace: time.Second}, r)
		reg := prometheus.NewPedanticRegistry()
		if err := s.Register(reg); err != nil {
			t.Fatal(err)
		}
		if err := s.Register(nil); err != nil {
			t.Fatal(err)
		}
		for range firstConcurrency + 2 {
			s.Offer(delivery(ref(0, 0)))
		}
		time.Sleep(2 * time.Second)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			m := f.GetMetric()[0]
			if len(m.GetLabel()) > 0 {
				t.Errorf("%s has labels", f.GetName())
			}
			got[strings.TrimPrefix(f.GetName(), "dispatcher_schedule_")] = m.GetGauge().GetValue() +
				m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		want := map[string]float64{
			"waiting": 2, "backlog": 0, "in_flight": firstConcurrency, "probation_in_flight": firstConcurrency,
			"open_breakers": 0, "webhooks": 1,
			"oldest_wait_seconds": 2, "wait_seconds": firstConcurrency, "dropped_total": 0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		stop()
		snap := s.Snapshot()
		if snap.Started != firstConcurrency || snap.Dropped != 2 || snap.InFlight != 0 || snap.Webhooks != 1 || s.Backlog() != 0 {
			t.Errorf("at the end: %+v", snap)
		}
	})
}
