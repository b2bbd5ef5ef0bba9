package schedule

import (
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestBuckets(t *testing.T) {
	for _, tc := range []struct {
		rate  float64
		burst int
		each  time.Duration
	}{
		{10, 10, 100 * time.Millisecond}, {1, 1, time.Second}, {0.5, 1, 2 * time.Second}, {1.5, 1, 666666666},
		{1e-9, 1, 24 * time.Hour},
	} {
		b := NewBuckets()
		now := epoch
		r := ref(0, 0)
		n := 0
		var wait time.Duration
		for ; ; n++ {
			if wait = b.Take(r, tc.rate, now); wait > 0 {
				break
			}
		}
		if n != tc.burst {
			t.Errorf("%v a second: burst of %d, want %d", tc.rate, n, tc.burst)
		}
		if wait > tc.each {
			t.Errorf("%v a second: wait %v, want at most %v", tc.rate, wait, tc.each)
		}
		if b.Take(r, tc.rate, now.Add(wait-1)) == 0 {
			t.Errorf("%v a second: granted before its time", tc.rate)
		}
		if left := b.Take(r, tc.rate, now.Add(wait)); left != 0 {
			t.Errorf("%v a second: still %v to wait", tc.rate, left)
		}
		if b.Take(ref(0, 1), tc.rate, now) != 0 {
			t.Errorf("%v a second: another webhook has to wait", tc.rate)
		}
	}
}

func TestBucketsForgetFullOnes(t *testing.T) {
	b := NewBuckets()
	for i := range 100_000 {
		b.Take(ref(0, i), 1000, epoch.Add(time.Duration(i)*time.Millisecond))
	}
	if len(b.full) > 2*minSweep {
		t.Fatalf("%d buckets are kept", len(b.full))
	}
}

// limited drives a core whose one webhook gets offered n deliveries at once, until all are done, and returns when each
// start was. Parked ones come back when they are due.
func limited(t *testing.T, limits Limits, refs []fanout.Ref, n int) (starts []int64, parked int) {
	t.Helper()
	c := testCore(Config{Limits: func(fanout.Ref) Limits { return limits }})
	var back []answer
	for i := range n {
		c.offer(delivery(refs[i%len(refs)]), 1)
	}
	for now := int64(1); len(starts) < n; now += 10 * ms {
		if now > 3600*sec {
			t.Fatalf("%d of %d started after an hour", len(starts), n)
		}
		for i := 0; i < len(back); {
			if back[i].notBefore > now {
				i++
				continue
			}
			d := back[i].d
			back = append(back[:i], back[i+1:]...)
			c.offer(d, now)
		}
		c.tick(now)
		for _, w := range c.startAll(now) {
			starts = append(starts, now)
			c.finish(w, &answered, 0, now)
		}
		for _, a := range c.taken() {
			if a.cause != event.CauseRateLimited || a.notBefore <= now {
				t.Fatalf("parked as %s for %v", a.cause, time.Duration(a.notBefore-now))
			}
			parked++
			a.d.Parked++
			back = append(back, a)
		}
		verify(t, c, now)
	}
	return starts, parked
}

// TestRate: a limit delays and never drops; bursts are one second's; what was parked comes back spread over the time it
// needs, so that each delivery is parked about once and the limit is used.
func TestRate(t *testing.T) {
	webhook := []fanout.Ref{ref(0, 0)}
	workspace := []fanout.Ref{ref(0, 0), ref(0, 1), ref(0, 2)}
	for _, tc := range []struct {
		name   string
		limits Limits
		refs   []fanout.Ref
	}{
		{"webhook", Limits{Webhook: 10}, webhook},
		{"workspace", Limits{Workspace: 10}, workspace},
		{"both", Limits{Webhook: 10, Workspace: 11}, webhook},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const n = 1000
			starts, parked := limited(t, tc.limits, tc.refs, n)
			for i := range starts {
				if i >= 21 && starts[i]-starts[i-21] < sec-10*ms {
					t.Fatalf("21 starts within %v", time.Duration(starts[i]-starts[i-21]))
				}
			}
			if took := time.Duration(starts[n-1]); took > 130*time.Second || took < 98*time.Second {
				t.Errorf("took %v at 10 a second", took)
			}
			if parked > 2*n {
				t.Errorf("parked %d times", parked)
			}
		})
	}
}

// TestNewOnesWaitBehindPromises: a delivery that was never parked goes behind those that hold a promise.
func TestNewOnesWaitBehindPromises(t *testing.T) {
	c := testCore(Config{Limits: func(fanout.Ref) Limits { return Limits{Webhook: 1} }})
	r := ref(0, 0)
	for range 20 {
		c.offer(delivery(r), 1)
	}
	promised := c.taken()
	last := promised[len(promised)-1].notBefore
	c.purge(func(*fanout.Delivery) bool { return true }, 1)
	c.taken()
	c.offer(delivery(r), 2)
	if a := c.taken(); len(a) != 1 || a[0].notBefore <= last {
		t.Fatalf("a new one: %+v, want it parked behind %d", a, last)
	}
	old := delivery(r)
	old.Parked = 1
	c.offer(old, 2)
	if a := c.taken(); len(a) != 0 {
		t.Fatalf("one that was parked: %+v, want it to wait", a)
	}
}

// TestLimitLifted: a changed limit holds for what waits already.
func TestLimitLifted(t *testing.T) {
	limits := Limits{Webhook: 1. / 60}
	c := testCore(Config{Limits: func(fanout.Ref) Limits { return limits }})
	r := ref(0, 0)
	c.offer(delivery(r), 1)
	c.finish(c.next(1), &answered, 0, 1)
	c.offer(delivery(r), 2)
	if c.next(2) != nil {
		t.Fatal("the limit does not hold")
	}
	limits.Webhook = 0
	now := 2 + askAgain
	c.tick(now)
	if c.next(now) == nil {
		t.Fatal("the lifted limit still holds")
	}
}
