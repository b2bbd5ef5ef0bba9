package courier_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/courier"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// world is a ledger and Kafka. A test changes it while the courier waits.
type world struct {
	mu      sync.Mutex
	open    []subscription.Debt
	until   map[string]time.Time // leases
	err     error
	written []string
	away    bool // Kafka takes no writes
	refuse  error
	acks    []fanout.Ack
}

// set changes the world.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func newWorld() *world { return &world{until: map[string]time.Time{}} }

// owe adds debts: odd ones are notices.
func (w *world) owe(from, to int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := from; i <= to; i++ {
		id := fmt.Sprintf("%03d", i)
		d := subscription.Debt{ID: id, Cancel: &event.WebhookRecord{WebhookID: id}}
		if i%2 == 1 {
			d = subscription.Debt{ID: id, Notice: &event.Notice{ID: id}}
		}
		w.open = append(w.open, d)
	}
}

func (w *world) ClaimOwed(_ context.Context, limit int, lease time.Duration) (subscription.Claim, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []subscription.Debt
	for _, d := range w.open {
		if len(out) < limit && w.err == nil && !w.until[d.ID].After(time.Now()) {
			w.until[d.ID] = time.Now().Add(lease)
			out = append(out, d)
		}
	}
	return subscription.Claim{Debts: out}, w.err
}

func (w *world) Settle(ctx context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = slices.DeleteFunc(w.open, func(d subscription.Debt) bool { return d.ID == id })
	return ctx.Err()
}

func (w *world) Notice(n *event.Notice, ack fanout.Ack)         { w.write("notice "+n.ID, ack) }
func (w *world) Webhook(r *event.WebhookRecord, ack fanout.Ack) { w.write("webhook "+r.WebhookID, ack) }

func (w *world) write(what string, ack fanout.Ack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = append(w.written, what)
	if w.away {
		w.acks = append(w.acks, ack)
		return
	}
	ack.Acked(w.refuse)
}

// carry runs a courier over w in a bubble of fake time; it is ended by the test's story or after it.
func carry(t *testing.T, w *world, story func(t *testing.T, c *courier.Courier, end func())) {
	synctest.Test(t, func(t *testing.T) {
		c := courier.New(w, w, w, nil, zap.NewNop())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		story(t, c, cancel)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (w *world) want(t *testing.T, open int, written ...string) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) != open || !slices.Equal(w.written, written) {
		t.Errorf("%d open, want %d; written %q, want %q", len(w.open), open, w.written, written)
	}
	w.written = nil
}

func TestDebtsAreWrittenAndSettled(t *testing.T) {
	w := newWorld()
	w.owe(1, 2)
	carry(t, w, func(t *testing.T, c *courier.Courier, _ func()) {
		w.want(t, 0, "notice 001", "webhook 002")
		w.owe(3, 3)
		w.want(t, 1)
		c.Wake()
		w.want(t, 0, "notice 003")
		w.owe(4, 4) // by another process: found without a wake-up
		time.Sleep(time.Second)
		w.want(t, 0, "webhook 004")
		w.owe(5, 254) // more than a batch
		c.Wake()
		synctest.Wait()
		w.set(func() {
			if len(w.open) != 0 || len(w.written) != 250 {
				t.Errorf("%d open, %d written", len(w.open), len(w.written))
			}
		})
	})
}

// TestKafkaAway (invariants owed and bounded): nothing is settled before its ack, and nothing more is claimed.
func TestKafkaAway(t *testing.T) {
	w := newWorld()
	w.away = true
	w.owe(1, 1)
	carry(t, w, func(t *testing.T, c *courier.Courier, _ func()) {
		w.want(t, 1, "notice 001")
		w.owe(2, 2)
		c.Wake()
		time.Sleep(10 * time.Minute)
		w.want(t, 2)
		w.set(func() {
			w.away = false
			w.acks[0].Acked(nil)
		})
		w.want(t, 0, "webhook 002")
	})
}

// TestRefused: what Kafka does not take stays, and comes again when its lease is over.
func TestRefused(t *testing.T) {
	w := newWorld()
	w.refuse = errors.New("too large")
	w.owe(1, 1)
	carry(t, w, func(t *testing.T, _ *courier.Courier, _ func()) {
		w.want(t, 1, "notice 001")
		time.Sleep(6 * time.Second)
		w.want(t, 1)
		w.set(func() { w.refuse = nil })
		time.Sleep(6 * time.Second)
		w.want(t, 0, "notice 001")
	})
}

func TestDatabaseAway(t *testing.T) {
	w := newWorld()
	w.err = errors.New("the database is away")
	w.owe(1, 1)
	carry(t, w, func(t *testing.T, _ *courier.Courier, _ func()) {
		time.Sleep(time.Minute)
		w.want(t, 1)
		w.set(func() { w.err = nil })
		time.Sleep(time.Second)
		w.want(t, 0, "notice 001")
	})
}

// TestEnd: what is on its way at the end is settled if its answer comes soon, else left to others.
func TestEnd(t *testing.T) {
	for name, soon := range map[string]bool{"soon": true, "late": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.away = true
			w.owe(1, 1)
			carry(t, w, func(t *testing.T, _ *courier.Courier, end func()) {
				w.want(t, 1, "notice 001")
				end()
				if soon {
					time.Sleep(time.Second)
					w.set(func() { w.acks[0].Acked(nil) })
					w.want(t, 0)
					return
				}
				time.Sleep(time.Minute)
				w.want(t, 1)
				w.set(func() { w.acks[0].Acked(nil) }) // nobody waits any more, and nobody is blocked
			})
		})
	}
}

// One debt that cannot be read is left where it is, and the others are carried.
func TestUnreadableDebtIsPassedOver(t *testing.T) {
	w := newWorld()
	w.owe(1, 3)
	w.open[1] = subscription.Debt{ID: "002", Fault: errors.New("broken")}
	carry(t, w, func(t *testing.T, _ *courier.Courier, _ func()) {
		w.want(t, 1, "notice 001", "notice 003")
		time.Sleep(time.Minute)
		w.want(t, 1)
	})
}
