package fanout

import (
	"errors"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// eventRecord says who gets the event, who does not and why.
func eventRecord(a *arrival, targets []*Target, reason event.MissReason, now time.Time) *event.EventRecord {
	e := a.event
	r := &event.EventRecord{
		EventID: e.ID, Event: e.Type, WorkspaceID: e.WorkspaceID, SessionID: e.SessionID,
		Occurrence: e.Occurrence, Timestamp: e.Timestamp, RecordTimestamp: e.RecordTime, ReceivedAt: now,
		Source: e.Source, Generation: a.record.Generation, BodySize: len(e.Body),
		Unmatched: a.match.Unmatched, Reason: reason,
	}
	if reason != "" {
		r.Unmatched = missAll(a.match, reason)
		return r
	}
	if len(targets) > 0 {
		r.Matched = make([]event.Match, len(targets))
	}
	for i, t := range targets {
		r.Matched[i] = event.Match{
			WebhookID: t.WebhookID, DeliveryID: e.Occurrence.DeliveryID(t.WebhookID), Epoch: t.Epoch,
		}
	}
	return r
}

// missAll gives every webhook that would have got the event the reason why the event as a whole goes to nobody.
func missAll(m *Match, reason event.MissReason) []event.Miss {
	misses := make([]event.Miss, 0, len(m.Targets)+len(m.Unmatched))
	for _, t := range m.Targets {
		misses = append(misses, event.Miss{WebhookID: t.WebhookID, Reason: reason})
	}
	return append(misses, m.Unmatched...)
}

func attemptRecord(d *Delivery, out *Outcome, dec Decision) *event.AttemptRecord {
	e := d.Event
	status := event.Failed
	if out.Succeeded() {
		status = event.Succeeded
	}
	return &event.AttemptRecord{
		ID: d.AttemptID(), DeliveryID: d.ID, WebhookID: d.Ref.WebhookID, WorkspaceID: d.Ref.WorkspaceID,
		EventID: e.ID, Event: e.Type, SessionID: e.SessionID, Occurrence: e.Occurrence, Source: e.Source,
		EventTimestamp: e.Timestamp, Chain: d.Chain, Attempt: d.Attempt, Trigger: d.Trigger, Epoch: d.Epoch,
		Timestamp: out.Start, Duration: event.Millis(out.Duration), Status: status, HTTPStatus: out.HTTPStatus,
		Error: out.Error, ErrorDetail: out.Detail, NextAttemptAt: dec.NextAt, DeliveryStatus: dec.Status,
		Request: event.Request{URL: out.RequestURL, Headers: out.RequestHeaders, BodySize: len(e.Body)},
		Response: event.Response{
			Headers: out.ResponseHeaders, Body: out.ResponseBody, Truncated: out.Truncated, Size: out.ResponseSize,
		},
		Timing: event.Timing{
			DNS: event.Millis(out.Timing.DNS), Connect: event.Millis(out.Timing.Connect),
			TLS: event.Millis(out.Timing.TLS), Wait: event.Millis(out.Timing.Wait), Read: event.Millis(out.Timing.Read),
		},
		ConnectionReused: out.Timing.Reused,
	}
}

// deliveryRecord is a change of d's state that no attempt tells of.
func deliveryRecord(d *Delivery, status event.Status, cause event.Cause, now time.Time) *event.DeliveryRecord {
	e := d.Event
	return &event.DeliveryRecord{
		DeliveryID: d.ID, WebhookID: d.Ref.WebhookID, WorkspaceID: d.Ref.WorkspaceID,
		EventID: e.ID, Event: e.Type, SessionID: e.SessionID, Occurrence: e.Occurrence, Source: e.Source,
		EventTimestamp: e.Timestamp, Chain: d.Chain, Attempts: d.Attempt - 1, Epoch: d.Epoch,
		Status: status, Cause: cause, At: now,
	}
}

// failedNotice tells the platform that a delivery ended without success after so many attempts. Its id follows from
// delivery and chain: a delivery that is resent and fails again is told again.
func failedNotice(d *Delivery, attempts int, reason string, now time.Time) *event.Notice {
	return &event.Notice{
		ID: event.NoticeID(event.NoticeDeliveryFailed, d.Event.RecordTime, d.ID, strconv.Itoa(d.Chain),
			strconv.Itoa(attempts)),
		Type: event.NoticeDeliveryFailed, Timestamp: now,
		WorkspaceID: d.Ref.WorkspaceID, WebhookID: d.Ref.WebhookID, DeliveryID: d.ID,
		EventID: d.Event.ID, Event: d.Event.Type, SessionID: d.Event.SessionID, Reason: reason, Attempts: attempts,
	}
}

// failure is the reason of a failed notice: the error's code, or the status that was no success.
func failure(out *Outcome) string {
	if out.Error != "" {
		return string(out.Error)
	}
	return "http_" + strconv.Itoa(out.HTTPStatus)
}

func deadLetterNotice(r *Record, invalid *event.Invalid) *event.Notice {
	return &event.Notice{
		ID: event.NoticeID(event.NoticeDeadLettered, r.Time, r.Source.Topic,
			strconv.Itoa(r.Source.Partition), strconv.FormatInt(r.Source.Offset, 10)),
		Type:      event.NoticeDeadLettered,
		Timestamp: time.Now(), Reason: string(invalid.Reason), Detail: invalid.Detail, Source: r.Source,
	}
}

// asInvalid returns why a record is not an event; the parser has no other errors.
func asInvalid(err error) *event.Invalid {
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		return invalid
	}
	return &event.Invalid{Reason: event.BadJSON, Detail: err.Error()}
}
