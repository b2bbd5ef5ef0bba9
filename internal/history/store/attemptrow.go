package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// attemptDetail is what only the view of one attempt shows. It is one JSON column: nothing asks by it.
type attemptDetail struct {
	Source    event.Source   `json:"source"`
	Timestamp string         `json:"event_timestamp"`
	Request   event.Request  `json:"request"`
	Headers   []event.Header `json:"response_headers,omitempty"`
	Truncated bool           `json:"truncated,omitempty"`
	Timing    event.Timing   `json:"timing"`
	Reused    bool           `json:"connection_reused,omitempty"`
}

func newAttemptRow(r *event.AttemptRecord) attemptRow {
	detail, err := json.Marshal(attemptDetail{
		r.Source, r.EventTimestamp, r.Request, r.Response.Headers, r.Response.Truncated, r.Timing, r.ConnectionReused,
	})
	if err != nil {
		panic(err) // strings, numbers and bools always encode
	}
	return attemptRow{
		identity: attemptIdentity(r),
		id:       clean(r.ID), webhook: clean(r.WebhookID), delivery: clean(r.DeliveryID),
		chain: int64(r.Chain), attempt: int64(r.Attempt), trigger: clean(string(r.Trigger)),
		startedAt: millis(r.Timestamp), duration: duration(r.Duration.Duration()),
		status: clean(string(r.Status)), httpStatus: int64(r.HTTPStatus),
		errorCode: clean(string(r.Error)), errorText: clean(r.ErrorDetail),
		nextAt: millis(r.NextAttemptAt), deliveryStatus: clean(string(r.DeliveryStatus)),
		detail: string(detail), responseBody: r.Response.Body, responseSize: r.Response.Size,
	}
}

func (r *attemptRow) view() Attempt {
	return Attempt{
		ID: r.id, DeliveryID: r.delivery, WebhookID: r.webhook, WorkspaceID: r.workspace, EventID: r.eventID,
		Event: r.event, SessionID: r.session, Occurrence: occurrenceOf(r.occurrence),
		Chain: int(r.chain), Attempt: int(r.attempt), Trigger: event.Trigger(r.trigger),
		Timestamp: instant(r.startedAt), Duration: time.Duration(r.duration) * time.Microsecond,
		Status: event.Status(r.status), HTTPStatus: int(r.httpStatus),
		Error: event.ErrorCode(r.errorCode), ErrorDetail: r.errorText,
		NextAttemptAt: instant(r.nextAt), DeliveryStatus: event.Status(r.deliveryStatus),
		ResponseSize: r.responseSize,
	}
}

func (r *attemptRow) whole() (*AttemptDetail, error) {
	var d attemptDetail
	if err := json.Unmarshal([]byte(r.detail), &d); err != nil {
		return nil, fmt.Errorf("read attempt %s: %w", r.id, err)
	}
	return &AttemptDetail{
		Attempt: r.view(), Source: d.Source, EventTimestamp: d.Timestamp, Request: d.Request,
		Response: event.Response{
			Headers: d.Headers, Body: event.Text(r.responseBody), Truncated: d.Truncated, Size: r.responseSize,
		},
		Timing: d.Timing, ConnectionReused: d.Reused,
	}, nil
}

// occurrenceOf reads an occurrence that this package wrote.
func occurrenceOf(s string) event.Occurrence {
	o, err := event.ParseOccurrence(s)
	if err != nil {
		return event.Occurrence{} // a row that was changed by hand: show what there is
	}
	return o
}
