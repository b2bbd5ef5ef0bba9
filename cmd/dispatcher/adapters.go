package main

import (
	"context"

	"github.com/voxagent/dispatcher/internal/consumer"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/schedule"
	"github.com/voxagent/dispatcher/internal/history"
	"github.com/voxagent/dispatcher/internal/history/compact"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// The packages that wire.go joins know nothing of each other: each declares what it needs in its own words. These types
// translate, and do nothing else.

// kafkaOut is fanout's producer over Kafka's.
type kafkaOut struct{ producer *kafka.Producer }

func (o kafkaOut) Produce(topic string, key, value []byte, headers []fanout.RecordHeader, ack fanout.Ack) {
	out := make([]kafka.Header, len(headers))
	for i, h := range headers {
		out[i] = kafka.Header(h)
	}
	o.producer.Produce(kafka.OutRecord{Topic: topic, Key: key, Value: value, Headers: out, Ack: ack})
}

// historyOut is history's producer over Kafka's.
type historyOut struct{ producer *kafka.Producer }

func (o historyOut) Produce(topic string, key, value []byte, headers []history.Header, ack history.Ack) {
	out := make([]kafka.Header, len(headers))
	for i, h := range headers {
		out[i] = kafka.Header(h)
	}
	o.producer.Produce(kafka.OutRecord{Topic: topic, Key: key, Value: value, Headers: out, Ack: ack})
}

// recorder is fanout's recorder over history's.
type recorder struct{ history *history.Recorder }

func (r recorder) Event(rec *event.EventRecord, ack fanout.Ack)       { r.history.Event(rec, ack) }
func (r recorder) Attempt(rec *event.AttemptRecord, ack fanout.Ack)   { r.history.Attempt(rec, ack) }
func (r recorder) Delivery(rec *event.DeliveryRecord, ack fanout.Ack) { r.history.Delivery(rec, ack) }
func (r recorder) Webhook(rec *event.WebhookRecord, ack fanout.Ack) {
	r.history.CancelWebhook(rec, ack)
}
func (r recorder) Payload(e *fanout.Event, ack fanout.Ack) {
	r.history.Payload(e.Occurrence, e.Body, ack)
}

// intake is fanout's Intake or retry's Returns as a consumer's handler.
type intake struct {
	next interface {
		Handle(ctx context.Context, records []*fanout.Record) error
	}
	scheduler *schedule.Scheduler
}

func (h intake) Handle(ctx context.Context, records []*consumer.Record) error {
	all := make([]fanout.Record, len(records))
	out := make([]*fanout.Record, len(records))
	for i, r := range records {
		all[i] = fanout.Record{
			Source: event.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Time: r.Time, Key: r.Key,
			Value: r.Value, Headers: headersOf[fanout.RecordHeader](r.Headers), Generation: r.Generation(), Ticket: r.Ticket,
		}
		out[i] = &all[i]
	}
	return h.next.Handle(ctx, out)
}

// Revoked implements consumer.Revoker: what waits for its turn and belongs to another process now is dropped.
func (h intake) Revoked() { h.scheduler.Purge((*fanout.Delivery).Abandoned) }

// headersOf converts headers between types of the same shape.
func headersOf[T ~struct {
	Key   string
	Value []byte
}](headers []kafka.Header) []T {
	if len(headers) == 0 {
		return nil
	}
	out := make([]T, len(headers))
	for i, h := range headers {
		out[i] = T(h)
	}
	return out
}

// fold is the compactor as a consumer's handler.
type fold struct{ compactor *compact.Compactor }

func (h fold) Handle(ctx context.Context, records []*consumer.Record) error {
	all := make([]compact.Record, len(records))
	out := make([]*compact.Record, len(records))
	for i, r := range records {
		all[i] = compact.Record{
			Source: event.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Time: r.Time, Key: r.Key,
			Value: r.Value, Headers: headersOf[compact.Header](r.Headers), Ticket: r.Ticket,
		}
		out[i] = &all[i]
	}
	return h.compactor.Handle(ctx, out)
}

// admission is the engine as retry sees it.
type admission struct {
	engine    *fanout.Engine
	scheduler *schedule.Scheduler
}

func (a admission) Admit(ctx context.Context, d *fanout.Delivery, ticket fanout.Ticket) error {
	return a.engine.Admit(ctx, d, ticket, a.scheduler)
}

func (a admission) Cancel(ctx context.Context, d *fanout.Delivery, ticket fanout.Ticket, why event.Cause) error {
	return a.engine.Cancel(ctx, d, ticket, why)
}

// limits are the rates of the directory as the scheduler asks for them.
func limits(d *subscription.Directory) func(fanout.Ref) schedule.Limits {
	return func(ref fanout.Ref) schedule.Limits {
		webhook, workspace := d.Rates(ref)
		return schedule.Limits{Webhook: webhook, Workspace: workspace}
	}
}
