package history

import (
	"errors"
	"strings"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Ack is told once what became of a record: nil once all in-sync replicas have it. An error is final: the record is too
// large for its topic, or the producer was closed.
type Ack interface{ Acked(err error) }

// Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// Producer hands records to Kafka. Produce does not block for long. Key, value, headers and what they point to belong to
// the producer until it told ack, which it does exactly once, and may change from then on.
type Producer interface {
	Produce(topic string, key, value []byte, headers []Header, ack Ack)
}

// Config says where records go.
type Config struct {
	// HistoryTopic takes the records of pkg/event.
	HistoryTopic string
	// PayloadTopic takes bodies. Empty: payloads are not kept.
	PayloadTopic string
}

// Validate says what is wrong.
func (c Config) Validate() error {
	if strings.TrimSpace(c.HistoryTopic) == "" {
		return errors.New("history topic: want a name")
	}
	if c.HistoryTopic == c.PayloadTopic {
		return errors.New("payload topic: must not be the history topic")
	}
	return nil
}

// Recorder writes history. It is safe for concurrent use and never blocks for longer than its producer.
type Recorder struct {
	cfg      Config
	producer Producer

	events, payloads, others pool
}

// New returns a recorder that writes through p.
func New(cfg Config, p Producer) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Recorder{
		cfg: cfg, producer: p, events: pool{room: 1 << 10}, payloads: pool{room: 64}, others: pool{room: 3 << 9},
	}, nil
}

// Event records who gets an event, and who does not and why.
func (r *Recorder) Event(rec *event.EventRecord, ack Ack) { r.write(&r.events, rec, ack) }

// Attempt records one request and its outcome.
func (r *Recorder) Attempt(rec *event.AttemptRecord, ack Ack) { r.write(&r.others, rec, ack) }

// Delivery records a change of a delivery that no attempt tells of.
func (r *Recorder) Delivery(rec *event.DeliveryRecord, ack Ack) { r.write(&r.others, rec, ack) }

// Erasure records that payloads are to be forgotten.
func (r *Recorder) Erasure(rec *event.ErasureRecord, ack Ack) { r.write(&r.others, rec, ack) }

// CancelWebhook records that a webhook was disabled or deleted: its pending deliveries of a smaller epoch are cancelled,
// whatever becomes known of them later.
func (r *Recorder) CancelWebhook(rec *event.WebhookRecord, ack Ack) { r.write(&r.others, rec, ack) }

// Payload keeps an occurrence's body. The bytes must not change until ack is told. Where payloads are not kept it
// acknowledges at once.
func (r *Recorder) Payload(o event.Occurrence, body []byte, ack Ack) {
	if r.cfg.PayloadTopic == "" {
		ack.Acked(nil)
		return
	}
	e := r.payloads.take(ack)
	e.buf, _ = o.AppendText(e.buf) // never fails
	r.producer.Produce(r.cfg.PayloadTopic, e.buf, body, nil, e)
}
