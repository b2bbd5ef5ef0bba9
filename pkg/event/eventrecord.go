package event

import "time"

// EventRecord says what became of an event: which webhooks get it, and for each other webhook of
// the workspace why not. There is one for each occurrence; when an event is matched again after a
// crash there may be more, and of those the greatest Generation wins ([EventRecord.Supersedes]).
type EventRecord struct {
	EventID     string     `json:"event_id"`
	Event       string     `json:"event"`
	WorkspaceID string     `json:"workspace_id"`
	SessionID   string     `json:"session_id"` // the source record's key
	Occurrence  Occurrence `json:"occurrence"`
	Timestamp   string     `json:"timestamp"` // the event's own, verbatim
	// RecordTimestamp is Kafka's time of the source record, ReceivedAt ours when it was matched.
	RecordTimestamp time.Time `json:"record_timestamp"`
	ReceivedAt      time.Time `json:"received_at"`
	Source          Source    `json:"source"`
	// Generation rises with each group generation of the consumer.
	Generation int64 `json:"generation"`
	// BodySize is the request body's length in bytes, BodySHA256 its hash (zero: not computed).
	BodySize   int     `json:"body_size"`
	BodySHA256 Digest  `json:"body_sha256,omitzero"`
	Matched    []Match `json:"matched"`
	Unmatched  []Miss  `json:"unmatched"`
	// Reason is set when the event as a whole went to nobody: MissDuplicate, MissExpired or
	// MissSuspended.
	Reason MissReason `json:"reason,omitempty"`
}

// Match is a webhook that gets the event.
type Match struct {
	WebhookID  string `json:"webhook_id"`
	DeliveryID string `json:"delivery_id"`
	// Epoch is the webhook's when it was matched; disabling and deleting raise it and so cancel what was pending.
	Epoch int64 `json:"epoch"`
}

// Miss is a webhook that does not get the event, and why.
type Miss struct {
	WebhookID string     `json:"webhook_id"`
	Reason    MissReason `json:"reason"`
}

// MissReason is why a webhook does not get an event.
type MissReason string

// The reasons.
const (
	MissDisabled        MissReason = "disabled"
	MissTypeNotSelected MissReason = "type_not_selected"
	MissFilter          MissReason = "filter"
	MissFilterError     MissReason = "filter_error"
	MissDuplicate       MissReason = "duplicate"
	MissExpired         MissReason = "expired"
	MissSuspended       MissReason = "suspended"
)

// RecordType implements Record.
func (r *EventRecord) RecordType() RecordType { return TypeEvent }

// RecordID implements Record: the occurrence and the generation.
func (r *EventRecord) RecordID() string {
	b := append(r.Occurrence.append(make([]byte, 0, 48)), '.')
	return string(appendInt(b, r.Generation))
}

// Workspace implements Record.
func (r *EventRecord) Workspace() string { return r.WorkspaceID }

// Key implements Record.
func (r *EventRecord) Key() string { return r.EventID }

// Supersedes tells whether r is kept and o dropped, where both are of one occurrence. It is a
// strict order, so records may be folded in any order and any number of times.
func (r *EventRecord) Supersedes(o *EventRecord) bool {
	if r.Generation != o.Generation {
		return r.Generation > o.Generation
	}
	return r.ReceivedAt.Before(o.ReceivedAt)
}

// AppendJSON implements Record.
func (r *EventRecord) AppendJSON(dst []byte) []byte {
	w := writer{dst}
	w.open('{')
	w.text("event_id", r.EventID)
	w.text("event", r.Event)
	w.text("workspace_id", r.WorkspaceID)
	w.text("session_id", r.SessionID)
	w.occurrence("occurrence", r.Occurrence)
	w.text("timestamp", r.Timestamp)
	w.time("record_timestamp", r.RecordTimestamp)
	w.time("received_at", r.ReceivedAt)
	w.source("source", r.Source)
	w.int("generation", r.Generation)
	w.int("body_size", int64(r.BodySize))
	w.digest("body_sha256", r.BodySHA256)
	w.key("matched")
	w.open('[')
	for _, m := range r.Matched {
		w.item('{')
		w.text("webhook_id", m.WebhookID)
		w.text("delivery_id", m.DeliveryID)
		w.int("epoch", m.Epoch)
		w.close('}')
	}
	w.close(']')
	w.key("unmatched")
	w.open('[')
	for _, m := range r.Unmatched {
		w.item('{')
		w.text("webhook_id", m.WebhookID)
		w.text("reason", string(m.Reason))
		w.close('}')
	}
	w.close(']')
	w.optional("reason", string(r.Reason))
	w.close('}')
	return w.b
}

// MarshalJSON makes encoding/json write what AppendJSON does.
func (r *EventRecord) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }
