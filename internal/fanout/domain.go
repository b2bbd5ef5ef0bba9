package fanout

import (
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// Event is one accepted source record with all that its deliveries share. It is immutable once built.
type Event struct {
	ID          string
	Type        string
	WorkspaceID string
	SessionID   string    // the record's Kafka key
	Derived     bool      // the producer gave no id: nothing to deduplicate by
	Timestamp   string    // RFC 3339, as it stands in the body
	Time        time.Time // Timestamp as a time
	RecordTime  time.Time // the source record's timestamp
	Occurrence  event.Occurrence
	Source      event.Source
	Body        []byte // what every receiver gets, byte for byte
}

// Secret is a webhook's signing secret. It never prints itself.
type Secret string

// String keeps the secret out of logs and error texts.
func (Secret) String() string { return "***" }

// GoString keeps the secret out of %#v.
func (Secret) GoString() string { return "***" }

// Format keeps the secret out of every verb.
func (Secret) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("***")) }

// MarshalJSON keeps the secret out of encoded structures.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

// WriteQuery appends to b, after a question mark, a URL's query as tables, audit log and history show it: *** stands for each
// value and for each word without a name, which may be credentials. It appends nothing for an empty one.
func WriteQuery(b *strings.Builder, query string) {
	if query == "" {
		return
	}
	sep := byte('?')
	for pair := range strings.SplitSeq(query, "&") {
		b.WriteByte(sep)
		sep = '&'
		if name, _, named := strings.Cut(pair, "="); named {
			b.WriteString(name)
			b.WriteByte('=')
		}
		b.WriteString("***")
	}
}

// Target is a webhook as an attempt sees it at its moment: an immutable snapshot, shared by all attempts until the
// webhook changes.
type Target struct {
	WorkspaceID  string
	WebhookID    string
	URL          *url.URL
	Enabled      bool
	Suspended    bool           // the whole workspace: nothing is sent, tests neither
	Epoch        int64          // raised by disabling and deleting; a delivery of an older epoch is cancelled
	MaxPerSecond float64        // 0: no limit
	Headers      []event.Header // static request headers, in the clear; recorded as ***
	Signer       *webhook.Signer
	// Previous signs beside Signer until PreviousUntil: a rotation's overlap. Nil outside of one.
	Previous      *webhook.Signer
	PreviousUntil time.Time
}

// Ref names a webhook within its workspace.
type Ref struct{ WorkspaceID, WebhookID string }

// Ref returns the target's name.
func (t *Target) Ref() Ref { return Ref{t.WorkspaceID, t.WebhookID} }

// Delivery is one event for one webhook, on its way to its next attempt. The owner of the moment (intake, scheduler,
// worker) is the only one who touches it.
type Delivery struct {
	ID        string
	Event     *Event
	Ref       Ref
	Epoch     int64 // the webhook's, when the delivery was made or last revived
	Chain     int   // 1 for the schedule that the event began; each resend of a pending delivery opens the next
	Attempt   int   // 1-based number of the next attempt
	Step      int   // how many of the schedule's delays are used up
	Single    bool  // one attempt, no retries: tests and resends of finished deliveries
	Trigger   event.Trigger
	CreatedAt time.Time
	DueAt     time.Time // not before; zero for at once
	Parked    int       // how many times in a row it was parked without an attempt
	Deadline  time.Time // ends as expired after this; zero: none

	open    *open        // the record that brought it
	facts   atomic.Int32 // what Kafka has still to acknowledge before this delivery's part of the record is done
	refused atomic.Bool  // one of them was refused for good
}

// AttemptID returns the id of the next attempt.
func (d *Delivery) AttemptID() string {
	return d.Event.Occurrence.AttemptID(d.Ref.WebhookID, d.Chain, d.Attempt)
}

// Abandoned says that the partition which brought the delivery was lost: it must not start any more.
func (d *Delivery) Abandoned() bool { return d.open != nil && d.open.ticket.Abandoned() }

// Size is what the delivery costs of the byte budget: its event's body.
func (d *Delivery) Size() int { return len(d.Event.Body) }

// Timing says where an attempt's time went. Zero parts did not happen (a reused connection has no DNS part).
type Timing struct {
	DNS, Connect, TLS, Wait, Read time.Duration
	Reused                        bool
}

// Outcome is what one attempt came to. A receiver's refusal is an Outcome, never an error.
type Outcome struct {
	Start    time.Time
	Duration time.Duration
	// HTTPStatus is set once the response's header section was complete, else 0.
	HTTPStatus int
	// Error is the reason when there is no status, else empty.
	Error event.ErrorCode
	// Detail is a safe sentence for the customer: no resolved address, no credential.
	Detail string
	// RetryAfter is what a 429 or 503 asked for; 0 when absent or ignored.
	RetryAfter time.Duration

	RequestURL      string         // without userinfo, query values as ***
	RequestHeaders  []event.Header // signatures and custom values as ***
	ResponseHeaders []event.Header
	ResponseBody    []byte // as received, at most 16 KiB
	ResponseSize    int64  // how many bytes of it were read
	Truncated       bool
	Timing          Timing
}

// Succeeded says whether the receiver accepted the delivery: a 2xx status line in time.
func (o *Outcome) Succeeded() bool { return o.HTTPStatus >= 200 && o.HTTPStatus < 300 }

// Answered says whether the receiver gave an HTTP answer at all; only attempts without one count towards a breaker.
func (o *Outcome) Answered() bool { return o.HTTPStatus != 0 }

// Decision says what follows an attempt.
type Decision struct {
	Status event.Status // of the delivery after the attempt: pending, succeeded or failed
	NextAt time.Time    // when Status is pending
	// Pause keeps the whole webhook from being tried until then (Retry-After); zero: no pause.
	Pause time.Time
	// Gone says that the receiver answered 410: the webhook is to be disabled.
	Gone bool
}

// Match is the verdict on one event. It may be shared between events and must not be changed.
type Match struct {
	Targets   []*Target
	Unmatched []event.Miss
	// Reason is set when the event as a whole goes to nobody: the workspace is suspended.
	Reason event.MissReason
	// Version is the workspace version that was judged by.
	Version int64
}
