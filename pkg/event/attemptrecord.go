package event

import "time"

// AttemptRecord is one HTTP request made for a delivery, with the delivery's state after it, so
// that the usual delivery needs no other record. A request that a crash repeated has the same ID;
// of such records one is kept ([AttemptRecord.Supersedes]).
type AttemptRecord struct {
	ID          string     `json:"id"`
	DeliveryID  string     `json:"delivery_id"`
	WebhookID   string     `json:"webhook_id"`
	WorkspaceID string     `json:"workspace_id"`
	EventID     string     `json:"event_id"`
	Event       string     `json:"event"`
	SessionID   string     `json:"session_id"`
	Occurrence  Occurrence `json:"occurrence"`
	Source      Source     `json:"source"`
	// EventTimestamp is the event's own timestamp, verbatim.
	EventTimestamp string `json:"event_timestamp"`
	// Chain counts from 1 and rises when a resend takes over; Attempt is 1-based.
	Chain   int     `json:"chain"`
	Attempt int     `json:"attempt"`
	Trigger Trigger `json:"trigger"`
	// Epoch is the webhook's when the delivery was made or last revived.
	Epoch int64 `json:"epoch"`
	// Timestamp is when the request began, to the millisecond.
	Timestamp time.Time `json:"timestamp"`
	Duration  Millis    `json:"duration_ms"`
	// Status is Succeeded or Failed.
	Status Status `json:"status"`
	// HTTPStatus is 0 (JSON null) when there was no HTTP answer.
	HTTPStatus int `json:"http_status"`
	// Error is empty (JSON null) when there was an HTTP answer. ErrorDetail is a text for the
	// customer: it names no address that the customer did not write.
	Error       ErrorCode `json:"error"`
	ErrorDetail string    `json:"error_detail,omitempty"`
	// NextAttemptAt is zero (JSON null) when no further attempt is planned.
	NextAttemptAt  time.Time `json:"next_attempt_at"`
	DeliveryStatus Status    `json:"delivery_status"`
	Request        Request   `json:"request"`
	// Response is JSON null when HTTPStatus is 0.
	Response Response `json:"response"`
	Timing   Timing   `json:"timing"`
	// ConnectionReused tells that no new connection was made: DNS, connect and TLS are then 0.
	ConnectionReused bool `json:"connection_reused"`
}

// Request is what was sent, without the body (which is the event's) and without secrets.
type Request struct {
	// URL has neither userinfo nor query values; Headers shows secret values as ***.
	URL        string   `json:"url"`
	Headers    []Header `json:"headers"`
	BodySHA256 Digest   `json:"body_sha256,omitzero"`
	BodySize   int      `json:"body_size"`
}

// Response is what came back, as far as it was kept.
type Response struct {
	Headers []Header `json:"headers"`
	// Body is written as text: each byte that is not valid UTF-8 becomes U+FFFD.
	Body Text `json:"body"`
	// Truncated tells that the body was longer, or that it broke off; Size is how many bytes of
	// it were read.
	Truncated bool  `json:"truncated"`
	Size      int64 `json:"size"`
}

// Text is bytes that JSON shows as a string.
type Text []byte

// Timing is where an attempt's time went. Parts that did not happen are 0.
type Timing struct {
	DNS     Millis `json:"dns_ms"`
	Connect Millis `json:"connect_ms"`
	TLS     Millis `json:"tls_ms"`
	Wait    Millis `json:"wait_ms"` // request written to first byte of the answer
	Read    Millis `json:"read_ms"` // first to last byte kept
}

// RecordType implements Record.
func (r *AttemptRecord) RecordType() RecordType { return TypeAttempt }

// RecordID implements Record: the attempt's id and its start in Unix milliseconds. Two requests
// that a crash made of one attempt thus have two record ids, and neither hides the other.
func (r *AttemptRecord) RecordID() string {
	b := append(append(make([]byte, 0, 48), r.ID...), '.')
	return string(appendInt(b, r.Timestamp.UnixMilli()))
}

// Workspace implements Record.
func (r *AttemptRecord) Workspace() string { return r.WorkspaceID }

// Key implements Record.
func (r *AttemptRecord) Key() string { return r.EventID }

// Supersedes tells whether r is kept and o dropped, where both have one ID: success beats failure,
// then the earlier start. It is a strict order, so records may be folded in any order and any
// number of times.
func (r *AttemptRecord) Supersedes(o *AttemptRecord) bool {
	if won, lost := r.Status == Succeeded, o.Status == Succeeded; won != lost {
		return won
	}
	return r.Timestamp.Before(o.Timestamp)
}

// State is what the attempt says about its delivery.
func (r *AttemptRecord) State() State {
	return State{
		Status: r.DeliveryStatus, Chain: r.Chain, Attempts: r.Attempt,
		At:            r.Timestamp.Add(r.Duration.Duration()).Truncate(time.Millisecond),
		NextAttemptAt: r.NextAttemptAt,
	}
}

// AppendJSON implements Record.
func (r *AttemptRecord) AppendJSON(dst []byte) []byte {
	w := writer{dst}
	w.open('{')
	w.text("id", r.ID)
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
	w.int("attempt", int64(r.Attempt))
	w.text("trigger", string(r.Trigger))
	w.int("epoch", r.Epoch)
	w.time("timestamp", r.Timestamp)
	w.millis("duration_ms", r.Duration)
	w.text("status", string(r.Status))
	w.status("http_status", r.HTTPStatus)
	w.nullable("error", string(r.Error))
	w.optional("error_detail", r.ErrorDetail)
	w.time("next_attempt_at", r.NextAttemptAt)
	w.text("delivery_status", string(r.DeliveryStatus))
	r.Request.write(&w)
	r.writeResponse(&w)
	r.Timing.write(&w)
	w.bool("connection_reused", r.ConnectionReused)
	w.close('}')
	return w.b
}

func (q *Request) write(w *writer) {
	w.key("request")
	w.open('{')
	w.text("url", q.URL)
	w.headers("headers", q.Headers)
	w.digest("body_sha256", q.BodySHA256)
	w.int("body_size", int64(q.BodySize))
	w.close('}')
}

func (r *AttemptRecord) writeResponse(w *writer) {
	w.key("response")
	if r.HTTPStatus == 0 {
		w.raw("null")
		return
	}
	w.open('{')
	w.headers("headers", r.Response.Headers)
	w.key("body")
	w.b = appendQuoted(w.b, r.Response.Body)
	w.bool("truncated", r.Response.Truncated)
	w.int("size", r.Response.Size)
	w.close('}')
}

func (t *Timing) write(w *writer) {
	w.key("timing")
	w.open('{')
	w.millis("dns_ms", t.DNS)
	w.millis("connect_ms", t.Connect)
	w.millis("tls_ms", t.TLS)
	w.millis("wait_ms", t.Wait)
	w.millis("read_ms", t.Read)
	w.close('}')
}

// MarshalJSON makes encoding/json write what AppendJSON does.
func (r *AttemptRecord) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }
