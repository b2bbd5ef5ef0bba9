package dashboard

import (
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestExplain(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	x := explainer{tries: 8, timeout: 5 * time.Second, now: now}
	took := 182 * time.Millisecond
	pending := store.Delivery{Status: event.Pending, Attempts: 3, NextAttemptAt: now.Add(5 * time.Minute)}
	failed := store.Delivery{Status: event.Failed, Attempts: 8}
	tests := []struct {
		name string
		a    store.Attempt
		d    store.Delivery
		kind string
		says []string
	}{
		{"waiting", store.Attempt{Status: event.Failed, HTTPStatus: 500, Duration: took}, pending, "fail",
			[]string{"Your server answered 500 after 182 ms.", "Tried 3 of 8 times; next try at"}},
		{"given up", store.Attempt{Status: event.Failed, Error: event.ErrTimeout, Duration: 5 * time.Second}, failed, "fail",
			[]string{"no complete answer within 5 s.", "Tried 8 times; nothing more is sent by itself.", "Answer first and work afterwards"}},
		{"delivered", store.Attempt{Status: event.Succeeded, HTTPStatus: 204, Duration: took}, store.Delivery{Status: event.Succeeded}, "ok",
			[]string{"Your server answered 204 after 182 ms: delivered."}},
		{"delivered later", store.Attempt{Status: event.Failed, HTTPStatus: 500}, store.Delivery{Status: event.Succeeded}, "ok",
			[]string{"A later attempt succeeded."}},
		{"redirect", store.Attempt{Status: event.Failed, HTTPStatus: 301, Duration: took}, failed, "fail",
			[]string{"a redirect", "Redirects are not followed.", "Enter the final address"}},
		{"gone", store.Attempt{Status: event.Failed, HTTPStatus: 410}, store.Delivery{Status: event.Failed, Attempts: 1}, "fail",
			[]string{"410", "410 disables the webhook."}},
		{"cancelled", store.Attempt{Status: event.Failed, HTTPStatus: 500}, store.Delivery{Status: event.Cancelled, Cause: event.CauseDisabled, Attempts: 1}, "fail",
			[]string{"Cancelled: the webhook was disabled.", "Resend sends it after all."}},
		{"resting", store.Attempt{Status: event.Failed, Error: event.ErrConnectionRefused}, store.Delivery{Status: event.Pending, Cause: event.CauseBreakerOpen, Attempts: 4, NextAttemptAt: now.Add(time.Minute)}, "fail",
			[]string{"The connection was refused", "it gets a rest", "Tried 4 of 8 times"}},
		{"due", store.Attempt{Status: event.Failed, HTTPStatus: 500}, store.Delivery{Status: event.Pending, Attempts: 1, NextAttemptAt: now.Add(-time.Second)}, "fail",
			[]string{"the next try is due now."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := x.attempt(&tt.a, &tt.d)
			text := got.What + " " + got.Next + " " + got.Do
			if got.Kind != tt.kind {
				t.Errorf("kind %q, want %q", got.Kind, tt.kind)
			}
			for _, say := range tt.says {
				if !strings.Contains(text, say) {
					t.Errorf("%q does not say %q", text, say)
				}
			}
		})
	}
}

// TestEveryCodeHasWords: no code of the history reaches a reader without a sentence.
func TestEveryCodeHasWords(t *testing.T) {
	for _, e := range []event.ErrorCode{event.ErrTimeout, event.ErrDNS, event.ErrConnectionRefused, event.ErrConnectionReset,
		event.ErrUnreachable, event.ErrTLS, event.ErrBlocked, event.ErrProtocol, event.ErrExpired} {
		if got := errorSentence(&store.Attempt{Error: e}, time.Second); got == "The attempt failed." {
			t.Errorf("%s has no sentence", e)
		}
	}
	for _, c := range []event.Cause{event.CauseQueueFull, event.CauseBreakerOpen, event.CauseRateLimited, event.CauseRetryAfter, event.CauseOwnFault,
		event.CauseExpanded, event.CauseResend, event.CauseRecovery, event.CauseDisabled, event.CauseDeleted, event.CauseByUser,
		event.CauseSuperseded, event.CauseErased, event.CauseSuspended, event.CauseExpired, event.CausePayloadGone} {
		if causeText(c) == "" {
			t.Errorf("%s has no sentence", c)
		}
	}
	for _, m := range []event.MissReason{event.MissDisabled, event.MissTypeNotSelected, event.MissFilter, event.MissFilterError,
		event.MissDuplicate, event.MissExpired, event.MissSuspended} {
		if text := missText(m); !strings.HasSuffix(text, ".") {
			t.Errorf("%s has no sentence: %q", m, text)
		}
	}
}

func TestFlashes(t *testing.T) {
	for name, f := range flashes {
		if icons[f.Icon] == "" || f.Text == "" {
			t.Errorf("flash %s: %+v", name, f)
		}
	}
}

func TestLocal(t *testing.T) {
	for to, want := range map[string]string{
		"/w/a/webhooks?x=1#y": "/w/a/webhooks?x=1#y", "": "/", "x": "/", "//e": "/", "https://e": "/", "/\\e": "/", "/a\tb": "/", "/%zz": "/", "javascript:x": "/",
	} {
		if got := local(to); got != want {
			t.Errorf("local(%q) = %q, want %q", to, got, want)
		}
	}
}
