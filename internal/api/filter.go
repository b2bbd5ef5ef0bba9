package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

// TimeRange is a range of time in a query.
type TimeRange struct {
	Since time.Time `query:"since" doc:"Not before."`
	Until time.Time `query:"until" doc:"Before."`
}

// Resolve refuses a range that ends before it begins.
func (r *TimeRange) Resolve(huma.Context) []error {
	if !r.Since.IsZero() && !r.Until.IsZero() && r.Until.Before(r.Since) {
		return []error{&huma.ErrorDetail{Location: "query.until", Message: "is before since"}}
	}
	return nil
}

// AttemptFilter is what attempts can be selected by.
type AttemptFilter struct {
	TimeRange
	Status     []string `query:"status,explode" enum:"succeeded,failed" maxItems:"50" nullable:"false" doc:"Outcomes."`
	Event      []string `query:"event,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Event types."`
	HTTPStatus []string `query:"http_status,explode" pattern:"^[1-9]([0-9]{2}|xx)$" maxItems:"50" nullable:"false" example:"[\"5xx\"]" doc:"Statuses such as 500, or classes such as 5xx."`
	Error      []string `query:"error,explode" enum:"timeout,dns_error,connection_refused,connection_reset,unreachable,tls_error,blocked,protocol_error,expired" maxItems:"50" nullable:"false" doc:"Reasons of having no answer."`
	Trigger    []string `query:"trigger,explode" enum:"event,retry,resend,recovery,replay,test" maxItems:"50" nullable:"false" doc:"Causes."`
	DeliveryID []string `query:"delivery_id,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Deliveries."`
	SessionID  []string `query:"session_id,explode" minLength:"1" maxLength:"256" maxItems:"50" nullable:"false" doc:"Sessions."`
}

func (f *AttemptFilter) query(workspace string, page Paging) (store.AttemptQuery, error) {
	q := store.AttemptQuery{
		WorkspaceID: workspace, DeliveryIDs: f.DeliveryID, SessionIDs: f.SessionID, Events: f.Event,
		Statuses: closed[event.Status](f.Status), Errors: closed[event.ErrorCode](f.Error),
		Triggers: closed[event.Trigger](f.Trigger), Since: f.Since, Until: f.Until, Page: page.history(),
	}
	for _, s := range f.HTTPStatus {
		r, ok := store.ParseStatusRange(s)
		if !ok {
			return q, problem(http.StatusUnprocessableEntity, detailInvalid,
				fault("query.http_status", "neither a status such as 500 nor a class such as 5xx", s))
		}
		q.HTTPStatuses = append(q.HTTPStatuses, r)
	}
	return q, nil
}

// DeliveryFilter is what deliveries can be selected by.
type DeliveryFilter struct {
	TimeRange
	Status     []string `query:"status,explode" enum:"pending,succeeded,failed,cancelled" maxItems:"50" nullable:"false" doc:"States."`
	Event      []string `query:"event,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Event types."`
	DeliveryID []string `query:"delivery_id,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Deliveries."`
	SessionID  []string `query:"session_id,explode" minLength:"1" maxLength:"256" maxItems:"50" nullable:"false" doc:"Sessions."`
}

func (f *DeliveryFilter) query(workspace string, page Paging) store.DeliveryQuery {
	return store.DeliveryQuery{
		WorkspaceID: workspace, DeliveryIDs: f.DeliveryID, SessionIDs: f.SessionID, Events: f.Event,
		Statuses: closed[event.Status](f.Status), Since: f.Since, Until: f.Until, Page: page.history(),
	}
}

// AcrossWebhooks is what lists of a whole workspace can be selected by, too.
type AcrossWebhooks struct {
	EventID   []string `query:"event_id,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Events."`
	WebhookID []string `query:"webhook_id,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Webhooks."`
}

// closed turns the values of a checked enum into their type.
func closed[T ~string](values []string) []T {
	if len(values) == 0 {
		return nil
	}
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}
