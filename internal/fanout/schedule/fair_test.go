package schedule

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// TestTurns: of k webhooks of equal cost with work, whichever way they are spread over equal workspaces, each is served
// once in k starts (invariant turns).
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workspaces := rapid.IntRange(1, 6).Draw(t, "workspaces")
		each := rapid.IntRange(1, 6).Draw(t, "webhooks of each")
		c := testCore(Config{MaxInFlight: 1})
		var refs []fanout.Ref
		for i := range workspaces {
			for j := range each {
				refs = append(refs, ref(i, j))
			}
		}
		for _, r := range refs {
			prove(c, r, 1)
		}
		for _, r := range refs {
			for range rapid.IntRange(5, 9).Draw(t, "waiting") {
				c.offer(delivery(r), 1)
			}
		}
		last := map[fanout.Ref]int{}
		for n := 1; n <= 5*len(refs); n++ {
			w := c.next(1)
			if w == nil {
				t.Fatal("nothing starts though a slot is free")
			}
			r := w.d.Ref
			if before, ok := last[r]; ok && n-before != len(refs) {
				t.Fatalf("%v served after %d starts instead of %d", r, n-before, len(refs))
			}
			last[r] = n
			c.finish(w, &answered, 0, 1)
		}
		if len(last) != len(refs) {
			t.Fatalf("%d of %d webhooks were served", len(last), len(refs))
		}
	})
}

// TestFloodDoesNotOutweigh: a workspace with a hundred busy webhooks gets no more starts than one with a single one.
func TestFloodDoesNotOutweigh(t *testing.T) {
	c := testCore(Config{MaxInFlight: 1})
	for i := range 100 {
		prove(c, ref(0, i), 1)
	}
	prove(c, ref(1, 0), 1)
	for range 50 {
		c.offer(delivery(ref(1, 0)), 1)
		for i := range 100 {
			c.offer(delivery(ref(0, i)), 1)
		}
	}
	served := map[string]int{}
	for range 100 {
		w := c.next(1)
		served[w.d.Ref.WorkspaceID]++
		c.finish(w, &answered, 0, 1)
	}
	if served["ws_0"] != 50 || served["ws_1"] != 50 {
		t.Fatalf("served %v, want half each", served)
	}
}

// TestSlowPays: when quick and slow webhooks want all slots, a slow one gets fewer starts, though not none. Its attempts
// take 100 times as long; counted by starts alone, both would get as many.
func TestSlowPays(t *testing.T) {
	c := testCore(Config{MaxInFlight: 10, MaxQueue: 1000})
	const k = 20 // of each kind, each with one slot at most
	took := func(r fanout.Ref) int64 {
		if r.WebhookID == "wh_0" {
			return 5 * ms
		}
		return 500 * ms
	}
	for i := range k {
		prove(c, ref(i, 0), 1)
		prove(c, ref(k+i, 1), 1)
	}
	type run struct {
		w   *waiting
		end int64
	}
	var runs []run
	served := map[string]int{}
	for now := ms; now < 15*sec; now += ms {
		for i := 0; i < len(runs); {
			if runs[i].end > now {
				i++
				continue
			}
			res := answered
			res.Duration = nanos(took(runs[i].w.d.Ref))
			c.finish(runs[i].w, &res, 0, now)
			runs = append(runs[:i], runs[i+1:]...)
		}
		for i := range k {
			for _, r := range []fanout.Ref{ref(i, 0), ref(k+i, 1)} {
				for c.hook(r).queue.n < 5 {
					c.offer(delivery(r), now)
				}
			}
		}
		c.tick(now)
		c.taken()
		for _, w := range c.startAll(now) {
			served[w.d.Ref.WebhookID]++
			runs = append(runs, run{w, now + took(w.d.Ref)})
		}
	}
	if served["wh_1"] < 15 || served["wh_0"] < 4*served["wh_1"] {
		t.Fatalf("quick ones were served %d times, slow ones %d times", served["wh_0"], served["wh_1"])
	}
}

// TestTurnsAreCheap: however many webhooks wait, a start passes few turns.
func TestTurnsAreCheap(t *testing.T) {
	c := testCore(Config{MaxInFlight: 1 << 20})
	const k = 5000
	for i := range k {
		prove(c, ref(i, 0), 1)
		c.hook(ref(i, 0)).latency = 10 * sec // the dearest start there is
	}
	for range 4 {
		for i := range k {
			c.offer(delivery(ref(i, 0)), 2)
		}
	}
	for c.next(2) != nil {
	}
	// All deficits together say how many turns were passed: what was charged and is not owed any more.
	passed := int64(0)
	for _, h := range c.hooks {
		passed += maxCost*int64(h.running) + h.deficit
	}
	if turns := passed / quantum; turns > 4*k*maxCost/quantum {
		t.Fatalf("%d turns for %d starts", turns, 4*k)
	}
	if c.running != 4*k {
		t.Fatalf("%d of %d started", c.running, 4*k)
	}
}
