package api

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/voxagent/dispatcher/internal/history/store"
)

// Event is one published event, as lists show it.
type Event struct {
	ID          string          `json:"id" example:"evt_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"Its id, as in the body and in webhook-id."`
	WorkspaceID string          `json:"workspace_id" example:"ws_acme" doc:"The workspace."`
	Event       string          `json:"event" example:"ConversationComplete" doc:"Its type."`
	SessionID   string          `json:"session_id" example:"ses_8f41" doc:"Its session: the key of its Kafka record."`
	Timestamp   string          `json:"timestamp" example:"2026-11-23T08:00:00.123Z" doc:"Its own timestamp, as published."`
	ReceivedAt  Time            `json:"received_at" doc:"When it was matched."`
	BodySize    int             `json:"body_size" example:"30210" doc:"The payload's size in bytes."`
	Matched     int             `json:"matched" example:"1" doc:"How many webhooks got it."`
	Unmatched   int             `json:"unmatched" example:"2" doc:"How many did not."`
	Reason      *string         `json:"reason" enum:"duplicate,expired,suspended" doc:"Why it went to nobody; null where that was judged for each webhook."`
	Source      *SourcePosition `json:"source" doc:"Where it stands in Kafka; null for a test."`
}

// TransformSchema says what may be null; WholeEvent has it from here.
func (Event) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return orNullRef(s, "source")
}

// WholeEvent answers why a webhook got an event, or why not.
type WholeEvent struct {
	Event
	Payload      *string    `json:"payload" doc:"The body that receivers got, byte for byte; null when it is not kept (any more)."`
	PayloadState string     `json:"payload_state" enum:"kept,erased,gone" doc:"Whether the payload can be shown and sent."`
	Deliveries   []Delivery `json:"deliveries" nullable:"false" doc:"One for each webhook that got it, newest first."`
	NotDelivered []Miss     `json:"not_delivered" nullable:"false" doc:"Each webhook that did not get it, and why; empty when there was none."`
	Repeats      []Event    `json:"repeats" nullable:"false" doc:"The same id, published again."`
}

// Miss is a webhook that did not get an event.
type Miss struct {
	WebhookID string `json:"webhook_id" example:"wh_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The webhook."`
	Reason    string `json:"reason" enum:"disabled,type_not_selected,filter,filter_error,duplicate,expired,suspended" doc:"Why not."`
}

func eventJSON(e *store.Event) Event {
	return Event{
		ID: e.ID, WorkspaceID: e.WorkspaceID, Event: e.Event, SessionID: e.SessionID, Timestamp: e.Timestamp,
		ReceivedAt: Time{e.ReceivedAt}, BodySize: e.BodySize, Matched: e.Matched, Unmatched: e.Unmatched,
		Reason: orNull(string(e.Reason)), Source: sourceJSON(e.Source),
	}
}

func wholeEventJSON(e *store.EventDetail) WholeEvent {
	w := WholeEvent{
		Event: eventJSON(&e.Event), Payload: payloadJSON(e.Payload), PayloadState: string(e.Payload.State),
		Deliveries: make([]Delivery, len(e.Deliveries)), NotDelivered: make([]Miss, len(e.Misses)),
		Repeats: make([]Event, len(e.Repeats)),
	}
	for i := range e.Deliveries {
		w.Deliveries[i] = deliveryJSON(&e.Deliveries[i])
	}
	for i, m := range e.Misses {
		w.NotDelivered[i] = Miss{WebhookID: m.WebhookID, Reason: string(m.Reason)}
	}
	for i := range e.Repeats {
		w.Repeats[i] = eventJSON(&e.Repeats[i])
	}
	return w
}
