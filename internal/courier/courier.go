package courier

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Ledger keeps debts; *subscription.Store implements it.
type Ledger interface {
	// ClaimOwed returns debts, the oldest first, that nobody else has claimed, and keeps them for the lease.
	ClaimOwed(ctx context.Context, limit int, lease time.Duration) (subscription.Claim, error)
	// Settle removes a debt.
	Settle(ctx context.Context, id string) error
}

// Recorder writes history. It does not block for long; ack is told when the record is durable.
type Recorder interface {
	// Webhook records that a webhook was disabled or deleted: its pending deliveries of an older epoch are cancelled.
	Webhook(r *event.WebhookRecord, ack fanout.Ack)
}

const (
	// every is the time between two looks when nobody wakes the courier: another process's debts are found by it.
	every = time.Second
	// lease is how long others leave a claimed debt alone; a write takes milliseconds.
	lease = 10 * time.Second
	batch = 100
	// patience is how long a statement may take; a database that hangs is asked again.
	patience = 10 * time.Second
	// parting is how long the courier may take at the end.
	parting = 5 * time.Second
)

// Courier writes debts. One goroutine runs it; Wake may be called from any.
type Courier struct {
	ledger  Ledger
	notices fanout.Notifier
	history Recorder
	log     *zap.Logger
	wake    chan struct{} // cap 1: a wake-up is never lost
	broken  bool          // the last look failed, and the log has it
	oldest  atomic.Int64  // Unix milliseconds of the oldest debt; 0: there is none
}

// New returns a courier that carries from ledger to notices and history. Its metric is registered with reg; nil: it is not.
func New(ledger Ledger, notices fanout.Notifier, history Recorder, reg prometheus.Registerer, log *zap.Logger) *Courier {
	c := &Courier{ledger: ledger, notices: notices, history: history, log: log, wake: make(chan struct{}, 1)}
	if reg != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "dispatcher_owed_oldest_seconds",
			Help: "Age of the oldest notice or cancellation that a change of a webhook owes to Kafka; 0: none is owed.",
		}, c.age))
	}
	return c
}

// age is that of the oldest debt in seconds.
func (c *Courier) age() float64 {
	at := c.oldest.Load()
	if at == 0 {
		return 0
	}
	return time.Since(time.UnixMilli(at)).Seconds()
}

// Wake has the courier look at once. It does not block.
func (c *Courier) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run carries debts until ctx ends, then once more what is owed by then, and returns nil. A fault of the database is
// logged, and the next look tries again.
func (c *Courier) Run(ctx context.Context) error {
	working, cancel := lingering(ctx, parting)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		last := ctx.Err() != nil
		more, err := c.look(working)
		c.report(err)
		switch {
		case more && working.Err() == nil:
			continue
		case last:
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-c.wake:
		}
	}
}

// report tells the log when looks begin to fail.
func (c *Courier) report(err error) {
	if err != nil && !c.broken {
		c.log.Warn("notices wait: what webhooks owe cannot be read", zap.Error(err))
	}
	c.broken = err != nil
}

// look carries one batch; more says that there may be another one.
func (c *Courier) look(ctx context.Context) (more bool, err error) {
	claim, err := c.claim(ctx)
	if err != nil {
		return false, err
	}
	c.oldest.Store(0)
	if !claim.Oldest.IsZero() {
		c.oldest.Store(claim.Oldest.UnixMilli())
	}
	answers := make(chan answer, len(claim.Debts)) // a place for each, so that a late answer waits for nobody
	written := 0
	for i := range claim.Debts {
		d := &claim.Debts[i]
		if d.Fault != nil {
			c.log.Error("what a webhook owes cannot be read, and stays", zap.String("id", d.ID), zap.Error(d.Fault))
			continue
		}
		c.write(d, receipt{d.ID, answers})
		written++
	}
	for range written {
		select {
		case a := <-answers:
			if err := c.settle(ctx, a); err != nil {
				return false, err
			}
		case <-ctx.Done():
			return false, nil // its lease runs out, and whoever is there then writes it again
		}
	}
	return len(claim.Debts) == batch, nil
}

func (c *Courier) claim(ctx context.Context) (subscription.Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.ledger.ClaimOwed(ctx, batch, lease)
}

func (c *Courier) write(d *subscription.Debt, ack fanout.Ack) {
	if d.Notice != nil {
		c.notices.Notice(d.Notice, ack)
		return
	}
	c.history.Webhook(d.Cancel, ack)
}

// settle removes what Kafka has. What it refused for good stays, and comes again when the lease is over.
func (c *Courier) settle(ctx context.Context, a answer) error {
	if a.err != nil {
		c.log.Warn("what a webhook owes was not written, trying again", zap.String("id", a.id), zap.Error(a.err))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.ledger.Settle(ctx, a.id)
}

// answer is Kafka's about one debt.
type answer struct {
	id  string
	err error
}

// receipt is the fanout.Ack of one debt.
type receipt struct {
	id string
	to chan<- answer
}

// Acked implements fanout.Ack.
func (r receipt) Acked(err error) { r.to <- answer{r.id, err} }

// lingering returns a context that ends a while after ctx does.
func lingering(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(while, cancel) })
	return out, func() {
		stop()
		cancel()
	}
}
