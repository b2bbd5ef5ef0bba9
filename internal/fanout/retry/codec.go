package retry

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// ErrRecord says that a record is not one of ours, or of a form that this program does not know.
var ErrRecord = errors.New("not a retry record")

// codecVersion is the value of the header "version". Headers are only ever added, so it changes only if that is not
// enough.
const codecVersion = "1"

// Names of the headers. The record's key is the delivery id, its value the body.
const (
	hVersion    = "version"
	hWorkspace  = "workspace-id"
	hWebhook    = "webhook-id"
	hEpoch      = "epoch"
	hEventID    = "event-id"
	hEvent      = "event"
	hSession    = "session-id"
	hTimestamp  = "timestamp"
	hOccurrence = "occurrence"
	hTopic      = "source-topic"
	hPartition  = "source-partition"
	hOffset     = "source-offset"
	hChain      = "chain"
	hAttempt    = "attempt"
	hStep       = "step"
	hSingle     = "single"
	hTrigger    = "trigger"
	hCreated    = "created-at"
	hDue        = "due-at"
	hParked     = "parked"
	hDeadline   = "deadline"
)

// encode returns the headers of d's record.
func encode(d *fanout.Delivery) []fanout.RecordHeader {
	e := d.Event
	headers := make([]fanout.RecordHeader, 0, 21)
	values := make([]byte, 0, 384) // all of them; should it grow, the ones before stay where they are
	put := func(key string, from int) {
		headers = append(headers, fanout.RecordHeader{Key: key, Value: values[from:len(values):len(values)]})
	}
	text := func(key, value string) {
		from := len(values)
		values = append(values, value...)
		put(key, from)
	}
	number := func(key string, value int64) {
		from := len(values)
		values = strconv.AppendInt(values, value, 10)
		put(key, from)
	}
	instant := func(key string, t time.Time) {
		if !t.IsZero() {
			number(key, t.UnixMilli())
		}
	}
	text(hVersion, codecVersion)
	text(hWorkspace, d.Ref.WorkspaceID)
	text(hWebhook, d.Ref.WebhookID)
	number(hEpoch, d.Epoch)
	text(hEventID, e.ID)
	text(hEvent, e.Type)
	text(hSession, e.SessionID)
	text(hTimestamp, e.Timestamp)
	text(hOccurrence, e.Occurrence.String())
	text(hTopic, e.Source.Topic)
	number(hPartition, int64(e.Source.Partition))
	number(hOffset, e.Source.Offset)
	number(hChain, int64(d.Chain))
	number(hAttempt, int64(d.Attempt))
	number(hStep, int64(d.Step))
	text(hTrigger, string(d.Trigger))
	instant(hCreated, d.CreatedAt)
	instant(hDue, d.DueAt)
	instant(hDeadline, d.Deadline)
	if d.Parked > 0 {
		number(hParked, int64(d.Parked))
	}
	if d.Single {
		text(hSingle, "1")
	}
	return headers
}

// decode reads a record that encode made. Headers that it does not know are ignored; the error wraps ErrRecord.
func decode(r *fanout.Record) (*fanout.Delivery, error) {
	h := headerMap(r.Headers)
	if v := h.text(hVersion); v != codecVersion {
		return nil, fmt.Errorf("%w: version %.20q", ErrRecord, v)
	}
	occurrence, err := event.ParseOccurrence(h.text(hOccurrence))
	if err != nil {
		return nil, fmt.Errorf("%w: header %s: %w", ErrRecord, hOccurrence, err)
	}
	in := &numbers{headers: h}
	d := &fanout.Delivery{
		ID:    string(r.Key),
		Ref:   fanout.Ref{WorkspaceID: h.text(hWorkspace), WebhookID: h.text(hWebhook)},
		Epoch: in.number(hEpoch), Chain: int(in.number(hChain)), Attempt: int(in.number(hAttempt)),
		Step: int(in.number(hStep)), Parked: int(in.optional(hParked)), Single: h.text(hSingle) == "1",
		Trigger: event.Trigger(h.text(hTrigger)), CreatedAt: in.instant(hCreated), DueAt: in.instant(hDue),
		Deadline: in.instant(hDeadline),
		Event: &fanout.Event{
			ID: h.text(hEventID), Type: h.text(hEvent), WorkspaceID: h.text(hWorkspace), SessionID: h.text(hSession),
			Timestamp: h.text(hTimestamp), RecordTime: occurrence.Time(), Occurrence: occurrence,
			Source: event.Source{
				Topic: h.text(hTopic), Partition: int(in.number(hPartition)), Offset: in.number(hOffset),
			},
			Body: r.Value,
		},
	}
	if in.err != nil {
		return nil, in.err
	}
	return d, complete(d)
}

// complete says what a decoded delivery lacks.
func complete(d *fanout.Delivery) error {
	switch {
	case d.ID == "" || d.Ref.WorkspaceID == "" || d.Ref.WebhookID == "" || d.Event.ID == "":
		return fmt.Errorf("%w: an id is missing", ErrRecord)
	case d.Attempt < 1 || d.Chain < 1 || d.Step < 0 || d.Parked < 0:
		return fmt.Errorf("%w: chain %d, attempt %d, step %d, parked %d", ErrRecord, d.Chain, d.Attempt, d.Step, d.Parked)
	case len(d.Event.Body) == 0:
		return fmt.Errorf("%w: no body", ErrRecord)
	}
	return nil
}

// headerMap finds headers; of several of one name the first counts.
type headerMap []fanout.RecordHeader

func (h headerMap) text(key string) string {
	for i := range h {
		if h[i].Key == key {
			return string(h[i].Value)
		}
	}
	return ""
}

// numbers reads headers with numbers and keeps the first fault.
type numbers struct {
	headers headerMap
	err     error
}

func (n *numbers) number(key string) int64 {
	v, err := strconv.ParseInt(n.headers.text(key), 10, 64)
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("%w: header %s is not a number", ErrRecord, key)
	}
	return v
}

func (n *numbers) optional(key string) int64 {
	if n.headers.text(key) == "" {
		return 0
	}
	return n.number(key)
}

func (n *numbers) instant(key string) time.Time {
	ms := n.optional(key)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
