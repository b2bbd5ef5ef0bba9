package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFilters: a webhook's filter decides with its event types; why it kept an event back can be read.
func TestFilters(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	create := func(filter string, want int, out any) {
		s.call(http.MethodPost, "/v1/workspaces/ws_acme/webhooks",
			map[string]any{"url": rc.URL, "event_types": []string{"Conversation*"}, "filter": filter}, want, out)
	}
	var refused struct {
		Errors []struct{ Location, Message string } `json:"errors"`
	}
	create("data.duration_seconds >", http.StatusUnprocessableEntity, &refused)
	if len(refused.Errors) != 1 || refused.Errors[0].Location != "body.filter" || !strings.Contains(refused.Errors[0].Message, "line 1, column 24") {
		t.Errorf("a broken filter: %+v", refused)
	}
	var long, campaign hook
	create(`data.duration_seconds > 60 && data.history.exists(m, m.role == "User")`, http.StatusCreated, &long)
	create(`data.campaign_id == "c1"`, http.StatusCreated, &campaign)

	const talk = `"history":[{"role":"User","content":"hello"}]`
	in.publish(t, document("evt_long", "ws_acme", "ConversationComplete", `{"duration_seconds":61.5,`+talk+`}`),
		document("evt_short", "ws_acme", "ConversationComplete", `{"duration_seconds":60,"campaign_id":"c1",`+talk+`}`),
		document("evt_end", "ws_acme", "ConversationComplete", `{"duration_seconds":3,"campaign_id":"c2"}`))
	s.whyNot("evt_end", campaign.ID, `"filter"`)
	s.whyNot("evt_end", long.ID, `"filter"`)
	s.whyNot("evt_short", long.ID, `"filter"`)
	s.whyNot("evt_long", campaign.ID, `"filter_error"`) // it has no campaign_id
	for _, r := range rc.wait(t, "two requests", 20*time.Second, func(all []request) bool { return len(all) >= 2 }) {
		want := map[string]string{"evt_long": long.Secret, "evt_short": campaign.Secret}[r.header.Get("Webhook-Id")]
		if err := verify(r, want); err != nil {
			t.Error(err)
		}
	}

	// What fails is counted, and so is a type that nobody listed, which goes to those who chose its beginning.
	in.publish(t, document("evt_unlisted", "ws_acme", "ConversationPaused", `{"campaign_id":"c2"}`))
	s.whyNot("evt_unlisted", campaign.ID, `"filter"`)
	s.whyNot("evt_unlisted", long.ID, `"filter_error"`)
	for name, want := range map[string]float64{"dispatcher_webhooks_filter_errors_total": 2, "dispatcher_unlisted_events_total": 1} {
		if got := s.metric(name, ""); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}

	// Another filter, or none, counts for events from then on.
	s.call(http.MethodPatch, "/v1/workspaces/ws_acme/webhooks/"+campaign.ID, map[string]any{"filter": nil}, http.StatusOK, nil)
	s.call(http.MethodPatch, "/v1/workspaces/ws_acme/webhooks/"+long.ID, map[string]any{"filter": "false"}, http.StatusOK, nil)
	time.Sleep(time.Second) // what the contract allows a change to take
	in.publish(t, document("evt_any", "ws_acme", "ConversationComplete", `{}`))
	s.whyNot("evt_any", long.ID, `"filter"`)
	all := rc.wait(t, "a third request", 20*time.Second, func(all []request) bool { return len(all) >= 3 })
	if err := verify(all[2], campaign.Secret); err != nil || len(all) != 3 {
		t.Errorf("%d requests, the third: %v", len(all), err)
	}
}
