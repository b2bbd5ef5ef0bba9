package fanout

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// ErrNoWebhook says that a webhook does not exist (any more).
var ErrNoWebhook = errors.New("no such webhook")

// Ticket is one open record of a partition that this process owns. Exactly one of Done and Abandon is called, once.
// All methods may be called from any goroutine.
type Ticket interface {
	// Done says that every fact about the record is acknowledged by Kafka: its offset may be committed.
	Done()
	// Abandon says that the record was dropped before it was done, because its partition was lost.
	Abandon()
	// Abandoned says whether the partition was lost: what has not started must not start any more.
	Abandoned() bool
	// PartDone says that the part with this key (a webhook) is durable while other parts are still open, so that
	// the next owner need not repeat it.
	PartDone(key uint64)
	// PartWasDone says whether a former owner had already finished the part.
	PartWasDone(key uint64) bool
}

// Record is one Kafka record as the intakes take it. Intake keeps nothing of Key, Value and Headers once its Handle has
// returned; retry's Returns does.
type Record struct {
	Source  event.Source
	Time    time.Time
	Key     []byte
	Value   []byte
	Headers []RecordHeader
	// Generation of the group that read the record; of two judgements of one occurrence the greater one wins.
	Generation int64
	Ticket     Ticket
}

// clone is the record with bytes of its own.
func (r *Record) clone() *Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i, h := range c.Headers {
		c.Headers[i] = RecordHeader{Key: strings.Clone(h.Key), Value: bytes.Clone(h.Value)}
	}
	return &c
}

// RecordHeader is one header of a Kafka record.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Ack is told once what became of a record that was given to Kafka: nil once all in-sync replicas have it. Producing is
// retried for ever, so an error is final: the record is too large for its topic, or the producer was closed.
type Ack interface{ Acked(err error) }

// Producer hands records to Kafka; Ladder, notices and dead letters are written through it. Produce does not block for
// long; key, value and headers must not change until ack was told.
type Producer interface {
	Produce(topic string, key, value []byte, headers []RecordHeader, ack Ack)
}

// Subscriptions answers who wants an event, and what a webhook is at this moment.
type Subscriptions interface {
	// Match judges each event by its workspace's webhooks; the result has one Match for each event, in order. It
	// blocks while neither cache nor database answers ("unknown is not none") and fails only when ctx ends.
	Match(ctx context.Context, events []*Event) ([]*Match, error)
	// Target returns the webhook as it is now, also a disabled one; ErrNoWebhook when it was deleted. Blocks as Match.
	// What it answers from may be a moment old; fresh has every change heard first that was made before the call.
	Target(ctx context.Context, ref Ref, fresh bool) (*Target, error)
	// DisableGone disables the webhook because target's URL answered 410 to that delivery. It does nothing when the
	// webhook changed its URL since. That the platform is told and pending deliveries are cancelled is its business too.
	DisableGone(ctx context.Context, target *Target, deliveryID string) error
}

// Overrides tells which pending deliveries were superseded by a resend or cancelled.
type Overrides interface {
	// Lookup returns, for those of ids that have one, the lowest chain that is still valid; MaxChain for cancelled.
	Lookup(ctx context.Context, ids []string) (map[string]int, error)
}

// MaxChain as the lowest valid chain means that no chain of the delivery is valid: it was cancelled.
const MaxChain = int(^uint32(0) >> 1)

// Deduper remembers event ids. It is best effort: an error means "deliver".
type Deduper interface {
	// FirstSeen reports for each event whether its occurrence is the first with this workspace and id inside the
	// window. The same occurrence seen again (a redelivery of ours) is never a duplicate.
	FirstSeen(ctx context.Context, events []*Event) ([]bool, error)
}

// Sender makes one attempt: exactly one request on the wire at most. A receiver's refusal is an Outcome, not an error;
// an error means that the attempt could not be judged by a fault of our own (no file descriptors) and was not made.
// It returns once ctx ends. The deadline of the request is the sender's own.
type Sender interface {
	Send(ctx context.Context, target *Target, d *Delivery) (Outcome, error)
}

// Scheduler decides who is served next: fair between workspaces and webhooks, bounded for each.
type Scheduler interface {
	// Offer hands over a delivery and never blocks. The scheduler answers by exactly one call of Work.Attempt,
	// Work.Park or Work.Drop, from goroutines of its own.
	Offer(d *Delivery)
	// Hold returns how long whoever takes in work should wait before it offers another delivery of this webhook and asks
	// again; 0: not at all. It is never more than a moment for a webhook that is dead, slow or limited.
	Hold(ref Ref) time.Duration
	// Purge drops (Work.Drop) the waiting deliveries for which lost answers true.
	Purge(lost func(*Delivery) bool)
}

// Result is what the scheduler needs to know of a finished attempt.
type Result struct {
	// Attempted is false when no request was made (cancelled, or a fault of our own).
	Attempted bool
	// Answered says that the receiver gave an HTTP answer; attempts without one count towards the breaker.
	Answered bool
	Duration time.Duration
	// PauseUntil keeps the webhook from being served until then; zero: no pause.
	PauseUntil time.Time
}

// Work is what the scheduler drives; Engine implements it.
type Work interface {
	// Attempt makes the delivery's next attempt and hands on what follows. It blocks for as long as the request takes;
	// ctx is the scheduler's for running attempts, which outlives the one that ends starting.
	Attempt(ctx context.Context, d *Delivery) Result
	// Park puts the delivery on the ladder without using an attempt, why being one of the waiting causes; it does not
	// block.
	Park(d *Delivery, why event.Cause, notBefore time.Time)
	// Drop gives up a delivery whose partition was lost.
	Drop(d *Delivery)
}

// Policy decides what follows an attempt. It is pure: the same arguments give the same decision.
type Policy interface {
	// Next judges the outcome of d's attempt; random is in [0, 1) and gives the jitter.
	Next(d *Delivery, out *Outcome, random float64) Decision
	// Wait returns when a delivery that is parked without an attempt for the parked-th time in a row (1-based) is to be
	// offered again: a rung later each time, never before notBefore.
	Wait(parked int, now, notBefore time.Time) time.Time
	// Expires returns when a delivery made at created ends as expired if it is not finished.
	Expires(created time.Time) time.Time
}

// Ladder keeps deliveries durably until they are due.
type Ladder interface {
	// Park writes the delivery, with its Attempt, Step, Chain and DueAt, to the rung that fits; ack as for Recorder.
	Park(d *Delivery, ack Ack)
}

// Recorder writes history. It never blocks for long and never drops; ack is told when the record is durable.
type Recorder interface {
	Event(r *event.EventRecord, ack Ack)
	Attempt(r *event.AttemptRecord, ack Ack)
	Delivery(r *event.DeliveryRecord, ack Ack)
	// Payload keeps an occurrence's body for the request history; it acknowledges at once where payloads are not kept.
	Payload(e *Event, ack Ack)
}

// Notifier writes notices; at least once.
type Notifier interface {
	Notice(n *event.Notice, ack Ack)
}

// DeadLetters keeps what is not an event, bytes untouched.
type DeadLetters interface {
	DeadLetter(r *Record, reason event.Reason, detail string, ack Ack)
}
