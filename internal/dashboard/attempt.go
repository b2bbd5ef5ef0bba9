package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// attemptView is one attempt with its delivery, or (Whole is false) a delivery that has had none.
type attemptView struct {
	Href, Heading              string
	WebhookHref, WebhookName   string
	DeliveryHref, EventHref    string
	Status                     status
	Event                      string
	Test, CanResend, CanCancel bool
	Explain                    explanation
	NextAt                     *time.Time
	Tried                      string
	Attempts                   []attemptStep
	Steps                      []deliveryStep
	Facts                      []fact
	Payload                    bodyView

	Whole                           bool
	Response                        bodyView
	RequestURL, NoAnswer            string
	RequestHeaders, ResponseHeaders []header
	Timing                          []timePart
	Total                           string
	Reused                          bool
	Signature                       *expectedSignature
	SignatureHeader                 string
	Curl                            string
}

// attemptStep is one attempt in the timeline of its delivery.
type attemptStep struct {
	Href, Label, Duration, How string
	Status                     status
	At                         time.Time
	Current                    bool
}

// deliveryStep is what comes after the attempts.
type deliveryStep struct {
	Kind, Text string
	At         time.Time
}

type fact struct{ Name, Value, Href string }

type header struct{ Name, Value string }

func (d *dashboard) attemptPage(v *visit) error { return v.showAttempt(false) }

func (d *dashboard) signature(v *visit) error { return v.showAttempt(true) }

func (v *visit) showAttempt(signature bool) error {
	ctx := v.r.Context()
	a, err := v.History.Attempt(ctx, v.workspace, v.id())
	if err != nil {
		return err
	}
	d, err := v.History.Delivery(ctx, v.workspace, a.DeliveryID)
	if err != nil {
		return fmt.Errorf("read delivery %s: %w", a.DeliveryID, err)
	}
	w, err := v.webhookOf(ctx, a.WebhookID)
	if err != nil {
		return err
	}
	view := v.deliveryView(d, w, a.ID)
	view.whole(v, a, w)
	x := explainer{tries: v.tries(), timeout: v.cfg.DeliveryTimeout, now: v.now}
	view.explain(x.attempt(&a.Attempt, &d.Delivery))
	if signature && w != nil && a.Payload.State == store.PayloadKept {
		if view.Signature, err = v.expected(ctx, a); err != nil {
			return err
		}
	}
	return v.show("attempt", view.Status.Word+" · "+view.WebhookName, "webhooks", view)
}

// webhookOf is the webhook as it is now; nil when it was deleted.
func (v *visit) webhookOf(ctx context.Context, id string) (*subscription.Webhook, error) {
	w, err := v.Webhooks.Webhook(ctx, v.workspace, id)
	if errors.Is(err, subscription.ErrNotFound) {
		return nil, nil //nolint:nilnil // the history outlives the webhook
	}
	if err != nil {
		return nil, fmt.Errorf("read webhook %s: %w", id, err)
	}
	return &w, nil
}

func (view *attemptView) explain(x explanation) {
	view.Explain = x
	if !x.NextAt.IsZero() {
		view.NextAt = &x.NextAt
	}
}

// deliveryView is what an attempt's and a delivery's page share.
func (v *visit) deliveryView(d *store.DeliveryDetail, w *subscription.Webhook, current string) *attemptView {
	view := &attemptView{
		WebhookHref: v.webhookHref(d.WebhookID), WebhookName: "a deleted webhook", DeliveryHref: v.base() + "/deliveries/" + d.ID,
		EventHref: v.base() + "/events/" + d.EventID, Event: plain(d.Event), Heading: "Delivery",
		Status: deliveryStatus(&d.Delivery, v.now), CanCancel: d.Status == event.Pending,
		SignatureHeader: v.cfg.SignatureHeader,
	}
	if w != nil {
		view.WebhookName, view.CanResend = webhookName(w), w.Enabled
	}
	for i := range d.History {
		a := &d.History[i]
		view.Test = view.Test || a.Trigger == event.TriggerTest
		step := attemptStep{
			Href: v.base() + "/attempts/" + a.ID, Label: "Attempt " + strconv.Itoa(a.Attempt), Status: attemptStatus(a),
			Duration: span(a.Duration), At: a.Timestamp, Current: a.ID == current,
		}
		if a.Trigger != event.TriggerEvent && a.Trigger != event.TriggerRetry {
			step.How = string(a.Trigger)
		}
		view.Attempts = append(view.Attempts, step)
	}
	view.Steps = steps(d, v.now)
	view.Tried = plural(len(d.History), "attempt", "attempts")
	view.Facts = []fact{{Name: "Event", Value: d.EventID, Href: view.EventHref}}
	if d.SessionID != "" {
		view.Facts = append(view.Facts, v.sessionFact(d.SessionID))
	}
	view.Facts = append(view.Facts, fact{Name: "Delivery", Value: d.ID, Href: view.DeliveryHref})
	if d.Source.Topic != "" {
		view.Facts = append(view.Facts, fact{Name: "Kafka", Value: fmt.Sprintf("%s, partition %d, offset %d", d.Source.Topic, d.Source.Partition, d.Source.Offset)})
	}
	return view
}

// sessionFact leads to all events of a session.
func (v *visit) sessionFact(session string) fact {
	return fact{Name: "Session", Value: session, Href: v.base() + "/events?session_id=" + url.QueryEscape(session)}
}

// steps is what stands in the timeline below the attempts.
func steps(d *store.DeliveryDetail, now time.Time) []deliveryStep {
	cause := causeText(d.Cause)
	switch d.Status {
	case event.Pending:
		s := deliveryStep{Kind: "wait", Text: "Next attempt", At: d.NextAttemptAt}
		if !d.NextAttemptAt.After(now) {
			s.Text = "Next attempt is due now"
		}
		if cause != "" {
			s.Text += ": " + lowerFirst(cause)
		}
		return []deliveryStep{s}
	case event.Cancelled:
		return []deliveryStep{{Kind: "off", Text: "Cancelled: " + lowerFirst(cause), At: d.CompletedAt}}
	case event.Failed:
		if cause != "" {
			return []deliveryStep{{Kind: "fail", Text: cause, At: d.CompletedAt}}
		}
	case event.Succeeded:
	}
	return nil
}

func (view *attemptView) whole(v *visit, a *store.AttemptDetail, w *subscription.Webhook) {
	view.Whole, view.Href, view.Heading = true, v.base()+"/attempts/"+a.ID, "Attempt "+strconv.Itoa(a.Attempt.Attempt)
	view.Status = statusLine(&a.Attempt)
	view.Facts = append([]fact{{Name: "Attempt", Value: a.ID}}, view.Facts...)
	view.Payload = v.payloadView(a.Payload, view.Href+"/payload")
	view.Response = bodyView{Missing: "There was no answer: " + string(a.Error) + "."}
	if a.HTTPStatus != 0 {
		view.Response = v.bodyView("response", a.Response.Body, view.Href+"/response")
		if a.Response.Truncated {
			view.Response.Note = "The answer was longer, or broke off: at most 16 KB of it are kept."
		}
	}
	view.NoAnswer = "There was no answer: " + string(a.Error) + "."
	view.RequestURL = a.Request.URL
	view.RequestHeaders, view.ResponseHeaders = headers(a.Request.Headers), headers(a.Response.Headers)
	view.Timing, view.Total, view.Reused = timing(a), span(a.Duration), a.ConnectionReused
	if a.Payload.State == store.PayloadKept {
		target := a.Request.URL
		if w != nil {
			target = w.URL
		}
		view.Curl = curlCommand(a, target)
	}
}

func headers(all []event.Header) []header {
	out := make([]header, len(all))
	for i, h := range all {
		out[i] = header{h[0], h[1]}
	}
	return out
}

// deliveryPage leads to the last attempt, or shows what there is when there was none.
func (d *dashboard) deliveryPage(v *visit) error {
	ctx := v.r.Context()
	detail, err := v.History.Delivery(ctx, v.workspace, v.id())
	if err != nil {
		return err
	}
	if n := len(detail.History); n > 0 {
		return v.redirect(v.base() + "/attempts/" + detail.History[n-1].ID)
	}
	w, err := v.webhookOf(ctx, detail.WebhookID)
	if err != nil {
		return err
	}
	view := v.deliveryView(detail, w, "")
	x := explainer{tries: v.tries(), timeout: v.cfg.DeliveryTimeout, now: v.now}
	view.explain(x.delivery(&detail.Delivery))
	payload, err := v.History.Payload(ctx, v.workspace, detail.Occurrence)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read payload: %w", err)
	}
	view.Payload = v.payloadView(payload, view.DeliveryHref+"/payload")
	return v.show("attempt", view.Status.Word+" · "+view.WebhookName, "webhooks", view)
}

func (d *dashboard) resend(v *visit) error {
	err := v.Actions.Resend(v.r.Context(), v.actor(), v.workspace, v.id())
	return v.ordered(err, "resent")
}

func (d *dashboard) cancel(v *visit) error {
	err := v.Actions.Cancel(v.r.Context(), v.actor(), v.workspace, v.id())
	return v.ordered(err, "cancelled")
}

// ordered goes back to the delivery and says what came of an order.
func (v *visit) ordered(err error, done string) error {
	to := v.base() + "/deliveries/" + v.id()
	for _, refusal := range []struct {
		err  error
		said string
	}{
		{command.ErrDisabled, "is-disabled"}, {command.ErrInProgress, "in-progress"},
		{command.ErrPayloadExpired, "no-payload"}, {command.ErrFinished, "finished"},
	} {
		if errors.Is(err, refusal.err) {
			return v.say(refusal.said, to)
		}
	}
	if err != nil {
		return err
	}
	return v.say(done, to)
}

func (d *dashboard) attemptPayload(v *visit) error {
	a, err := v.History.Attempt(v.r.Context(), v.workspace, v.id())
	if err != nil {
		return err
	}
	return v.downloadPayload(a.ID, a.Payload)
}

func (d *dashboard) attemptResponse(v *visit) error {
	a, err := v.History.Attempt(v.r.Context(), v.workspace, v.id())
	if err != nil {
		return err
	}
	if a.HTTPStatus == 0 {
		return errNotFound
	}
	return v.download(a.ID+".response."+strconv.Itoa(a.HTTPStatus)+".txt", a.Response.Body)
}

func (d *dashboard) deliveryPayload(v *visit) error {
	detail, err := v.History.Delivery(v.r.Context(), v.workspace, v.id())
	if err != nil {
		return err
	}
	p, err := v.History.Payload(v.r.Context(), v.workspace, detail.Occurrence)
	if err != nil {
		return err
	}
	return v.downloadPayload(detail.ID, p)
}
