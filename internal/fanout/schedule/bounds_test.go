package schedule

import (
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestConcurrencyLearns(t *testing.T) {
	c := testCore(Config{MaxInFlight: 10_000})
	r := ref(0, 0)
	h := c.hook(r)
	prove(c, r, 1)
	round := func(now int64, res fanout.Result) int {
		for range 100 {
			c.offer(delivery(r), now)
		}
		started := c.startAll(now)
		for _, w := range started {
			c.finish(w, &res, 0, now+1)
		}
		c.taken()
		return len(started)
	}
	if n := round(2, answered); n != firstConcurrency {
		t.Fatalf("%d at once at first, want %d", n, firstConcurrency)
	}
	now := int64(10)
	for range 100 {
		round(now, answered)
		now += 10
	}
	if n := round(now, answered); n != mostConcurrency {
		t.Fatalf("%d at once after many answers, want %d", n, mostConcurrency)
	}
	// One round without an answer halves it once, however many attempts were in it.
	h.breaker = breaker{fails: -1000}
	round(now+10, unanswered)
	if h.limit != mostConcurrency/2 {
		t.Fatalf("limit %v after a round without answers, want %d", h.limit, mostConcurrency/2)
	}
	for n := range int64(10) {
		round(now+20+10*n, unanswered)
	}
	if h.limit != 1 {
		t.Fatalf("limit %v after many rounds without answers, want 1", h.limit)
	}
}

// TestTenth: no webhook gets more than a tenth of the slots.
func TestTenth(t *testing.T) {
	for slots, want := range map[int]int{1: 1, 9: 1, 50: 5, 100: 10, 640: 64, 5000: 64} {
		if got := (Config{MaxInFlight: slots}).concurrency(); got != want {
			t.Errorf("of %d slots one webhook gets %d, want %d", slots, got, want)
		}
	}
}

func TestQueueBounds(t *testing.T) {
	const kib = 1 << 10
	for _, tc := range []struct {
		name    string
		size    int
		latency int64 // of a proven webhook; 0: on probation
		later   int64 // the others come, than the first
		want    int   // that may wait
	}{
		{"probation", kib, 0, acquaintance, 64},
		{"probation, large", 600 * kib, 0, acquaintance, 5},
		{"new", kib, 0, acquaintance - 1, 819}, // of 2 KiB each, in half of 3.2 MiB
		{"new, large", 600 * kib, 0, 0, 2},
		{"slow", kib, 5 * sec, 0, 256},
		{"slow, large", 600 * kib, 5 * sec, 0, 5},
		{"one larger than the bound", 8 << 20, 5 * sec, 0, 1},
		{"keeps up", kib, 4 * ms, 0, 625 * firstConcurrency}, // in 2.5 s, 625 rounds of 4 ms
		{"keeps up, bounded in number", kib, ms, 0, 8192},
		{"keeps up, bounded in bytes", 31 * kib, ms, 0, 512},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := testCore(Config{})
			r := ref(0, 0)
			if tc.latency > 0 {
				prove(c, r, 1)
				c.hook(r).latency = tc.latency
			}
			d := sized(r, tc.size)
			c.offer(d, 1)
			for range 10_000 {
				c.offer(d, 1+tc.later)
			}
			if n := c.hook(r).queue.n; n != tc.want {
				t.Fatalf("%d wait, want %d", n, tc.want)
			}
			for _, a := range c.taken() {
				if a.cause != event.CauseQueueFull || a.notBefore != 0 {
					t.Fatalf("parked as %+v", a)
				}
			}
		})
	}
}

// TestUnprovenBytes: all webhooks on probation together hold a bounded part of memory.
func TestUnprovenBytes(t *testing.T) {
	c := testCore(Config{})
	for i := range 2000 {
		d := sized(ref(i, 0), 63<<10)
		for range 10 {
			c.offer(d, 1)
		}
		c.startAll(1)
	}
	if c.unproven > 2*c.cfg.MaxUnprovenBytes {
		t.Fatalf("%d bytes held", c.unproven)
	}
	verify(t, c, 1)
}

// TestForgetful: many webhooks that had their delivery leave no more than the bounded memory of them.
func TestForgetful(t *testing.T) {
	c := testCore(Config{})
	for i := range 100_000 {
		prove(c, fanout.Ref{WorkspaceID: "ws", WebhookID: time.Duration(i).String()}, int64(i))
	}
	if len(c.hooks) != maxResting || len(c.spaces) != 1 {
		t.Fatalf("%d webhooks and %d workspaces are kept", len(c.hooks), len(c.spaces))
	}
	for n := range int64(maxResting) {
		prove(c, ref(0, 0), 100_000+restingAge+1+n)
	}
	if len(c.hooks) > 2 {
		t.Fatalf("%d webhooks are kept after a minute", len(c.hooks))
	}
}

// TestTroubledIsKept: an open breaker outlives many healthy webhooks, and is forgotten some time after its last use.
func TestTroubledIsKept(t *testing.T) {
	c := testCore(Config{})
	bad := ref(1, 1)
	fail(c, bad, 1)
	now := int64(2)
	for i := range 2 * maxResting {
		prove(c, ref(2, i), now)
	}
	if c.hooks[bad] == nil || c.stats.breakers != 1 {
		t.Fatal("the breaker was forgotten")
	}
	prove(c, ref(3, 0), now+troubledAge+2*int64(breakerLast))
	if c.hooks[bad] != nil || c.stats.breakers != 0 {
		t.Fatal("the breaker was not forgotten after ten minutes")
	}
}
