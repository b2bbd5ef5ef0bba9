package api

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Attempt is one HTTP request made for a delivery, as lists show it.
type Attempt struct {
	ID            string  `json:"id" example:"att_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"Its id."`
	DeliveryID    string  `json:"delivery_id" example:"dlv_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The delivery that it was made for."`
	WebhookID     string  `json:"webhook_id" example:"wh_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The webhook that it went to."`
	EventID       string  `json:"event_id" example:"evt_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The event, as in the body and in webhook-id."`
	Event         string  `json:"event" example:"ConversationComplete" doc:"The event's type."`
	SessionID     string  `json:"session_id" example:"ses_8f41" doc:"The event's session."`
	Attempt       int     `json:"attempt" example:"3" doc:"Its number in the delivery, from 1."`
	Trigger       string  `json:"trigger" enum:"event,retry,resend,recovery,replay,test" doc:"What caused it."`
	Timestamp     Time    `json:"timestamp" doc:"When it began."`
	DurationMS    float64 `json:"duration_ms" example:"182.041" doc:"How long it took, in milliseconds."`
	Status        string  `json:"status" enum:"succeeded,failed" doc:"A 2xx status line in time has succeeded."`
	HTTPStatus    *int    `json:"http_status" example:"500" doc:"What the receiver answered; null: no answer."`
	Error         *string `json:"error" enum:"timeout,dns_error,connection_refused,connection_reset,unreachable,tls_error,blocked,protocol_error,expired" doc:"Why there was no answer; null: there was one."`
	NextAttemptAt *Time   `json:"next_attempt_at" nullable:"true" doc:"When the next one was planned for; null: none."`
}

// WholeAttempt is one attempt with everything that was sent and came back.
type WholeAttempt struct {
	Attempt
	ErrorDetail string          `json:"error_detail,omitempty" doc:"The error in a sentence."`
	Request     AttemptRequest  `json:"request" doc:"What was sent."`
	Response    *AttemptAnswer  `json:"response" doc:"What came back; null: nothing."`
	Timing      AttemptTiming   `json:"timing" doc:"Where the time went."`
	Source      *SourcePosition `json:"source" doc:"Where the event stands in Kafka; null for a test."`
}

// TransformSchema says what may be null.
func (WholeAttempt) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return orNullRef(orNullRef(s, "response"), "source")
}

// AttemptRequest is what was sent.
type AttemptRequest struct {
	URL        string            `json:"url" doc:"Without user and password; values of the query as ***."`
	Headers    map[string]string `json:"headers" doc:"Signatures and the webhook's own values as ***."`
	Body       *string           `json:"body" doc:"The payload, byte for byte; null when it is not kept (any more)."`
	BodySHA256 *string           `json:"body_sha256" doc:"Its SHA-256 in hex."`
}

// AttemptAnswer is what came back.
type AttemptAnswer struct {
	Headers   map[string]string `json:"headers" doc:"At most 16 KiB of them; values of one name are joined by a comma."`
	Body      string            `json:"body" doc:"At most 16 KiB of it, as UTF-8; what is not becomes U+FFFD."`
	Truncated bool              `json:"truncated" doc:"The body was longer, or broke off."`
}

// AttemptTiming is where the time went, in milliseconds. What did not happen is 0.
type AttemptTiming struct {
	DNSMS            float64 `json:"dns_ms" doc:"Looking the name up."`
	ConnectMS        float64 `json:"connect_ms" doc:"Connecting."`
	TLSMS            float64 `json:"tls_ms" doc:"The TLS handshake."`
	WaitMS           float64 `json:"wait_ms" doc:"From the request to the first byte of the answer."`
	ReadMS           float64 `json:"read_ms" doc:"Reading the answer."`
	ConnectionReused bool    `json:"connection_reused" doc:"The connection was open already."`
}

// SourcePosition is where a record stands in Kafka.
type SourcePosition struct {
	Topic     string `json:"topic" example:"voxagent.conversation.events"`
	Partition int    `json:"partition" example:"3"`
	Offset    int64  `json:"offset" example:"81234"`
}

func attemptJSON(a *store.Attempt) Attempt {
	return Attempt{
		ID: a.ID, DeliveryID: a.DeliveryID, WebhookID: a.WebhookID, EventID: a.EventID, Event: a.Event,
		SessionID: a.SessionID, Attempt: a.Attempt, Trigger: string(a.Trigger), Timestamp: Time{a.Timestamp},
		DurationMS: ms(a.Duration), Status: string(a.Status), HTTPStatus: orNull(a.HTTPStatus),
		Error: orNull(string(a.Error)), NextAttemptAt: optionalTime(a.NextAttemptAt),
	}
}

func wholeAttemptJSON(a *store.AttemptDetail) WholeAttempt {
	w := WholeAttempt{
		Attempt: attemptJSON(&a.Attempt), ErrorDetail: a.ErrorDetail,
		Request: AttemptRequest{URL: a.Request.URL, Headers: headersJSON(a.Request.Headers), Body: payloadJSON(a.Payload)},
		Timing: AttemptTiming{
			DNSMS: ms(a.Timing.DNS.Duration()), ConnectMS: ms(a.Timing.Connect.Duration()), TLSMS: ms(a.Timing.TLS.Duration()),
			WaitMS: ms(a.Timing.Wait.Duration()), ReadMS: ms(a.Timing.Read.Duration()), ConnectionReused: a.ConnectionReused,
		},
		Source: sourceJSON(a.Source),
	}
	if !a.Request.BodySHA256.IsZero() {
		w.Request.BodySHA256 = new(a.Request.BodySHA256.String())
	}
	if a.HTTPStatus != 0 {
		w.Response = &AttemptAnswer{
			Headers: headersJSON(a.Response.Headers), Body: text(a.Response.Body), Truncated: a.Response.Truncated,
		}
	}
	return w
}

// ms is d in milliseconds with microseconds behind the point.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// text is b as UTF-8.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

func payloadJSON(p store.Payload) *string {
	if p.State != store.PayloadKept {
		return nil
	}
	return new(string(p.Body))
}

func headersJSON(headers []event.Header) map[string]string {
	m := make(map[string]string, len(headers))
	for _, h := range headers {
		if was, ok := m[h[0]]; ok {
			m[h[0]] = was + ", " + h[1]
			continue
		}
		m[h[0]] = h[1]
	}
	return m
}

func sourceJSON(s event.Source) *SourcePosition {
	if s.Topic == "" {
		return nil
	}
	return &SourcePosition{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset}
}
