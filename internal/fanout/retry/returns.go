package retry

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Admission is where a delivery that came back goes; wire.go joins it to fanout's Engine.
type Admission interface {
	// Admit takes d over: ticket is settled by it. It waits for room and fails only when ctx ends.
	Admit(ctx context.Context, d *fanout.Delivery, ticket fanout.Ticket) error
	// Cancel ends d without an attempt and says why; else as Admit.
	Cancel(ctx context.Context, d *fanout.Delivery, ticket fanout.Ticket, why event.Cause) error
}

// Config of Returns.
type Config struct {
	// Prefix is the common part of the ladder's topics.
	Prefix string
	// OverrideTimeout bounds the look-up of overrides; without an answer retries go on. Default 1 s.
	OverrideTimeout time.Duration
}

// Returns takes the records of the ladder and of the commands topic, holds them until they are due and admits them.
type Returns struct {
	cfg       Config
	delay     map[string]time.Duration // of the ladder's topics
	ladder    *Ladder
	admission Admission
	overrides fanout.Overrides
	room      func(ctx context.Context) error
	recent    *recent // the ladder's
	metrics   *Metrics
	log       *zap.Logger
}

// Parts are what Returns works with; all are needed.
type Parts struct {
	Ladder    *Ladder
	Admission Admission
	Overrides fanout.Overrides
	// Room waits until the producer takes more without growing: asked before a record goes to another rung.
	Room func(ctx context.Context) error
}

// NewReturns returns the handler of the retry group.
func NewReturns(cfg Config, parts Parts, metrics *Metrics, log *zap.Logger) *Returns {
	if cfg.OverrideTimeout <= 0 {
		cfg.OverrideTimeout = time.Second
	}
	r := &Returns{
		cfg: cfg, delay: make(map[string]time.Duration, len(rungs)), ladder: parts.Ladder, admission: parts.Admission,
		overrides: parts.Overrides, room: parts.Room, recent: parts.Ladder.recent, metrics: metrics, log: log,
	}
	for i, name := range Topics(cfg.Prefix) {
		r.delay[name] = rungs[i]
	}
	return r
}

// waiting is one record on its way through Returns.
type waiting struct {
	record   *fanout.Record
	delivery *fanout.Delivery
	at       time.Time // when it is admitted, or goes to the next rung
	hop      bool
}

// Handle takes the records of one partition, in order; it blocks until each is admitted, and returns an error only when
// ctx ended: the records not yet taken are then abandoned.
func (r *Returns) Handle(ctx context.Context, records []*fanout.Record) error {
	batch := r.decode(records)
	for len(batch) > 0 {
		if err := sleepUntil(ctx, batch[0].at); err != nil {
			abandon(batch)
			return err
		}
		n := ripe(batch, time.Now())
		if err := r.release(ctx, batch[:n]); err != nil {
			abandon(batch[n:])
			return err
		}
		batch = batch[n:]
	}
	return nil
}

func abandon(batch []waiting) {
	for i := range batch {
		batch[i].record.Ticket.Abandon()
	}
}

// decode reads the records and plans each. One that is not ours can never be tried: it is counted, logged and passed. One
// that is needless is dropped at once, not when it is due: after a crash in between, its next owner would try it.
func (r *Returns) decode(records []*fanout.Record) []waiting {
	batch := make([]waiting, 0, len(records))
	seen := make(map[uint64]struct{}, len(records))
	for _, rec := range records {
		d, err := decode(rec)
		if err != nil {
			r.metrics.poison.Inc()
			r.log.Error("skipped a record of the ladder", zap.String("topic", rec.Source.Topic),
				zap.Int("partition", rec.Source.Partition), zap.Int64("offset", rec.Source.Offset), zap.Error(err))
			rec.Ticket.Done()
			continue
		}
		chain, at := r.recent.chainOf(d), stepOf(d)
		r.recent.exists(chain, at, time.Now())
		key := r.recent.hash(chain, at.number())
		if _, copied := seen[key]; copied || r.recent.needless(chain, at, rec.Source) {
			r.metrics.dropped.WithLabelValues("copy").Inc()
			rec.Ticket.Done()
			continue
		}
		seen[key] = struct{}{}
		batch = append(batch, r.plan(rec, d))
	}
	return batch
}

// plan says when the record leaves its rung and whether it is then due. Commands are due at once.
func (r *Returns) plan(rec *fanout.Record, d *fanout.Delivery) waiting {
	w := waiting{record: rec, delivery: d, at: d.DueAt}
	delay, onLadder := r.delay[rec.Source.Topic]
	if !onLadder {
		return w
	}
	if out := rec.Time.Add(delay); !held(d.DueAt.Sub(out), delay) {
		w.at, w.hop = out, true
	}
	return w
}

// ripe returns how many records from the front may leave now.
func ripe(batch []waiting, now time.Time) int {
	n := 1
	for n < len(batch) && !batch[n].at.After(now) {
		n++
	}
	return n
}

// release lets records leave: to the next rung, to their attempt, or to their end.
func (r *Returns) release(ctx context.Context, batch []waiting) error {
	valid := r.lookUp(ctx, batch)
	for i := range batch {
		if err := r.releaseOne(ctx, &batch[i], valid); err != nil {
			abandon(batch[i+1:])
			return err
		}
	}
	return nil
}

func (r *Returns) releaseOne(ctx context.Context, w *waiting, valid map[string]int) error {
	d, ticket := w.delivery, w.record.Ticket
	lowest, overridden := valid[d.ID]
	switch {
	case overridden && lowest == fanout.MaxChain:
		r.metrics.dropped.WithLabelValues("cancelled").Inc()
		return r.admission.Cancel(ctx, d, ticket, event.CauseByUser)
	case overridden && d.Chain < lowest:
		// A later chain goes on with the delivery and says so itself.
		r.metrics.dropped.WithLabelValues("superseded").Inc()
		ticket.Done()
		return nil
	case w.hop:
		if err := r.room(ctx); err != nil {
			ticket.Abandon()
			return err
		}
		r.metrics.hops.Inc()
		r.ladder.Park(d, settle{ticket})
		return nil
	case !r.recent.admits(d, w.record.Source, time.Now()):
		r.metrics.dropped.WithLabelValues("copy").Inc()
		ticket.Done()
		return nil
	}
	r.metrics.returned(time.Since(d.DueAt))
	return r.admission.Admit(ctx, d, &noted{ticket, r.recent, d, w.record.Source, r.recent.chainOf(d), stepOf(d)})
}

// settle is the Ack of a hop: the record is done once its copy is durable.
type settle struct{ ticket fanout.Ticket }

// Acked implements fanout.Ack.
func (s settle) Acked(err error) {
	if err != nil {
		s.ticket.Abandon()
		return
	}
	s.ticket.Done()
}

// lookUp asks which chains of these deliveries are still valid. Without an answer retries go on: a resend may then be
// followed by one request too many, which is better than none.
func (r *Returns) lookUp(ctx context.Context, batch []waiting) map[string]int {
	ids := make([]string, 0, len(batch))
	for i := range batch {
		if !batch[i].hop {
			ids = append(ids, batch[i].delivery.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.OverrideTimeout)
	defer cancel()
	valid, err := r.overrides.Lookup(ctx, ids)
	if err != nil {
		r.metrics.lookupFaults.Inc()
		return nil
	}
	return valid
}

// sleepUntil waits for a time; an error only when ctx ends.
func sleepUntil(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
