package schedule

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) {
	// Longer runs of acts than the usual 30: breakers open after ten failures.
	flag.Parse()
	if err := flag.Set("rapid.steps", "200"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

var epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func ref(workspace, webhook int) fanout.Ref {
	return fanout.Ref{WorkspaceID: fmt.Sprintf("ws_%d", workspace), WebhookID: fmt.Sprintf("wh_%d", webhook)}
}

var small = &fanout.Event{Body: make([]byte, 1024)}

func delivery(r fanout.Ref) *fanout.Delivery {
	return &fanout.Delivery{Ref: r, Event: small, Trigger: event.TriggerEvent, Attempt: 1, Chain: 1}
}

func sized(r fanout.Ref, size int) *fanout.Delivery {
	d := delivery(r)
	d.Event = &fanout.Event{Body: make([]byte, size)}
	return d
}

func testCore(cfg Config) *core { return newCore(cfg.withDefaults(), epoch) }

var (
	answered   = fanout.Result{Attempted: true, Answered: true, Duration: 5 * time.Millisecond}
	unanswered = fanout.Result{Attempted: true, Duration: 5 * time.Second}
)

// taken returns the answers given since it was called last.
func (c *core) taken() []answer {
	a := c.answers
	c.answers = nil
	return a
}

// startAll starts whatever may start.
func (c *core) startAll(now int64) (started []*waiting) {
	for w := c.next(now); w != nil; w = c.next(now) {
		started = append(started, w)
	}
	return started
}

// prove lets a webhook answer once, so that it is on the proven lane.
func prove(c *core, r fanout.Ref, now int64) {
	c.offer(delivery(r), now)
	for _, w := range c.startAll(now) {
		c.finish(w, &answered, 0, now)
	}
}

// verify holds core's sums and places against what they stand for.
func verify(t interface {
	Helper()
	Fatalf(string, ...any)
}, c *core, now int64,
) {
	t.Helper()
	var queued, running, unproven int
	var laneRunning, laneWaiting [lanes]int
	hooks := map[*space]int{}
	for r, h := range c.hooks {
		queued += h.queue.n
		running += h.running
		laneRunning[h.lane] += h.running
		hooks[h.space]++
		if h.lane != laneProven {
			unproven += h.held
		}
		if h.queue.n == 0 && h.running == 0 && h.held != 0 {
			t.Fatalf("%v: idle, holds %d bytes", r, h.held)
		}
		if h.turn.listed() != h.startable() {
			t.Fatalf("%v: listed %v, startable %v", r, h.turn.listed(), h.startable())
		}
		if h.turn.listed() && h.space.shares[h.lane].turn.listed() {
			laneWaiting[h.lane] += h.queue.n
		}
		if h.running > c.cfg.concurrency() {
			t.Fatalf("%v: %d running, at most %d allowed", r, h.running, c.cfg.concurrency())
		}
		if idle := h.queue.n == 0 && h.running == 0 && !h.meter.throttled(); idle != h.rest.listed() {
			t.Fatalf("%v: idle %v, resting %v", r, idle, h.rest.listed())
		}
	}
	for id, s := range c.spaces {
		if s.hooks != hooks[s] || s.hooks == 0 {
			t.Fatalf("%s: counts %d webhooks, has %d", id, s.hooks, hooks[s])
		}
	}
	if queued != c.waiting.n || running != c.running || running > c.cfg.MaxInFlight {
		t.Fatalf("queued %d, waiting %d; running %d, counted %d", queued, c.waiting.n, running, c.running)
	}
	for l := range c.lanes {
		if c.lanes[l].running != laneRunning[l] || c.lanes[l].waiting != laneWaiting[l] {
			t.Fatalf("lane %d: running %d, counted %d; waiting %d, counted %d", l, laneRunning[l], c.lanes[l].running,
				laneWaiting[l], c.lanes[l].waiting)
		}
	}
	if unproven != c.unproven {
		t.Fatalf("%d bytes on probation, counted %d", unproven, c.unproven)
	}
	for i, m := range c.throttled {
		if m.place != i+1 {
			t.Fatalf("throttled %d believes to be at %d", i, m.place-1)
		}
	}
	_ = now
}
