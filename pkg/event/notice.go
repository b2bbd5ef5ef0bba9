package event

import (
	"encoding/binary"
	"time"
)

// Notice is a record of the notices topic: word to the platform that something needs attention.
// It holds no payload.
type Notice struct {
	// ID is the same however often the notice is written; deduplicate on it ([NoticeID]).
	ID          string     `json:"id"`
	Type        NoticeType `json:"type"`
	Timestamp   time.Time  `json:"timestamp"`
	WorkspaceID string     `json:"workspace_id"` // the record's key; empty when it is about no workspace
	WebhookID   string     `json:"webhook_id,omitempty"`
	DeliveryID  string     `json:"delivery_id,omitempty"`
	EventID     string     `json:"event_id,omitempty"`
	Event       string     `json:"event,omitempty"`
	SessionID   string     `json:"session_id,omitempty"`
	// Reason is customer, operator, gone or failing for NoticeWebhookDisabled, a [Reason] for
	// NoticeDeadLettered and a [Cause] or [ErrorCode] for NoticeDeliveryFailed.
	Reason string `json:"reason,omitempty"`
	// Detail is a sentence for people.
	Detail string `json:"detail,omitempty"`
	// FailingSince is set for NoticeWebhookFailing and, when known, for the two that follow it.
	FailingSince time.Time `json:"failing_since,omitzero"`
	Attempts     int       `json:"attempts,omitempty"`
	HTTPStatus   int       `json:"http_status,omitempty"`
	// Source is where the record stands, for NoticeDeadLettered, and the first that was lost, for NoticeEventsLost.
	Source Source `json:"source,omitzero"`
	// Count is how many records were lost, for NoticeEventsLost; 0: nobody knows, since the topic was made anew.
	Count int64 `json:"count,omitempty"`
}

// NoticeType says what happened.
type NoticeType string

// The notices.
const (
	NoticeWebhookFailing   NoticeType = "webhook.failing"
	NoticeWebhookDisabled  NoticeType = "webhook.disabled"
	NoticeWebhookRecovered NoticeType = "webhook.recovered"
	NoticeDeliveryFailed   NoticeType = "delivery.failed"
	NoticeDeadLettered     NoticeType = "event.dead_lettered"
	// NoticeEventsLost: records of a source topic were deleted before they were read.
	NoticeEventsLost NoticeType = "events.lost"
)

// NoticeID returns the id of the notice of a change: `ntc_` and 26 characters that follow from the
// type, the time of the change (milliseconds) and what changed, such as a webhook id.
func NoticeID(kind NoticeType, at time.Time, subject ...string) string {
	var buf [256]byte
	b := appendString(append(buf[:0], tagNotice), string(kind))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	for _, s := range subject {
		b = appendString(b, s)
	}
	return encode(PrefixNotice, identify(at, b))
}

// Key is the record's Kafka key.
func (n *Notice) Key() string { return n.WorkspaceID }

// AppendJSON appends the record's value to dst.
func (n *Notice) AppendJSON(dst []byte) []byte {
	w := writer{dst}
	w.open('{')
	w.text("id", n.ID)
	w.text("type", string(n.Type))
	w.time("timestamp", n.Timestamp)
	w.text("workspace_id", n.WorkspaceID)
	w.optional("webhook_id", n.WebhookID)
	w.optional("delivery_id", n.DeliveryID)
	w.optional("event_id", n.EventID)
	w.optional("event", n.Event)
	w.optional("session_id", n.SessionID)
	w.optional("reason", n.Reason)
	w.optional("detail", n.Detail)
	if !n.FailingSince.IsZero() {
		w.time("failing_since", n.FailingSince)
	}
	if n.Attempts != 0 {
		w.int("attempts", int64(n.Attempts))
	}
	if n.HTTPStatus != 0 {
		w.int("http_status", int64(n.HTTPStatus))
	}
	if n.Source != (Source{}) {
		w.source("source", n.Source)
	}
	if n.Count != 0 {
		w.int("count", n.Count)
	}
	w.close('}')
	return w.b
}

// MarshalJSON makes encoding/json write what AppendJSON does.
func (n *Notice) MarshalJSON() ([]byte, error) { return n.AppendJSON(nil), nil }
