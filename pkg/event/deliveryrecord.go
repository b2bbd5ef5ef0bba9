package event

import (
	"slices"
	"strings"
	"time"
)

// DeliveryRecord is a change of a delivery's state that no attempt tells of: it waits, was
// cancelled, expired, or was opened again. Cause says why.
type DeliveryRecord struct {
	DeliveryID     string     `json:"delivery_id"`
	WebhookID      string     `json:"webhook_id"`
	WorkspaceID    string     `json:"workspace_id"`
	EventID        string     `json:"event_id"`
	Event          string     `json:"event"`
	SessionID      string     `json:"session_id"`
	Occurrence     Occurrence `json:"occurrence"`
	Source         Source     `json:"source"`
	EventTimestamp string     `json:"event_timestamp"`
	Chain          int        `json:"chain"`
	// Attempts is how many have been made so far.
	Attempts int `json:"attempts"`
	// Epoch is the webhook's when the delivery was made or last revived.
	Epoch  int64  `json:"epoch"`
	Status Status `json:"status"`
	Cause  Cause  `json:"cause"`
	// NextAttemptAt is set when Status is Pending; with a waiting cause it means "not before".
	NextAttemptAt time.Time `json:"next_attempt_at"`
	// At is when the state changed, to the millisecond.
	At time.Time `json:"at"`
}

// Cause is why a delivery's state changed without an attempt.
type Cause string

// Causes with Status Pending.
const (
	// Waiting: parked without using an attempt.
	CauseQueueFull   Cause = "queue_full"
	CauseBreakerOpen Cause = "breaker_open"
	CauseRateLimited Cause = "rate_limited"
	CauseRetryAfter  Cause = "retry_after"
	// CauseOwnFault: the attempt could not be made by a fault of the dispatcher's own.
	CauseOwnFault Cause = "own_fault"
	// CauseExpanded: the event matched many webhooks and its deliveries were put on the ladder.
	CauseExpanded Cause = "expanded"
	// CauseScheduled: a next attempt was planned.
	CauseScheduled Cause = "scheduled"
	// CauseResend and CauseRecovery opened the chain.
	CauseResend   Cause = "resend"
	CauseRecovery Cause = "recovery"
)

// Causes with Status Cancelled.
const (
	CauseDisabled Cause = "disabled"
	CauseDeleted  Cause = "deleted"
	CauseByUser   Cause = "by_user"
	// CauseSuperseded: only an older match of the event knew this delivery.
	CauseSuperseded Cause = "superseded"
	CauseErased     Cause = "erased"
	CauseSuspended  Cause = "suspended"
)

// Causes with Status Failed.
const (
	CauseExpired Cause = "expired"
	// CausePayloadGone: there was nothing left to send.
	CausePayloadGone Cause = "payload_gone"
)

// Waiting tells whether a pending delivery was parked without using an attempt.
func (c Cause) Waiting() bool {
	return slices.Contains([]Cause{
		CauseQueueFull, CauseBreakerOpen, CauseRateLimited, CauseRetryAfter, CauseOwnFault, CauseExpanded,
	}, c)
}

// RecordType implements Record.
func (r *DeliveryRecord) RecordType() RecordType { return TypeDelivery }

// RecordID implements Record: all that makes this change differ from another one of the delivery.
func (r *DeliveryRecord) RecordID() string {
	b := append(make([]byte, 0, 96), r.DeliveryID...)
	b = appendInt(append(b, '.'), int64(r.Chain))
	b = appendInt(append(b, '.'), int64(r.Attempts))
	b = append(append(b, '.'), r.Status...)
	b = append(append(b, '.'), r.Cause...)
	return string(appendInt(append(b, '.'), r.At.UnixMilli()))
}

// Workspace implements Record.
func (r *DeliveryRecord) Workspace() string { return r.WorkspaceID }

// Key implements Record.
func (r *DeliveryRecord) Key() string { return r.EventID }

// State is what the record says about its delivery.
func (r *DeliveryRecord) State() State {
	return State{
		Status: r.Status, Cause: r.Cause, Chain: r.Chain, Attempts: r.Attempts,
		At: r.At, NextAttemptAt: r.NextAttemptAt,
	}
}

// AppendJSON implements Record.
func (r *DeliveryRecord) AppendJSON(dst []byte) []byte {
	w := writer{dst}
	w.open('{')
	w.text("delivery_id", r.DeliveryID)
	w.text("webhook_id", r.WebhookID)
	w.text("workspace_id", r.WorkspaceID)
	w.text("event_id", r.EventID)
	w.text("event", r.Event)
	w.text("session_id", r.SessionID)
	w.occurrence("occurrence", r.Occurrence)
	w.source("source", r.Source)
	w.text("event_timestamp", r.EventTimestamp)
	w.int("chain", int64(r.Chain))
	w.int("attempts", int64(r.Attempts))
	w.int("epoch", r.Epoch)
	w.text("status", string(r.Status))
	w.text("cause", string(r.Cause))
	w.time("next_attempt_at", r.NextAttemptAt)
	w.time("at", r.At)
	w.close('}')
	return w.b
}

// MarshalJSON makes encoding/json write what AppendJSON does.
func (r *DeliveryRecord) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// State is one statement about a delivery, from an attempt or a delivery record. Of all that were
// made, the delivery is in the one that supersedes the others.
type State struct {
	Status        Status
	Cause         Cause // empty when an attempt led here
	Chain         int
	Attempts      int
	At            time.Time // to the millisecond
	NextAttemptAt time.Time // zero: none planned
}

// Supersedes tells whether s is the delivery's state rather than o. It is a strict total order, so
// statements may be folded in any order and any number of times:
//
//	a success beats all, then the greater chain, then more attempts, then an end beats a pending
//	state, then of two ends the earlier, of two pending states the later.
//
// So a delivery that ended does not wait again without a new chain or attempt, whatever clocks say.
func (s State) Supersedes(o State) bool {
	if won, lost := s.Status == Succeeded, o.Status == Succeeded; won != lost {
		return won
	}
	if s.Chain != o.Chain {
		return s.Chain > o.Chain
	}
	if s.Attempts != o.Attempts {
		return s.Attempts > o.Attempts
	}
	ended := s.Status != Pending
	if ended != (o.Status != Pending) {
		return ended
	}
	if c := s.At.Compare(o.At); c != 0 {
		return (c < 0) == ended
	}
	if c := s.NextAttemptAt.Compare(o.NextAttemptAt); c != 0 {
		return c > 0
	}
	return strings.Compare(string(s.Status)+"."+string(s.Cause), string(o.Status)+"."+string(o.Cause)) > 0
}
