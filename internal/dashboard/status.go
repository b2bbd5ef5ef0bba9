package dashboard

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// status is a shape (and colour) and a word.
type status struct {
	Kind string // ok, fail, wait, off: an icon and a class
	Word string
}

// attemptStatus is a code, or the word for having none: `200`, `500`, `timeout`.
func attemptStatus(a *store.Attempt) status {
	s := status{Kind: "fail", Word: string(a.Error)}
	if a.Status == event.Succeeded {
		s.Kind = "ok"
	}
	if a.HTTPStatus != 0 {
		s.Word = strconv.Itoa(a.HTTPStatus)
	}
	if s.Word == "" {
		s.Word = string(a.Status)
	}
	return s
}

// statusLine is a code with its meaning: `500 Internal Server Error`.
func statusLine(a *store.Attempt) status {
	s := attemptStatus(a)
	if text := http.StatusText(a.HTTPStatus); text != "" {
		s.Word += " " + text
	}
	return s
}

func deliveryStatus(d *store.Delivery, now time.Time) status {
	switch d.Status {
	case event.Succeeded:
		return status{"ok", "succeeded"}
	case event.Failed:
		return status{"fail", "failed"}
	case event.Cancelled:
		return status{"off", "cancelled"}
	case event.Pending:
	}
	return status{"wait", "waiting" + nextTry(d.NextAttemptAt, now)}
}

// nextTry is ` · next try in 4 m`, empty when that is now.
func nextTry(at, now time.Time) string {
	if at.Sub(now) < time.Second {
		return ""
	}
	return " · next try " + ago(at, now)
}

func webhookStatus(w *subscription.Webhook) status {
	switch {
	case !w.Enabled:
		return status{"off", "Disabled"}
	case w.Health == subscription.HealthFailing:
		return status{"fail", "Failing"}
	default:
		return status{"ok", "Enabled"}
	}
}

// webhookNote says why a webhook is in its state.
func webhookNote(w *subscription.Webhook, now time.Time) string {
	if w.Enabled {
		if w.Health == subscription.HealthFailing && !w.FailingSince.IsZero() {
			return "since " + clock(w.FailingSince, now) + " UTC"
		}
		return ""
	}
	switch w.DisabledReason {
	case subscription.DisabledByOperator:
		return "by the platform's operator"
	case subscription.DisabledGone:
		return "because the address answered 410 Gone"
	case subscription.DisabledFailing:
		return "after too long a run of failures"
	case subscription.DisabledByCustomer:
	}
	return "by hand"
}

// causeText says why a delivery is in its state when no attempt led to it.
func causeText(c event.Cause) string {
	texts := map[event.Cause]string{
		event.CauseQueueFull:   "Many deliveries of this webhook are waiting before it.",
		event.CauseBreakerOpen: "Your server gave no answer several times in a row; it gets a rest before the next try.",
		event.CauseRateLimited: "The rate limit lets it through later.",
		event.CauseRetryAfter:  "Your server asked to wait (Retry-After).",
		event.CauseOwnFault:    "The attempt could not be made for a reason of ours; it is tried again.",
		event.CauseExpanded:    "The event goes to many webhooks; this delivery is on its way.",
		event.CauseResend:      "It was resent by hand and is on its way.",
		event.CauseRecovery:    "It is part of a recovery and on its way.",
		event.CauseDisabled:    "The webhook was disabled.",
		event.CauseDeleted:     "The webhook was deleted.",
		event.CauseByUser:      "It was cancelled by hand.",
		event.CauseSuperseded:  "The event was matched again and this webhook no longer wanted it.",
		event.CauseErased:      "Its payload was erased on request.",
		event.CauseSuspended:   "The workspace was suspended.",
		event.CauseExpired:     "It could not be delivered within the time that it may take.",
		event.CausePayloadGone: "Its payload was not kept, so there was nothing left to send.",
	}
	return texts[c]
}

// missText says why a webhook did not get an event.
func missText(r event.MissReason) string {
	texts := map[event.MissReason]string{
		event.MissDisabled:        "It was disabled when the event arrived.",
		event.MissTypeNotSelected: "It has not selected this event type.",
		event.MissFilter:          "Its filter did not match.",
		event.MissFilterError:     "Its filter failed on this event: most often it uses a property that is not there, or is null.",
		event.MissDuplicate:       "The same event id was published before; it was not sent again.",
		event.MissExpired:         "The event was older than its type may be.",
		event.MissSuspended:       "The workspace was suspended.",
	}
	if text, ok := texts[r]; ok {
		return text
	}
	return strings.ReplaceAll(string(r), "_", " ")
}

// errorSentence says what went wrong when there was no answer.
func errorSentence(a *store.Attempt, timeout time.Duration) string {
	texts := map[event.ErrorCode]string{
		event.ErrTimeout:           "Your server gave no complete answer within " + wait(timeout) + ".",
		event.ErrDNS:               "The server's name could not be found.",
		event.ErrConnectionRefused: "The connection was refused: nothing listens at this address and port.",
		event.ErrConnectionReset:   "The connection was closed before an answer came.",
		event.ErrUnreachable:       "There was no way to the server: it is down, or the network in between is.",
		event.ErrTLS:               "No secure connection: the server's certificate or its TLS settings were not accepted.",
		event.ErrBlocked:           "The address is not allowed: it does not lead to the public internet.",
		event.ErrProtocol:          "The server did not answer in proper HTTP.",
		event.ErrExpired:           "It could not be delivered within the time that it may take.",
	}
	if text, ok := texts[a.Error]; ok {
		return text
	}
	return "The attempt failed."
}
