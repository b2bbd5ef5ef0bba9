package compact

import (
	"errors"
	"fmt"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

// poison is why a record can never be folded. Its text holds nothing of the record's content.
type poison struct {
	reason string // a metric's label
	detail string
}

func (p *poison) Error() string { return p.reason + ": " + p.detail }

// The reasons.
const (
	badKey      = "bad_key"
	badValue    = "bad_value"
	unknownType = "unknown_type"
	refused     = "refused"
)

// decode reads a record; the error is a *poison.
func (c *Compactor) decode(r *Record) (store.Record, error) {
	if r.Source.Topic == c.cfg.PayloadTopic {
		return decodePayload(r)
	}
	var kind event.RecordType
	for _, h := range r.Headers {
		if h.Key == event.HeaderRecordType {
			kind = event.RecordType(h.Value)
			break
		}
	}
	rec, err := event.DecodeRecord(kind, r.Value)
	switch {
	case errors.Is(err, event.ErrUnknownRecord):
		return store.Record{}, &poison{unknownType, "record type is not known to this version"}
	case err != nil:
		return store.Record{}, &poison{badValue, fmt.Sprintf("not a %s record", kind)}
	}
	if missing := incomplete(rec); missing != "" {
		return store.Record{}, &poison{badValue, fmt.Sprintf("%s record without a valid %s", kind, missing)}
	}
	return store.Record{History: rec}, nil
}

func decodePayload(r *Record) (store.Record, error) {
	o, err := event.ParseOccurrence(string(r.Key))
	switch {
	case err != nil:
		return store.Record{}, &poison{badKey, "key of a payload is not an occurrence"}
	case len(r.Value) == 0:
		return store.Record{}, &poison{badValue, "payload is empty"}
	}
	return store.Record{Occurrence: o, Payload: r.Value}, nil
}

// incomplete names a field without which a record has no place in the store. Ids must hold a time: retention goes by it.
func incomplete(rec event.Record) string {
	if rec.Workspace() == "" {
		return "workspace_id"
	}
	switch r := rec.(type) {
	case *event.EventRecord:
		return incompleteEvent(r)
	case *event.AttemptRecord:
		return firstMissing(
			check{"id", timed(r.ID)}, check{"delivery_id", timed(r.DeliveryID)}, check{"occurrence", !r.Occurrence.IsZero()},
			check{"webhook_id", r.WebhookID != ""}, check{"event_id", r.EventID != ""}, check{"timestamp", !r.Timestamp.IsZero()},
		)
	case *event.DeliveryRecord:
		return firstMissing(
			check{"delivery_id", timed(r.DeliveryID)}, check{"occurrence", !r.Occurrence.IsZero()},
			check{"webhook_id", r.WebhookID != ""}, check{"event_id", r.EventID != ""}, check{"at", !r.At.IsZero()},
		)
	case *event.ErasureRecord:
		return firstMissing(check{"event_id or session_id", (r.EventID == "") != (r.SessionID == "")}, check{"at", !r.At.IsZero()})
	case *event.WebhookRecord:
		return firstMissing(check{"webhook_id", r.WebhookID != ""}, check{"epoch", r.Epoch > 0}, check{"at", !r.At.IsZero()})
	}
	return ""
}

func incompleteEvent(r *event.EventRecord) string {
	for _, m := range r.Matched {
		if m.WebhookID == "" || !timed(m.DeliveryID) {
			return "matched"
		}
	}
	return firstMissing(check{"occurrence", !r.Occurrence.IsZero()}, check{"event_id", r.EventID != ""})
}

// check is a field and whether it is as it must be.
type check struct {
	field string
	ok    bool
}

func firstMissing(checks ...check) string {
	for _, c := range checks {
		if !c.ok {
			return c.field
		}
	}
	return ""
}

func timed(id string) bool {
	_, ok := event.IDTime(id)
	return ok
}
