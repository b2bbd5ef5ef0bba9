package fanout

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Engine makes attempts and hands on what follows from them. It implements Work, which the scheduler drives, and Admit,
// by which the ladder brings deliveries back.
type Engine struct {
	Ports
	budget  *Budget
	metrics *Metrics
	log     *zap.Logger
}

// errSealed says that a webhook's secret was sealed by a key that this process was not given.
var errSealed = errors.New("the webhook's secret cannot be opened with the encryption keys given")

// Ports are the engine's ways to the outside; all are needed.
type Ports struct {
	Subscriptions Subscriptions
	Sender        Sender
	Policy        Policy
	Ladder        Ladder
	Recorder      Recorder
	Notifier      Notifier
}

// NewEngine returns an engine over ports whose open records share budget.
func NewEngine(ports Ports, budget *Budget, metrics *Metrics, log *zap.Logger) *Engine {
	return &Engine{Ports: ports, budget: budget, metrics: metrics, log: log}
}

// Admit takes over a delivery that came back from the ladder or by a command: ticket is done when what follows from it is
// durable. It waits for room in the budget; it fails only when ctx ends, and then the ticket is abandoned.
func (e *Engine) Admit(ctx context.Context, d *Delivery, ticket Ticket, next Scheduler) error {
	size, err := e.budget.Acquire(ctx, int64(d.Size())+recordOverhead)
	if err != nil {
		ticket.Abandon()
		return err
	}
	d.open = newOpen(ticket, e.budget, size, 1) // its one part is the delivery's
	return offer(ctx, next, d)
}

// offer hands d to the scheduler, once that has room for it. When ctx ends before, d is dropped.
func offer(ctx context.Context, next Scheduler, d *Delivery) error {
	for wait := next.Hold(d.Ref); wait > 0; wait = next.Hold(d.Ref) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			d.open.partLost()
			return ctx.Err()
		}
	}
	next.Offer(d)
	return nil
}

// Cancel ends a delivery that came back from the ladder without an attempt, and says why.
func (e *Engine) Cancel(ctx context.Context, d *Delivery, ticket Ticket, why event.Cause) error {
	size, err := e.budget.Acquire(ctx, int64(d.Size())+recordOverhead)
	if err != nil {
		ticket.Abandon()
		return err
	}
	d.open = newOpen(ticket, e.budget, size, 1)
	e.cancel(d, why)
	return nil
}

// Attempt implements Work: it makes d's next attempt.
func (e *Engine) Attempt(ctx context.Context, d *Delivery) Result {
	if d.Abandoned() {
		d.open.partLost()
		return Result{}
	}
	target, err := e.target(ctx, d)
	switch {
	case errors.Is(err, ErrNoWebhook):
		e.cancel(d, event.CauseDeleted)
		return Result{}
	case err != nil: // the process ends: the record comes again
		d.open.partLost()
		return Result{}
	case target.Suspended:
		e.cancel(d, event.CauseSuspended)
		return Result{}
	case d.Trigger != event.TriggerTest && (!target.Enabled || d.Epoch < target.Epoch):
		e.cancel(d, event.CauseDisabled)
		return Result{}
	case !d.Deadline.IsZero() && time.Now().After(d.Deadline):
		e.expire(d)
		return Result{}
	case target.Signer == nil:
		return e.ownFault(ctx, d, errSealed)
	}
	out, err := e.Sender.Send(ctx, target, d)
	if err != nil {
		return e.ownFault(ctx, d, err)
	}
	return e.settle(ctx, d, target, &out)
}

// target is d's webhook. A test or a resend may be ordered in the moment after its webhook was made or enabled, so one is
// not refused by what was known before.
func (e *Engine) target(ctx context.Context, d *Delivery) (*Target, error) {
	target, err := e.Subscriptions.Target(ctx, d.Ref, false)
	ordered := d.Trigger != event.TriggerEvent && d.Trigger != event.TriggerRetry
	refused := errors.Is(err, ErrNoWebhook) || err == nil && !target.Enabled && d.Trigger != event.TriggerTest
	if ordered && refused {
		return e.Subscriptions.Target(ctx, d.Ref, true)
	}
	return target, err
}

// ownFault handles an attempt that was not made by a fault of this process. The delivery goes to the ladder rather than
// round in a circle, since the fault (no file descriptors) would only grow.
func (e *Engine) ownFault(ctx context.Context, d *Delivery, err error) Result {
	if ctx.Err() != nil {
		d.open.partLost()
		return Result{}
	}
	e.metrics.ownFaults.Inc()
	e.log.Error("attempt not made", zap.String("delivery_id", d.ID), zap.Error(err))
	e.Park(d, event.CauseOwnFault, time.Time{})
	return Result{}
}

// settle records what an attempt came to and hands on what follows.
func (e *Engine) settle(ctx context.Context, d *Delivery, target *Target, out *Outcome) Result {
	dec := e.Policy.Next(d, out, rand.Float64())
	e.observe(d, out, dec)
	res := Result{Attempted: true, Answered: out.Answered(), Duration: out.Duration, PauseUntil: dec.Pause}
	facts := int32(1)
	if dec.Status == event.Pending {
		facts++
	}
	if dec.Gone {
		facts++
		res.PauseUntil = time.Now().Add(goneHold)
	}
	if dec.Status == event.Failed {
		facts++
	}
	d.facts.Store(facts)
	e.Recorder.Attempt(attemptRecord(d, out, dec), d)
	if dec.Status == event.Pending {
		e.Ladder.Park(d.retry(dec.NextAt), d)
	}
	if dec.Status == event.Failed {
		e.Notifier.Notice(failedNotice(d, d.Attempt, failure(out), time.Now()), d)
	}
	if dec.Gone {
		e.disableGone(ctx, d, target)
	}
	return res
}

const (
	// goneHold keeps a webhook that answered 410 from being tried until the change of its row has come round.
	goneHold = time.Minute
	// goneTimeout bounds how long the database may take for that change; the worker waits for it.
	goneTimeout = 5 * time.Second
)

// disableGone disables a webhook whose URL answered 410. d stays open until that is done.
func (e *Engine) disableGone(ctx context.Context, d *Delivery, target *Target) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goneTimeout)
	defer cancel()
	if err := e.Subscriptions.DisableGone(ctx, target, d.ID); err != nil {
		// Nothing is lost: the next 410 asks again.
		e.log.Warn("disable a webhook that is gone", zap.String("webhook_id", d.Ref.WebhookID), zap.Error(err))
	}
	d.Acked(nil)
}

// Park implements Work: d goes to the ladder without using an attempt, and history says that it waits and why.
func (e *Engine) Park(d *Delivery, why event.Cause, notBefore time.Time) {
	now := time.Now()
	switch {
	case d.Abandoned(): // its next owner has it
		d.open.partLost()
		return
	case !d.Deadline.IsZero() && now.After(d.Deadline):
		e.expire(d)
		return
	}
	d.Parked++
	d.DueAt = e.Policy.Wait(d.Parked, now, notBefore)
	e.metrics.parked.WithLabelValues(string(why)).Inc()
	d.facts.Store(2)
	waiting := deliveryRecord(d, event.Pending, why, now)
	waiting.NextAttemptAt = d.DueAt
	e.Recorder.Delivery(waiting, d)
	e.Ladder.Park(d, d)
}

// Drop implements Work: the partition that brought d was lost, its next owner takes it from there.
func (e *Engine) Drop(d *Delivery) { d.open.partLost() }

func (e *Engine) cancel(d *Delivery, why event.Cause) {
	e.metrics.ended.WithLabelValues(string(event.Cancelled)).Inc()
	d.facts.Store(1)
	e.Recorder.Delivery(deliveryRecord(d, event.Cancelled, why, time.Now()), d)
}

func (e *Engine) expire(d *Delivery) {
	now := time.Now()
	e.metrics.ended.WithLabelValues(string(event.CauseExpired)).Inc()
	d.facts.Store(2)
	e.Recorder.Delivery(deliveryRecord(d, event.Failed, event.CauseExpired, now), d)
	e.Notifier.Notice(failedNotice(d, d.Attempt-1, string(event.CauseExpired), now), d)
}

// retry returns the delivery's next attempt, due at next.
func (d *Delivery) retry(next time.Time) *Delivery {
	return &Delivery{
		ID: d.ID, Event: d.Event, Ref: d.Ref, Epoch: d.Epoch, Chain: d.Chain,
		Attempt: d.Attempt + 1, Step: d.Step + 1,
		Trigger: event.TriggerRetry, CreatedAt: d.CreatedAt, DueAt: next, Deadline: d.Deadline,
	}
}

// observe counts an attempt and writes its one log line: failures at info, successes at debug, since a busy dispatcher
// makes tens of thousands a second and history has them all.
func (e *Engine) observe(d *Delivery, out *Outcome, dec Decision) {
	e.metrics.attempt(out, dec)
	level := zap.DebugLevel
	if !out.Succeeded() {
		level = zap.InfoLevel
	}
	ce := e.log.Check(level, "delivery.attempted")
	if ce == nil {
		return
	}
	ce.Write(
		zap.String("workspace_id", d.Ref.WorkspaceID), zap.String("webhook_id", d.Ref.WebhookID),
		zap.String("event_id", d.Event.ID), zap.String("delivery_id", d.ID),
		zap.Int("attempt", d.Attempt), zap.String("trigger", string(d.Trigger)),
		zap.Int("http_status", out.HTTPStatus), zap.String("error", string(out.Error)),
		zap.Duration("duration", out.Duration), zap.String("delivery_status", string(dec.Status)),
		zap.Time("next_attempt_at", dec.NextAt))
}
