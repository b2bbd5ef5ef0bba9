package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

func patienceCore(t *testing.T, cfg Config) *core {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return newCore(cfg.withDefaults(), time.Now())
}

func offered(ref fanout.Ref, i int) *fanout.Delivery {
	return &fanout.Delivery{ID: fmt.Sprintf("dlv_%d", i), Ref: ref, Event: &fanout.Event{Body: []byte("{}")}, Attempt: 1}
}

func TestIntakesWaitForAWebhookThatNobodyKnowsButNotForLong(t *testing.T) {
	c := patienceCore(t, Config{MaxInFlight: 64})
	ref := fanout.Ref{WorkspaceID: "ws", WebhookID: "wh"}
	if c.patience(ref, 1) {
		t.Fatal("waits for a webhook without work")
	}
	for i := 0; !c.patience(ref, 1); i++ {
		if len(c.answers) > 0 {
			t.Fatalf("parked the delivery %d of a webhook that nobody has tried yet", i)
		}
		c.offer(offered(ref, i), 1)
	}
	w := c.next(1)
	c.offer(offered(ref, 999), 1) // in place of the one that started
	if !c.patience(ref, 1) {
		t.Error("does not wait for the first answer")
	}
	if c.patience(ref, 1+acquaintance) {
		t.Error("waits for a webhook that stays silent")
	}
	c.finish(w, &fanout.Result{Attempted: true, Duration: time.Millisecond}, 0, 2)
	if c.patience(ref, 3) {
		t.Error("waits for a webhook that does not answer")
	}
}

// TestIntakesDoNotWaitForAFloodThatIsNew: a webhook that nobody knows yet and that answers slowly gets 100 times what others
// get; the intake, which serves them too, goes on.
func TestIntakesDoNotWaitForAFloodThatIsNew(t *testing.T) {
	c := patienceCore(t, Config{})
	ref := fanout.Ref{WorkspaceID: "ws", WebhookID: "wh"}
	for i := range 3000 { // a second
		now := 1 + int64(i)*int64(time.Second)/3000
		c.offer(offered(ref, i), now)
		for c.next(now) != nil {
			continue
		}
		if c.patience(ref, now) {
			t.Fatalf("asks to wait after %d deliveries", i+1)
		}
	}
}

func TestIntakesWaitWhileHealthyWebhooksHaveTooMuchWaiting(t *testing.T) {
	c := patienceCore(t, Config{MaxInFlight: 2})
	now := int64(1)
	var running []*waiting
	for i := range 2 { // two webhooks that answer, and hold all slots
		ref := fanout.Ref{WorkspaceID: "ws", WebhookID: fmt.Sprint(i)}
		c.offer(offered(ref, i), now)
		w := c.next(now)
		c.finish(w, &fanout.Result{Attempted: true, Answered: true, Duration: time.Millisecond}, 0, now)
		c.offer(offered(ref, i+2), now)
		running = append(running, c.next(now))
	}
	third := fanout.Ref{WorkspaceID: "ws", WebhookID: "third"}
	c.offer(offered(third, 9), now)
	n := 0
	for ; !c.patience(third, now); n++ {
		if n > 2*patient*2 {
			t.Fatal("never asks to wait")
		}
		c.hooks[third].answered = true
		c.hooks[third].latency = 1
		c.offer(offered(third, 10+n), now)
	}
	if len(c.answers) > 0 {
		t.Errorf("parked %d that only waited for a slot", len(c.answers))
	}
	for _, w := range running {
		c.finish(w, &fanout.Result{Attempted: true, Answered: true, Duration: time.Millisecond}, 0, now)
	}
	for c.next(now) != nil { // slots are free again
		continue
	}
	if c.patience(third, now) {
		t.Error("still asks to wait")
	}
}
