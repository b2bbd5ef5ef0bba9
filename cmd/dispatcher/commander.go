package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/retry"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// commander carries the API's orders out: command.Commander over the commands topic, with an override in SQL where older
// chains must end.
type commander struct {
	store    *subscription.Store
	producer fanout.Producer
	topic    string
	recorder fanout.Recorder
	policy   *retry.Policy
	timeout  time.Duration
}

// Resend implements command.Commander.
func (c *commander) Resend(ctx context.Context, actor subscription.Actor, o command.Order) error {
	const action = "delivery.resend"
	var err error
	if o.Single {
		err = c.store.Audit(ctx, actor, o.WorkspaceID, action, o.DeliveryID, nil)
	} else {
		overrides := []subscription.Override{{DeliveryID: o.DeliveryID, Chain: o.Chain}}
		err = c.store.SetOverrides(ctx, actor, o.WorkspaceID, action, overrides, c.overrideLife())
	}
	if err != nil {
		return err
	}
	d, now := c.delivery(&o), time.Now()
	state := stateOf(d, event.Pending, event.CauseResend, now)
	state.NextAttemptAt = now
	return c.durable(ctx,
		func(ack fanout.Ack) { c.recorder.Delivery(state, ack) },
		func(ack fanout.Ack) { retry.Order(c.producer, c.topic, d, ack) })
}

// Test implements command.Commander. The test event has no source record, so its event record is written here.
func (c *commander) Test(ctx context.Context, actor subscription.Actor, o command.Order) error {
	if err := c.store.Audit(ctx, actor, o.WorkspaceID, "webhook.test", o.WebhookID, nil); err != nil {
		return err
	}
	d, now := c.delivery(&o), time.Now()
	rec := &event.EventRecord{
		EventID: o.EventID, Event: o.EventType, WorkspaceID: o.WorkspaceID, SessionID: o.SessionID,
		Occurrence: o.Occurrence, Timestamp: o.Timestamp, RecordTimestamp: o.Occurrence.Time(), ReceivedAt: now,
		BodySize: len(o.Body), Matched: []event.Match{{WebhookID: o.WebhookID, DeliveryID: o.DeliveryID, Epoch: o.Epoch}},
	}
	return c.durable(ctx,
		func(ack fanout.Ack) { c.recorder.Event(rec, ack) },
		func(ack fanout.Ack) { c.recorder.Payload(d.Event, ack) },
		func(ack fanout.Ack) { retry.Order(c.producer, c.topic, d, ack) })
}

// Cancel implements command.Commander.
func (c *commander) Cancel(ctx context.Context, actor subscription.Actor, o command.Cancellation) error {
	overrides := []subscription.Override{{DeliveryID: o.DeliveryID, Chain: fanout.MaxChain}}
	if err := c.store.SetOverrides(ctx, actor, o.WorkspaceID, "delivery.cancel", overrides, c.overrideLife()); err != nil {
		return err
	}
	known := &o.Delivery
	rec := &event.DeliveryRecord{
		DeliveryID: o.DeliveryID, WebhookID: o.WebhookID, WorkspaceID: o.WorkspaceID, EventID: known.EventID,
		Event: known.Event, SessionID: known.SessionID, Occurrence: known.Occurrence, Source: known.Source,
		EventTimestamp: known.EventTimestamp, Chain: known.Chain, Attempts: known.Made, Epoch: known.Epoch,
		Status: event.Cancelled, Cause: event.CauseByUser, At: time.Now(),
	}
	return c.durable(ctx, func(ack fanout.Ack) { c.recorder.Delivery(rec, ack) })
}

// overrideLife is how long an override is kept: longer than any delivery can be pending.
func (c *commander) overrideLife() time.Duration {
	now := time.Now()
	return c.policy.Expires(now).Sub(now) + 24*time.Hour
}

// delivery is the attempt that an order asks for.
func (c *commander) delivery(o *command.Order) *fanout.Delivery {
	now := time.Now()
	return &fanout.Delivery{
		ID: o.DeliveryID, Ref: fanout.Ref{WorkspaceID: o.WorkspaceID, WebhookID: o.WebhookID}, Epoch: o.Epoch,
		Chain: o.Chain, Attempt: o.Attempt, Step: o.Attempt - 1, Single: o.Single, Trigger: o.Trigger,
		CreatedAt: o.CreatedAt, DueAt: now, Deadline: c.policy.Expires(now),
		Event: &fanout.Event{
			ID: o.EventID, Type: o.EventType, WorkspaceID: o.WorkspaceID, SessionID: o.SessionID, Timestamp: o.Timestamp,
			RecordTime: o.Occurrence.Time(), Occurrence: o.Occurrence, Source: o.Source, Body: o.Body,
		},
	}
}

// stateOf is a delivery record about d.
func stateOf(d *fanout.Delivery, status event.Status, cause event.Cause, at time.Time) *event.DeliveryRecord {
	e := d.Event
	return &event.DeliveryRecord{
		DeliveryID: d.ID, WebhookID: d.Ref.WebhookID, WorkspaceID: d.Ref.WorkspaceID, EventID: e.ID, Event: e.Type,
		SessionID: e.SessionID, Occurrence: e.Occurrence, Source: e.Source, EventTimestamp: e.Timestamp,
		Chain: d.Chain, Attempts: d.Attempt - 1, Epoch: d.Epoch, Status: status, Cause: cause, At: at,
	}
}

// durable writes records and waits until Kafka has all of them, for at most the timeout.
func (c *commander) durable(ctx context.Context, writes ...func(fanout.Ack)) error {
	acks := make(ackChan, len(writes)) // one place for each, so that a late answer waits for nobody
	for _, write := range writes {
		write(acks)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var errs []error
	for range writes {
		select {
		case err := <-acks:
			errs = append(errs, err)
		case <-ctx.Done():
			return fmt.Errorf("not written in time: %w", ctx.Err())
		}
	}
	return errors.Join(errs...)
}

// ackChan is an Ack that can be waited for.
type ackChan chan error

// Acked implements fanout.Ack.
func (c ackChan) Acked(err error) { c <- err }
