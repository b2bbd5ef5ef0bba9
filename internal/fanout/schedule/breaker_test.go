package schedule

import (
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// fail lets a webhook go without an answer until its breaker opens.
func fail(c *core, r fanout.Ref, now int64) {
	for range breakerFails {
		c.offer(delivery(r), now)
		for _, w := range c.startAll(now) {
			c.finish(w, &unanswered, 0, now)
		}
	}
}

func TestBreakerOpensAndProbes(t *testing.T) {
	c := testCore(Config{Seed: 3})
	r := ref(0, 0)
	h := c.hook(r)
	fail(c, r, 1)
	if h.breaker.state != breakerOpen || c.stats.breakers != 1 {
		t.Fatalf("after %d failures: state %d, %d breakers open", breakerFails, h.breaker.state, c.stats.breakers)
	}
	now := int64(1)
	for _, most := range []time.Duration{7 * time.Second, 14 * time.Second, 28 * time.Second, 56 * time.Second, time.Minute, time.Minute} {
		pause := time.Duration(h.breaker.until - now)
		if pause < most*3/4 || pause > most || pause < 5*time.Second {
			t.Fatalf("paused for %v, want 75–100 %% of %v", pause, most)
		}
		c.offer(delivery(r), now)
		if a := c.taken(); len(a) != 1 || a[0].cause != event.CauseBreakerOpen || !soonAfterProbe(h, a[0].notBefore) {
			t.Fatalf("offered while open: %+v", a)
		}
		now = h.breaker.until
		c.offer(delivery(r), now)
		c.offer(delivery(r), now)
		probe := c.startAll(now)
		if a := c.taken(); len(probe) != 1 || len(a) != 1 || a[0].cause != event.CauseBreakerOpen {
			t.Fatalf("half open: %d started, answers %+v; want one each", len(probe), a)
		}
		c.finish(probe[0], &unanswered, 0, now)
		verify(t, c, now)
	}
	now = h.breaker.until
	c.offer(delivery(r), now)
	c.finish(c.next(now), &answered, 0, now)
	if h.breaker != (breaker{}) || c.stats.breakers != 0 {
		t.Fatalf("after an answer: %+v, %d breakers open", h.breaker, c.stats.breakers)
	}
}

// TestBreakerCountsOnlySilence: an answer of any status starts the count anew, and no attempt at all changes nothing.
func TestBreakerCountsOnlySilence(t *testing.T) {
	c := testCore(Config{})
	r := ref(0, 0)
	for n := range 10 * breakerFails {
		res := unanswered
		switch {
		case n%breakerFails == breakerFails-1:
			res = answered
		case n%3 == 0:
			res = fanout.Result{}
		}
		c.offer(delivery(r), 1)
		c.finish(c.next(1), &res, 0, 1)
	}
	if c.hook(r).breaker.state != breakerClosed {
		t.Fatal("open though every tenth attempt was answered")
	}
}

// TestBreakerParksWhatWaits: the deliveries that wait when the breaker opens are parked until its probe.
func TestBreakerParksWhatWaits(t *testing.T) {
	c := testCore(Config{})
	r := ref(0, 0)
	for range 30 {
		c.offer(delivery(r), 1)
	}
	for c.hook(r).breaker.state == breakerClosed {
		for _, w := range c.startAll(1) {
			c.finish(w, &unanswered, 0, 1)
		}
	}
	parked := c.taken()
	if len(parked) == 0 || c.waiting.n != 0 || len(parked)+int(c.stats.started) != 30 {
		t.Fatalf("%d parked, %d wait, %d started", len(parked), c.waiting.n, c.stats.started)
	}
	for _, a := range parked {
		if a.cause != event.CauseBreakerOpen || !soonAfterProbe(c.hook(r), a.notBefore) {
			t.Fatalf("parked as %+v", a)
		}
	}
}

// soonAfterProbe says whether at lies within half of the pause from h's next probe on.
func soonAfterProbe(h *hook, at int64) bool {
	return at >= h.breaker.until && at <= h.breaker.until+int64(h.breaker.pause/2)
}

// TestBreakerSpreadsWhatReturns: what was parked for an open breaker does not come back in one moment.
func TestBreakerSpreadsWhatReturns(t *testing.T) {
	c := testCore(Config{})
	r := ref(0, 0)
	fail(c, r, 1)
	const n, slices = 1000, 10
	for range n {
		c.offer(delivery(r), 2)
	}
	b := c.hook(r).breaker
	var in [slices]int
	for _, a := range c.taken() {
		in[min((a.notBefore-b.until)*2*slices/int64(b.pause), slices-1)]++
	}
	for i, k := range in {
		if k < n/slices/2 || k > n/slices*2 {
			t.Fatalf("slice %d of the time after the probe has %d of %d: %v", i, k, n, in)
		}
	}
}

// TestUrgentProbes: what a person waits for is tried even while the breaker is open, one at a time.
func TestUrgentProbes(t *testing.T) {
	for _, trigger := range []event.Trigger{event.TriggerTest, event.TriggerResend} {
		c := testCore(Config{})
		r := ref(0, 0)
		fail(c, r, 1)
		for range 2 {
			d := delivery(r)
			d.Trigger = trigger
			c.offer(d, 2)
		}
		if started, parked := c.startAll(2), c.taken(); len(started) != 1 || len(parked) != 1 {
			t.Fatalf("%s: %d started, %d parked", trigger, len(started), len(parked))
		}
	}
}

// TestLostProbe: a probe that never starts, or makes no request, leaves its place to the next.
func TestLostProbe(t *testing.T) {
	all := func(*fanout.Delivery) bool { return true }
	for name, lose := range map[string]func(c *core, now int64){
		"purged":  func(c *core, now int64) { c.purge(all, now) },
		"spilled": func(c *core, now int64) { c.tick(now + int64(c.cfg.Spill)) },
		"unused":  func(c *core, now int64) { c.finish(c.next(now), &fanout.Result{}, 0, now) },
	} {
		t.Run(name, func(t *testing.T) {
			c := testCore(Config{})
			r := ref(0, 0)
			fail(c, r, 1)
			now := c.hook(r).breaker.until
			c.offer(delivery(r), now)
			lose(c, now)
			now += int64(c.cfg.Spill)
			c.offer(delivery(r), now)
			if started := c.startAll(now); len(started) != 1 {
				t.Fatalf("%d started", len(started))
			}
		})
	}
}

func TestPause(t *testing.T) {
	c := testCore(Config{MaxInFlight: 1})
	r, other := ref(0, 0), ref(0, 1)
	for range 3 {
		c.offer(delivery(r), 1)
	}
	c.finish(c.next(1), &answered, 10*sec, 1)
	parked := c.taken()
	c.offer(delivery(r), 9*sec)
	parked = append(parked, c.taken()...)
	if len(parked) != 3 {
		t.Fatalf("%d parked, want 3", len(parked))
	}
	for _, a := range parked {
		if a.cause != event.CauseRetryAfter || a.notBefore != 10*sec {
			t.Fatalf("parked as %+v", a)
		}
	}
	c.offer(delivery(other), 9*sec)
	if w := c.next(9 * sec); w == nil || w.d.Ref != other {
		t.Fatal("a pause concerns its webhook only")
	} else {
		c.finish(w, &answered, 0, 9*sec)
	}
	c.offer(delivery(r), 10*sec)
	if c.next(10*sec) == nil {
		t.Fatal("still paused at the end of the pause")
	}
}
