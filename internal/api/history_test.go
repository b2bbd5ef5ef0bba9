package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

const payload = `{"id":"evt_1","event":"ConversationComplete","timestamp":"2026-11-23T08:00:00.123Z","data":{"cost":0.10,"n":1e2}}`

// seeded is a fixture with a webhook and three deliveries: succeeded at the second try, failed without an answer, and
// waiting for its second try.
func seeded(t *testing.T) (f *fixture, hook string, done, failed, waiting store.Delivery) {
	f = newFixture(t)
	hook = f.Webhook("ws_acme", "https://crm.example/hooks", "CRM")
	now := time.Now().UTC().Truncate(time.Millisecond)
	fail := apitest.Answer{Status: 500, Body: `{"error":"db"}`, Took: 182041 * time.Microsecond}
	done = f.Deliver("ws_acme", hook, "ConversationComplete", now.Add(-3*time.Hour), time.Time{}, []byte(payload),
		fail, apitest.Answer{Status: 200, Body: "ok", Took: 40 * time.Millisecond})
	failed = f.Deliver("ws_acme", hook, "SessionStarted", now.Add(-2*time.Hour), time.Time{}, []byte(`{}`),
		apitest.Answer{Error: event.ErrTimeout, Took: 5 * time.Second})
	waiting = f.Deliver("ws_acme", hook, "SessionStarted", now.Add(-time.Hour), now.Add(time.Hour), []byte(`{}`), fail)
	return f, hook, done, failed, waiting
}

func TestAttemptFilters(t *testing.T) {
	f, hook, done, _, waiting := seeded(t)
	since := time.Now().Add(-90 * time.Minute).UTC().Format(time.RFC3339)
	tests := map[string]int{
		"":                                 4,
		"status=failed":                    3,
		"status=failed&status=succeeded":   4,
		"http_status=500":                  2,
		"http_status=5xx&http_status=2xx":  3,
		"http_status=2xx":                  1,
		"error=timeout":                    1,
		"trigger=retry":                    1,
		"event=SessionStarted":             2,
		"delivery_id=" + done.ID:           2,
		"session_id=" + waiting.SessionID:  1,
		"session_id=a,b":                   0,
		"since=" + since:                   1,
		"until=" + since:                   3,
		"status=failed&event=Conversation": 0,
	}
	for query, want := range tests {
		for _, path := range []string{hooks + "/" + hook + "/attempts?", "/v1/workspaces/ws_acme/attempts?"} {
			a := f.operator("GET", path+query, "").want(200)
			if got := len(a.object()["data"].([]any)); got != want {
				t.Errorf("%s%s: %d attempts, want %d", path, query, got, want)
			}
		}
	}
	for _, query := range []string{"status=pending", "http_status=abc", "http_status=6x", "error=oops", "trigger=x", "since=yesterday",
		"since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "cursor=zzz"} {
		f.operator("GET", "/v1/workspaces/ws_acme/attempts?"+query, "").want(422)
	}
	if n := len(f.operator("GET", "/v1/workspaces/ws_acme/attempts?webhook_id=wh_x", "").want(200).object()["data"].([]any)); n != 0 {
		t.Errorf("%d attempts of no webhook", n)
	}
}

func TestWholeAttempt(t *testing.T) {
	f, hook, done, failed, _ := seeded(t)
	a := f.operator("GET", "/v1/workspaces/ws_acme/attempts/"+done.Occurrence.AttemptID(hook, 1, 1), "").want(200).object()
	if a["http_status"] != 500.0 || a["error"] != nil || a["duration_ms"] != 182.041 || a["attempt"] != 1.0 {
		t.Errorf("attempt %v", a)
	}
	request, response := a["request"].(map[string]any), a["response"].(map[string]any)
	if request["body"] != payload {
		t.Errorf("payload %v is not the bytes that were sent", request["body"])
	}
	if response["body"] != `{"error":"db"}` || response["truncated"] != false {
		t.Errorf("response %v", response)
	}
	if source := a["source"].(map[string]any); source["topic"] != "voxagent.conversation.events" {
		t.Errorf("source %v", source)
	}
	a = f.operator("GET", "/v1/workspaces/ws_acme/attempts/"+failed.Occurrence.AttemptID(hook, 1, 1), "").want(200).object()
	if a["http_status"] != nil || a["error"] != "timeout" || a["response"] != nil {
		t.Errorf("timeout %v", a)
	}
}

func TestDeliveries(t *testing.T) {
	f, hook, done, _, waiting := seeded(t)
	for query, want := range map[string]int{"": 3, "status=pending": 1, "status=failed&status=succeeded": 2, "event=SessionStarted": 2} {
		for _, path := range []string{hooks + "/" + hook + "/deliveries?", "/v1/workspaces/ws_acme/deliveries?"} {
			if got := len(f.operator("GET", path+query, "").want(200).object()["data"].([]any)); got != want {
				t.Errorf("%s%s: %d deliveries, want %d", path, query, got, want)
			}
		}
	}
	d := f.operator("GET", "/v1/workspaces/ws_acme/deliveries/"+done.ID, "").want(200).object()
	if d["status"] != "succeeded" || d["attempts"] != 2.0 || len(d["history"].([]any)) != 2 || d["completed_at"] == nil {
		t.Errorf("delivery %v", d)
	}
	d = f.operator("GET", "/v1/workspaces/ws_acme/deliveries/"+waiting.ID, "").want(200).object()
	if d["status"] != "pending" || d["next_attempt_at"] == nil || d["completed_at"] != nil {
		t.Errorf("waiting %v", d)
	}
}

func TestEvents(t *testing.T) {
	f, hook, done, _, _ := seeded(t)
	f.History.AddEvent(store.EventDetail{
		Event:  store.Event{ID: "evt_lonely", Event: "SessionStarted", WorkspaceID: "ws_acme", Unmatched: 1},
		Misses: []store.Miss{{WebhookID: hook, Reason: event.MissTypeNotSelected}},
	})
	if n := len(f.operator("GET", "/v1/workspaces/ws_acme/events?event=SessionStarted", "").want(200).object()["data"].([]any)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	e := f.operator("GET", "/v1/workspaces/ws_acme/events/"+done.EventID, "").want(200).object()
	if e["payload"] != payload || e["payload_state"] != "kept" || len(e["deliveries"].([]any)) != 1 {
		t.Errorf("event %v", e)
	}
	e = f.operator("GET", "/v1/workspaces/ws_acme/events/evt_lonely", "").want(200).object()
	misses := e["not_delivered"].([]any)
	if len(misses) != 1 || misses[0].(map[string]any)["reason"] != "type_not_selected" || len(e["deliveries"].([]any)) != 0 {
		t.Errorf("lonely %v", e)
	}
}

func TestResendAndCancel(t *testing.T) {
	f, hook, done, failed, waiting := seeded(t)
	path := "/v1/workspaces/ws_acme/deliveries/"
	f.operator("POST", path+done.ID+"/resend", "").want(http.StatusAccepted)
	f.operator("POST", path+waiting.ID+"/resend", "").want(http.StatusAccepted)
	orders := f.Commander.Resends()
	if o := orders[0]; !o.Single || o.Attempt != 3 || o.Chain != 2 || string(o.Body) != payload {
		t.Errorf("of a finished delivery: %+v", o)
	}
	if o := orders[1]; o.Single || o.Attempt != 2 || o.Chain != 2 {
		t.Errorf("of a pending delivery: %+v", o)
	}
	f.operator("POST", path+waiting.ID+"/cancel", "").want(http.StatusAccepted)
	code := func(a answer) any { return a.object()["code"] }
	if c := code(f.operator("POST", path+failed.ID+"/cancel", "").want(409)); c != "finished" {
		t.Errorf("cancelling what is finished: %v", c)
	}
	gone := f.Deliver("ws_acme", hook, "SessionStarted", time.Now().Add(-time.Hour), time.Time{}, nil, apitest.Answer{Status: 500})
	if c := code(f.operator("POST", path+gone.ID+"/resend", "").want(410)); c != "payload_expired" {
		t.Errorf("resending without a payload: %v", c)
	}
	running := f.Deliver("ws_acme", hook, "SessionStarted", time.Now(), time.Now().Add(-time.Second), []byte("{}"), apitest.Answer{Status: 500})
	if c := code(f.operator("POST", path+running.ID+"/resend", "").want(409)); c != "in_progress" {
		t.Errorf("resending what is under way: %v", c)
	}
	f.operator("PATCH", hooks+"/"+hook, `{"enabled":false}`).want(200)
	if c := code(f.operator("POST", path+done.ID+"/resend", "").want(409)); c != "disabled" {
		t.Errorf("resending to a disabled webhook: %v", c)
	}
	f.operator("DELETE", hooks+"/"+hook, "").want(204)
	if c := code(f.operator("POST", path+done.ID+"/resend", "").want(409)); c != "disabled" {
		t.Errorf("resending to a deleted webhook: %v", c)
	}
}

func TestTestEvent(t *testing.T) {
	f := newFixture(t)
	hook := f.Webhook("ws_acme", "https://a.example", "")
	a := f.operator("POST", hooks+"/"+hook+"/test", `{"event":"SessionStarted"}`).want(http.StatusAccepted).object()
	o := f.Commander.Tests()[0]
	if a["delivery_id"] != o.DeliveryID || !o.Single || !strings.HasPrefix(o.EventID, "evt_test_") || o.Trigger != event.TriggerTest {
		t.Errorf("order %+v", o)
	}
	if !strings.HasPrefix(string(o.Body), `{"id":"`+o.EventID+`","event":"SessionStarted","timestamp":"`) {
		t.Errorf("body %s", o.Body)
	}
	if at := f.operator("POST", hooks+"/"+hook+"/test", `{"event":"Nope"}`).want(422).faultAt("body.event"); at == "" {
		t.Error("no fault at body.event")
	}
}

func TestStats(t *testing.T) {
	f, hook, _, _, _ := seeded(t)
	s := f.operator("GET", hooks+"/"+hook+"/stats", "").want(200).object()
	data := s["data"].([]any)
	if len(data) < 24 || len(data) > 25 || s["step_seconds"] != 3600.0 {
		t.Fatalf("%d steps of %v s", len(data), s["step_seconds"])
	}
	var ok, bad, pending float64
	for _, d := range data {
		step := d.(map[string]any)
		ok, bad, pending = ok+step["succeeded"].(float64), bad+step["failed"].(float64), pending+step["pending"].(float64)
	}
	if ok != 1 || bad != 3 || pending != 1 {
		t.Errorf("sums %v %v %v", ok, bad, pending)
	}
	for _, query := range []string{"step=0s", "step=1s", "step=-1h", "step=x", "since=2099-01-01T00:00:00Z"} {
		f.operator("GET", hooks+"/"+hook+"/stats?"+query, "").want(422)
	}
}

func TestMeta(t *testing.T) {
	f := newFixture(t)
	m := f.operator("GET", "/v1/meta", "").want(200).object()
	if m["version"] != "1.2.3" || m["timeout"] != "5s" || len(m["retry_schedule"].([]any)) != 2 || m["retry_schedule"].([]any)[1] != "5m" {
		t.Errorf("meta %v", m)
	}
	types := f.operator("GET", "/v1/event-types", "").want(200).object()["data"].([]any)
	if len(types) != 2 || types[0].(map[string]any)["example"] == nil {
		t.Errorf("types %v", types)
	}
}

func TestWorkspaceLimits(t *testing.T) {
	f := newFixture(t)
	f.Webhook("ws_acme", "https://a.example", "")
	w := f.operator("PATCH", "/v1/workspaces/ws_acme", `{"suspended":true,"max_per_second":5,"max_webhooks":null}`).want(200).object()
	if w["suspended"] != true || w["max_per_second"] != 5.0 || w["max_webhooks"] != nil {
		t.Errorf("workspace %v", w)
	}
	f.operator("PATCH", "/v1/workspaces/ws_acme", `{"suspended":null}`).want(422)
	list := f.operator("GET", "/v1/workspaces", "").want(200).object()["data"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["webhooks"] != 1.0 {
		t.Errorf("workspaces %v", list)
	}
}
