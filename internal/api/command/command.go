package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Why an order is refused. An unknown or foreign id is store.ErrNotFound or subscription.ErrNotFound.
var (
	// ErrDisabled: the webhook is disabled or deleted; nothing is sent to it.
	ErrDisabled = errors.New("the webhook is disabled")
	// ErrInProgress: an attempt of the delivery is under way or about to start.
	ErrInProgress = errors.New("an attempt is in progress")
	// ErrPayloadExpired: the payload is not kept any more.
	ErrPayloadExpired = errors.New("the payload is not kept any more")
	// ErrFinished: there is nothing left to cancel.
	ErrFinished = errors.New("the delivery is finished")
	// ErrUnknownEvent: the catalogue has no such event type, or no example of it.
	ErrUnknownEvent = errors.New("unknown event type")
)

// Order is one attempt to be made now: all that its sender needs to know.
type Order struct {
	DeliveryID  string
	WorkspaceID string
	WebhookID   string
	// Epoch is the webhook's at this moment: the order is dropped if the webhook is disabled or deleted after it.
	Epoch     int64
	EventID   string
	EventType string
	SessionID string
	// Timestamp is the event's own, verbatim.
	Timestamp  string
	Occurrence event.Occurrence
	Source     event.Source
	CreatedAt  time.Time // of the delivery
	// Body is what the receiver gets, byte for byte.
	Body []byte
	// Chain is the chain to open, and the lowest one that is valid from now on.
	Chain int
	// Attempt is the number of the attempt to make: one more than the last that was made.
	Attempt int
	// Single: no retries follow. Otherwise the schedule goes on as after Attempt-1 attempts.
	Single  bool
	Trigger event.Trigger // TriggerResend or TriggerTest
}

// Cancellation ends a pending delivery.
type Cancellation struct {
	DeliveryID  string
	WorkspaceID string
	WebhookID   string
	// Delivery is what history knows of it, for the record of its end.
	Delivery store.Delivery
}

// Commander carries orders out. A nil error means that the order is durable (acknowledged by Kafka, and the override of
// older chains written to SQL before that), so it survives a crash of anyone. Repeating an order is harmless: the same
// delivery, chain and attempt are made once.
type Commander interface {
	// Resend has the attempt made at once. The orders of finished deliveries (Single) need no override.
	Resend(ctx context.Context, actor subscription.Actor, o Order) error
	// Test has the attempt of a delivery made that exists only by this order.
	Test(ctx context.Context, actor subscription.Actor, o Order) error
	// Cancel makes every chain of the delivery invalid and records its end. A request that is on the wire is not taken
	// back.
	Cancel(ctx context.Context, actor subscription.Actor, c Cancellation) error
}

// Webhooks looks a webhook up. *subscription.Store does it.
type Webhooks interface {
	Webhook(ctx context.Context, workspace, id string) (subscription.Webhook, error)
}

// History knows deliveries and payloads. *store.Store does it.
type History interface {
	Delivery(ctx context.Context, workspaceID, deliveryID string) (*store.DeliveryDetail, error)
	Payload(ctx context.Context, workspaceID string, occurrence event.Occurrence) (store.Payload, error)
}

// Catalogue returns the event types as they are now.
type Catalogue func() *catalogue.Catalogue

// Service decides. It is safe for concurrent use.
type Service struct {
	webhooks  Webhooks
	history   History
	catalogue Catalogue
	commander Commander
	now       func() time.Time
}

// New returns a Service.
func New(webhooks Webhooks, history History, types Catalogue, commander Commander) *Service {
	return &Service{webhooks, history, types, commander, time.Now}
}

// Resend sends the delivery once more. Errors: ErrDisabled, ErrInProgress, ErrPayloadExpired, ErrNotFound of the stores.
func (s *Service) Resend(ctx context.Context, actor subscription.Actor, workspace, deliveryID string) error {
	detail, err := s.history.Delivery(ctx, workspace, deliveryID)
	if err != nil {
		return fmt.Errorf("read delivery %s: %w", deliveryID, err)
	}
	d := detail.Delivery
	webhook, err := s.webhooks.Webhook(ctx, workspace, d.WebhookID)
	switch {
	case errors.Is(err, subscription.ErrNotFound), err == nil && !webhook.Enabled:
		return ErrDisabled
	case err != nil:
		return fmt.Errorf("read webhook %s: %w", d.WebhookID, err)
	}
	if underWay(&d, s.now()) {
		return ErrInProgress
	}
	payload, err := s.history.Payload(ctx, workspace, d.Occurrence)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read payload of %s: %w", deliveryID, err)
	}
	if err != nil || payload.State != store.PayloadKept {
		return ErrPayloadExpired
	}
	order := resend(&d, webhook.Epoch, payload.Body)
	if err := s.commander.Resend(ctx, actor, order); err != nil {
		return fmt.Errorf("order resend of %s: %w", deliveryID, err)
	}
	return nil
}

// resend is the order that sends d once more.
func resend(d *store.Delivery, epoch int64, body []byte) Order {
	return Order{
		DeliveryID: d.ID, WorkspaceID: d.WorkspaceID, WebhookID: d.WebhookID, Epoch: epoch,
		EventID: d.EventID, EventType: d.Event, SessionID: d.SessionID, Timestamp: d.EventTimestamp,
		Occurrence: d.Occurrence, Source: d.Source, CreatedAt: d.CreatedAt, Body: body,
		Chain: d.Chain + 1, Attempt: d.Made + 1, Single: d.Status != event.Pending, Trigger: event.TriggerResend,
	}
}

// grace is how long after its due time an attempt may still be expected to run: a request's deadline and what history
// needs to hear of its end. Later than that it waits for something, and a resend takes its place.
const grace = 30 * time.Second

// underWay says whether an attempt is probably being made. Sending twice at once is prevented elsewhere; this keeps a
// second click from ordering what the first one did.
func underWay(d *store.Delivery, now time.Time) bool {
	if d.Status != event.Pending || d.Cause.Waiting() {
		return false
	}
	due := d.NextAttemptAt
	if due.IsZero() {
		due = d.CreatedAt
	}
	return !due.After(now) && now.Sub(due) < grace
}

// Cancel ends a pending delivery. Errors: ErrFinished, store.ErrNotFound.
func (s *Service) Cancel(ctx context.Context, actor subscription.Actor, workspace, deliveryID string) error {
	detail, err := s.history.Delivery(ctx, workspace, deliveryID)
	if err != nil {
		return fmt.Errorf("read delivery %s: %w", deliveryID, err)
	}
	if detail.Status != event.Pending {
		return ErrFinished
	}
	err = s.commander.Cancel(ctx, actor, Cancellation{
		DeliveryID: deliveryID, WorkspaceID: workspace, WebhookID: detail.WebhookID, Delivery: detail.Delivery,
	})
	if err != nil {
		return fmt.Errorf("cancel %s: %w", deliveryID, err)
	}
	return nil
}

// Test sends the catalogue's example to the webhook, disabled or not, and returns the new delivery's id. Errors:
// ErrUnknownEvent, subscription.ErrNotFound.
func (s *Service) Test(ctx context.Context, actor subscription.Actor, workspace, webhookID, eventType string) (string, error) {
	webhook, err := s.webhooks.Webhook(ctx, workspace, webhookID)
	if err != nil {
		return "", fmt.Errorf("read webhook %s: %w", webhookID, err)
	}
	kind := s.catalogue().Lookup(eventType)
	if kind == nil || len(kind.Example) == 0 {
		return "", ErrUnknownEvent
	}
	order := test(&webhook, eventType, kind.Example, s.now())
	if err := s.commander.Test(ctx, actor, order); err != nil {
		return "", fmt.Errorf("order test of %s: %w", webhookID, err)
	}
	return order.DeliveryID, nil
}

// test is the order of a test event made at now.
func test(webhook *subscription.Webhook, eventType string, data []byte, now time.Time) Order {
	now = now.UTC().Truncate(time.Millisecond)
	occurrence := event.NewOccurrence(now)
	e := event.Event{
		ID: event.PrefixTest + occurrence.String(), Type: eventType, WorkspaceID: webhook.WorkspaceID,
		Timestamp: event.FormatTime(now), Time: now, Data: data,
	}
	return Order{
		DeliveryID: occurrence.DeliveryID(webhook.ID), WorkspaceID: webhook.WorkspaceID, WebhookID: webhook.ID,
		Epoch: webhook.Epoch, EventID: e.ID, EventType: eventType, Timestamp: e.Timestamp,
		Occurrence: occurrence, CreatedAt: now, Body: event.Body(&e),
		Chain: 1, Attempt: 1, Single: true, Trigger: event.TriggerTest,
	}
}
