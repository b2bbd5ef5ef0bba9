package dashboard

import (
	"fmt"
	"net/http"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

// explanation tells a reader what happened, what the dispatcher does next by itself, and what they can do.
type explanation struct {
	Kind string // of status
	What string
	Next string
	// NextAt stands at the end of Next, when it is not zero.
	NextAt time.Time
	Do     string
}

// explainer knows what an explanation needs of the installation.
type explainer struct {
	tries   int // attempts of a whole schedule
	timeout time.Duration
	now     time.Time
}

// attempt explains an attempt in the light of what has become of its delivery.
func (e explainer) attempt(a *store.Attempt, d *store.Delivery) explanation {
	x := explanation{Kind: "fail", What: e.what(a), Do: advice(a)}
	if a.Status == event.Succeeded {
		return explanation{Kind: "ok", What: x.What}
	}
	if d.Status == event.Succeeded {
		x.Kind, x.Next, x.Do = "ok", "A later attempt succeeded.", ""
		return x
	}
	e.next(&x, d)
	return x
}

// delivery explains a delivery that has had no attempt.
func (e explainer) delivery(d *store.Delivery) explanation {
	x := explanation{Kind: "wait", What: "Nothing was sent yet."}
	if d.Status == event.Cancelled {
		x.Kind, x.What = "off", "Nothing was sent."
	}
	if d.Status == event.Failed {
		x.Kind, x.What = "fail", "Nothing was sent."
	}
	e.next(&x, d)
	return x
}

// what says what happened, in a sentence.
func (e explainer) what(a *store.Attempt) string {
	took := span(a.Duration)
	switch {
	case a.HTTPStatus == 0:
		if a.ErrorDetail != "" {
			return errorSentence(a, e.timeout) + " (" + plain(a.ErrorDetail) + ")"
		}
		return errorSentence(a, e.timeout)
	case a.Status == event.Succeeded:
		return fmt.Sprintf("Your server answered %d after %s: delivered.", a.HTTPStatus, took)
	case a.HTTPStatus >= 300 && a.HTTPStatus < 400:
		return fmt.Sprintf("Your server answered %d, a redirect, after %s. Redirects are not followed.", a.HTTPStatus, took)
	default:
		return fmt.Sprintf("Your server answered %d after %s.", a.HTTPStatus, took)
	}
}

// next says what the dispatcher does by itself.
func (e explainer) next(x *explanation, d *store.Delivery) {
	tried := fmt.Sprintf("Tried %d of %d times", d.Attempts, max(e.tries, d.Attempts))
	switch d.Status {
	case event.Pending:
		e.pending(x, d, tried)
	case event.Failed:
		x.Next = fmt.Sprintf("Tried %s; nothing more is sent by itself.", plural(d.Attempts, "time", "times"))
		if d.Cause != "" {
			x.Next = causeText(d.Cause) + " Nothing more is sent by itself."
		}
		if x.Do == "" {
			x.Do = "Resend it once your server is well."
		}
	case event.Cancelled:
		x.Next = "Cancelled: " + lowerFirst(causeText(d.Cause))
		x.Do = "Resend sends it after all."
	case event.Succeeded:
	}
}

func (e explainer) pending(x *explanation, d *store.Delivery, tried string) {
	cause := causeText(d.Cause)
	if cause != "" {
		cause += " "
	}
	if d.NextAttemptAt.After(e.now) {
		x.Next, x.NextAt = cause+tried+"; next try at", d.NextAttemptAt
		if d.Attempts == 0 {
			x.Next = cause + "The first try is at"
		}
		return
	}
	x.Next = cause + tried + "; the next try is due now."
	if d.Attempts == 0 {
		x.Next = cause + "The first try is due now."
	}
}

// advice is what a reader can do about a failed attempt; empty when the answer itself says it best.
func advice(a *store.Attempt) string {
	byStatus := map[int]string{
		http.StatusUnauthorized:          "Something in front of your handler asks for a sign-in: let this path through and check the signature instead.",
		http.StatusForbidden:             "Something in front of your handler refuses it, often a firewall or bot filter: let this path through.",
		http.StatusNotFound:              "Check the path of the webhook's URL: your server has nothing there.",
		http.StatusMethodNotAllowed:      "Your server does not take a POST at this path.",
		http.StatusGone:                  "410 disables the webhook. Enable it again once the address works.",
		http.StatusRequestEntityTooLarge: "Raise your server's body limit: a long transcript has several hundred KB.",
		http.StatusTooManyRequests:       "Set a rate limit on the webhook if your server cannot take this many.",
	}
	byError := map[event.ErrorCode]string{
		event.ErrTimeout:           "Answer first and work afterwards: put the event into a queue of yours and answer 200 at once.",
		event.ErrDNS:               "Check the host name in the webhook's URL.",
		event.ErrConnectionRefused: "Check that your server runs and that its port is open.",
		event.ErrTLS:               "Check the certificate: it must be valid for this name and come with its intermediate certificates.",
		event.ErrBlocked:           "Use an address that is reachable from the internet.",
	}
	if a.HTTPStatus >= 300 && a.HTTPStatus < 400 {
		return "Enter the final address as the webhook's URL."
	}
	if text, ok := byStatus[a.HTTPStatus]; ok {
		return text
	}
	return byError[a.Error]
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]|0x20) + s[1:]
}
