package store

import (
	"math"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Attempt is one HTTP request as lists show it.
type Attempt struct {
	ID          string
	DeliveryID  string
	WebhookID   string
	WorkspaceID string
	EventID     string
	Event       string
	SessionID   string
	Occurrence  event.Occurrence
	Chain       int
	Attempt     int // 1-based
	Trigger     event.Trigger
	Timestamp   time.Time
	Duration    time.Duration
	Status      event.Status    // Succeeded or Failed
	HTTPStatus  int             // 0: no HTTP answer
	Error       event.ErrorCode // empty: there was an HTTP answer
	ErrorDetail string
	// NextAttemptAt is what was planned after this attempt; zero: nothing.
	NextAttemptAt  time.Time
	DeliveryStatus event.Status // of the delivery, directly after this attempt
	// RequestPreview and ResponsePreview are the first bytes of the bodies, when AttemptQuery.Preview asked for them;
	// they may end inside a character. ResponseSize is how much the receiver sent.
	RequestPreview  []byte
	ResponsePreview []byte
	ResponseSize    int64
}

// AttemptDetail is one attempt whole.
type AttemptDetail struct {
	Attempt
	Source           event.Source
	EventTimestamp   string // the event's own, verbatim
	Request          event.Request
	Payload          Payload // the request's body
	Response         event.Response
	Timing           event.Timing
	ConnectionReused bool
}

// Delivery is one event for one webhook.
type Delivery struct {
	ID          string
	WebhookID   string
	WorkspaceID string
	EventID     string
	Event       string
	SessionID   string
	Occurrence  event.Occurrence
	Source      event.Source
	// EventTimestamp is the event's own timestamp, verbatim.
	EventTimestamp string
	Status         event.Status
	// Cause says why the delivery is in this state when no attempt led to it: what a pending one waits for, why one was
	// cancelled. Empty otherwise.
	Cause event.Cause
	// Attempts is how many requests history knows.
	Attempts int
	// Chain and Made are where the delivery stands: the running chain, and the number of its last attempt.
	Chain, Made   int
	Epoch         int64     // of the webhook when the delivery was made or last revived
	NextAttemptAt time.Time // pending only; with a waiting Cause "not before"; zero: at once
	CreatedAt     time.Time
	CompletedAt   time.Time // zero while pending
}

// DeliveryDetail is a delivery with all its attempts, oldest first.
type DeliveryDetail struct {
	Delivery
	History []Attempt
}

// Event is one occurrence of an event.
type Event struct {
	ID          string
	Event       string
	WorkspaceID string
	SessionID   string
	Occurrence  event.Occurrence
	Source      event.Source
	Timestamp   string // the event's own, verbatim
	RecordTime  time.Time
	ReceivedAt  time.Time
	BodySize    int
	BodySHA256  event.Digest
	// Matched and Unmatched count webhooks that got the event and that did not.
	Matched, Unmatched int
	// Reason is set when the event as a whole went to nobody.
	Reason event.MissReason
	// ErasedAt is when the erasure of its payload was asked for; zero: it was not.
	ErasedAt time.Time
}

// EventDetail answers "why or why not" for one event id. When the id was published more than once, Event is the first
// occurrence and Repeats are the later ones; Deliveries and Misses are those of all.
type EventDetail struct {
	Event
	Payload    Payload
	Deliveries []Delivery // newest first
	Misses     []Miss
	Repeats    []Event
}

// Miss is a webhook that an occurrence did not go to, and why.
type Miss struct {
	WebhookID  string
	Reason     event.MissReason
	Occurrence event.Occurrence
}

// Payload is the body that receivers got, byte for byte.
type Payload struct {
	// Body is nil when State is not PayloadKept.
	Body  []byte
	State PayloadState
}

// PayloadState says whether a payload can be shown and sent.
type PayloadState string

// The states.
const (
	PayloadKept   PayloadState = "kept"
	PayloadErased PayloadState = "erased" // on request, for good
	// PayloadGone: its retention is over, payloads are not kept at all, or it has not arrived yet (moments).
	PayloadGone PayloadState = "gone"
)

// Bucket is the counts of one webhook in one step of time. Steps in which nothing happened have no bucket.
type Bucket struct {
	WebhookID string
	Start     time.Time
	Succeeded int // attempts
	Failed    int // attempts
	Pending   int // deliveries made in this step that are still pending
}

// Health is how a webhook fares, judged by its attempts; tests do not count.
type Health struct {
	WorkspaceID, WebhookID string
	LastSuccess            time.Time // zero: never
	LastFailure            time.Time // zero: never
	LastAttempt            time.Time
	// FailingSince is the first failure after both LastSuccess and the time from which attempts count, as far back as
	// history goes; zero when there is none, or it was not asked for.
	FailingSince time.Time
}

// Asked names a webhook whose health is wanted.
type Asked struct {
	WorkspaceID, WebhookID string
	// Run asks for FailingSince, which costs a look at its attempts; those after From count.
	Run  bool
	From time.Time
}

// since is From as a query has it: without Run, no failure is late enough.
func (a *Asked) since() int64 {
	if !a.Run {
		return math.MaxInt64
	}
	return millis(a.From)
}

// Touched is a webhook of which history learnt something at that time of the folding process's clock.
type Touched struct {
	At                     time.Time
	WorkspaceID, WebhookID string
}

// Missed is what a recovery would send again.
type Missed struct {
	Occurrence event.Occurrence
	EventID    string
	Event      string
	SessionID  string
	Timestamp  string // the event's own, verbatim
	Source     event.Source
	// DeliveryID is empty when the event never became a delivery (kept back by a disabled webhook).
	DeliveryID string
	Status     event.Status // of the delivery
	Chain      int          // of the delivery
	Made       int          // number of the delivery's last attempt
	BodySize   int
}
