package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestFromKafkaToHistory is the main job: an event goes from its topic to a receiver, signed, and into the history.
func TestFromKafkaToHistory(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	hook := s.create("ws_acme", rc.URL+"/in?token=hidden", "ConversationComplete")
	data := `{"session_id":"ses_1","n":1.10,"big":9007199254740993,"text":"Zoë — שלום","html":"<b>"}`
	in.publish(t, document("evt_1", "ws_acme", "ConversationComplete", data),
		document("evt_2", "ws_acme", "SessionStarted", `{"session_id":"ses_1"}`))
	got := rc.wait(t, "a request", 20*time.Second, func(all []request) bool { return len(all) >= 1 })[0]
	want := `{"id":"evt_1","event":"ConversationComplete","timestamp":"2026-11-23T08:00:00.123Z","data":` + data + `}`
	if string(got.body) != want {
		t.Errorf("body\n got %s\nwant %s", got.body, want)
	}
	if err := verify(got, hook.Secret); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Voxagent-Event": "ConversationComplete", "X-Voxagent-Attempt": "1",
		"Webhook-Id": "evt_1", "X-Voxagent-Test": "",
	} {
		if got.header.Get(name) != want {
			t.Errorf("header %s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	eventually(t, 5*time.Second, func() error {
		if all := s.attempts("ws_acme", ""); len(all) != 1 || all[0].Status != "succeeded" || *all[0].HTTPStatus != 200 {
			return fmt.Errorf("history: %+v", all)
		}
		return nil
	})
	var whole struct {
		Request struct {
			URL     string          `json:"url"`
			Body    json.RawMessage `json:"body"`
			Headers json.RawMessage `json:"headers"`
		} `json:"request"`
	}
	s.call("GET", "/v1/workspaces/ws_acme/attempts/"+s.attempts("ws_acme", "")[0].ID, nil, 200, &whole)
	if strings.Contains(whole.Request.URL, "hidden") || !bytes.Contains(whole.Request.Body, []byte("Zoë")) ||
		bytes.Contains(whole.Request.Headers, []byte(got.header.Get("X-Voxagent-Signature"))) {
		t.Errorf("request in history: %+v", whole.Request)
	}
	s.whyNot("evt_2", hook.ID, "type_not_selected")
	if code := s.signal(stopSignal, 15*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// whyNot waits until the event's record says why the webhook did not get it.
func (s *server) whyNot(eventID, webhookID, reason string) {
	s.t.Helper()
	eventually(s.t, 10*time.Second, func() error {
		e := s.try(s.key, http.MethodGet, "/v1/workspaces/ws_acme/events/"+eventID, "").body
		if !strings.Contains(e, webhookID) || !strings.Contains(e, reason) {
			return fmt.Errorf("event %s: %s", eventID, e)
		}
		return nil
	})
}

// TestRetriesAtTheirDueTimes: 500 twice, then 200.
func TestRetriesAtTheirDueTimes(t *testing.T) {
	in := install(t)
	s := in.serve(t, "--retry-schedule", "2s,3s")
	rc := receive(t, func(w http.ResponseWriter, r request) {
		if r.attempt < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"error":"db down"}`))
		}
	})
	hook := s.create("ws_acme", rc.URL)
	in.publish(t, document("evt_1", "ws_acme", "SessionStarted", `{"session_id":"s"}`))
	got := rc.wait(t, "three attempts", 40*time.Second, func(all []request) bool { return len(all) >= 3 })
	for i, r := range got {
		if r.attempt != i+1 || r.deliveryID != got[0].deliveryID || r.eventID != "evt_1" || !bytes.Equal(r.body, got[0].body) {
			t.Errorf("attempt %d: number %d, delivery %s, event %s", i+1, r.attempt, r.deliveryID, r.eventID)
		}
		if err := verify(r, hook.Secret); err != nil {
			t.Error(err)
		}
	}
	var rows []attempt
	eventually(t, 10*time.Second, func() error {
		if rows = s.attempts("ws_acme", ""); len(rows) != 3 {
			return fmt.Errorf("%d attempts in history", len(rows))
		}
		return nil
	})
	for i, delay := range []time.Duration{2 * time.Second, 3 * time.Second} {
		row, next := rows[2-i], got[i+1]
		if row.Attempt != i+1 || row.HTTPStatus == nil || *row.HTTPStatus != 500 || row.NextAttemptAt == nil {
			t.Fatalf("row %+v", row)
		}
		planned := row.NextAttemptAt.Sub(row.ended())
		if planned < delay-2*time.Millisecond || planned > delay+delay/10+200*time.Millisecond {
			t.Errorf("attempt %d: next planned %s later, want %s and up to 10 %%", i+1, planned, delay)
		}
		if late := next.at.Sub(*row.NextAttemptAt); late < -5*time.Millisecond || late > delay/10+time.Second {
			t.Errorf("attempt %d started %s after its due time", i+2, late)
		}
	}
	if last := rows[0]; last.Status != "succeeded" || last.NextAttemptAt != nil || last.Trigger != "retry" {
		t.Errorf("last row %+v", last)
	}
}

// TestTheDocumentedCheckPasses runs the Python check of the README as it stands.
func TestTheDocumentedCheckPasses(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	hook := s.create("ws_acme", rc.URL)
	in.publish(t, document("evt_1", "ws_acme", "SessionStarted", `{"session_id":"Zoë \u2028 �"}`))
	got := rc.wait(t, "a request", 20*time.Second, func(all []request) bool { return len(all) >= 1 })[0]
	script := `
import hashlib, hmac, sys
def verify_webhook(payload: bytes, signature: str, secret: str) -> bool:
    expected = hmac.new(secret.encode("utf-8"), payload, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)
sys.exit(0 if verify_webhook(sys.stdin.buffer.read(), sys.argv[1], sys.argv[2]) else 1)
`
	for secret, want := range map[string]bool{hook.Secret: true, "whsec_other": false} {
		cmd := exec.CommandContext(t.Context(), "python3", "-c", script, got.header.Get("X-Voxagent-Signature"), secret)
		cmd.Stdin = bytes.NewReader(got.body)
		out, err := cmd.CombinedOutput()
		if len(out) > 0 {
			t.Fatalf("python3: %v\n%s", err, out)
		}
		if (err == nil) != want {
			t.Errorf("verified with the right secret %t: %v", want, err)
		}
	}
}

// TestDisablingCancelsWhatIsPending: a disabled webhook gets nothing more, and history says so.
func TestDisablingCancelsWhatIsPending(t *testing.T) {
	in := install(t)
	s := in.serve(t, "--retry-schedule", "2s,2s")
	rc := receive(t, func(w http.ResponseWriter, _ request) { w.WriteHeader(http.StatusServiceUnavailable) })
	hook := s.create("ws_acme", rc.URL)
	in.publish(t, document("evt_1", "ws_acme", "SessionStarted", `{"session_id":"s"}`))
	rc.wait(t, "an attempt", 20*time.Second, func(all []request) bool { return len(all) >= 1 })
	s.call("PATCH", "/v1/workspaces/ws_acme/webhooks/"+hook.ID, map[string]any{"enabled": false}, 200, nil)
	answered := time.Now()
	eventually(t, 10*time.Second, func() error {
		type delivery struct {
			Status   string `json:"status"`
			Attempts int    `json:"attempts"`
		}
		all := list[delivery](s, "/v1/workspaces/ws_acme/deliveries")
		if len(all) != 1 || all[0].Status != "cancelled" {
			return fmt.Errorf("deliveries %+v", all)
		}
		return nil
	})
	time.Sleep(time.Until(answered.Add(3 * time.Second))) // the retry would have come
	for _, r := range rc.requests() {
		if late := r.at.Sub(answered); late > time.Second {
			t.Errorf("attempt %d came %s after it was disabled", r.attempt, late)
		}
	}
}
