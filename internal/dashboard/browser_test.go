package dashboard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/dashboard/browsertest"
	"github.com/voxagent/dispatcher/internal/dashboard/dashboardtest"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// TestReaderCreatesWebhook follows the documented steps by what the pages show: create, reveal, watch rows come in, open
// them.
func TestReaderCreatesWebhook(t *testing.T) {
	s := newSite(t)
	b := browsertest.Open(t)
	b.SignIn(s.server.URL, apitest.OperatorKey)
	b.Fill("Workspace ID", "ws_new")
	b.Click("Open")
	b.See("No webhooks yet")
	b.Click("Webhooks")
	b.Click("+ Create Webhook")
	b.Fill("URL", "https://receiver.example/in")
	b.Fill("Description", "My receiver")
	b.Check("ConversationComplete", true)
	b.Check("Enabled", true)
	b.Click("Save")
	b.See("The webhook is ready.", "My receiver", "Enabled", "Request History", "Nothing sent yet")
	b.SeeNot("Disabled")

	hooks, err := s.Repository.Webhooks(t.Context(), "ws_new", subscription.Page{})
	if err != nil || len(hooks.Items) != 1 {
		t.Fatalf("webhooks %v, %v", hooks, err)
	}
	id := hooks.Items[0].ID
	b.SeeNot(apitest.Secret(4))
	b.Click("Reveal")
	b.See(apitest.Secret(4))
	b.Click("Hide")
	b.See("Reveal")
	b.SeeNot(apitest.Secret(4))

	deliver := func(payload string, answers ...apitest.Answer) {
		s.Deliver("ws_new", id, "ConversationComplete", time.Now(), time.Time{}, []byte(payload), answers...)
	}
	deliver(`{"n":1}`, apitest.Answer{Status: 200, Body: "all good", Took: 40 * time.Millisecond})
	deliver(`{"n":2}`, apitest.Answer{Status: 500, Body: `{"error":"db"}`, Took: 182 * time.Millisecond})
	deliver(`{"n":3}`, apitest.Answer{Error: event.ErrTimeout, Took: 5 * time.Second})
	deliver(dashboardtest.Hostile, apitest.Answer{Status: 418, Body: dashboardtest.Hostile})
	for _, status := range []string{"200", "500", "timeout", "418"} { // they come in without a reload
		b.SeeRow("HTTP Status", status)
	}
	for _, row := range b.Rows() {
		if row["HTTP Status"] == "500" && (row["Payload"] != `{"n":2}` || row["Response"] != `{"error":"db"}`) {
			t.Errorf("row %v", row)
		}
	}
	hook := b.URL()
	b.OpenRow("HTTP Status", "500")
	b.See("Your server answered 500 after 182 ms.", `"n": 2`, `"error": "db"`)
	b.Go(hook)
	b.OpenRow("HTTP Status", "timeout")
	b.See("Your server gave no complete answer within 5 s.", `"n": 3`)
	b.Go(hook)
	b.OpenRow("HTTP Status", "418")
	b.See("<script>window.broken=1</script>", "U+202E")
	b.Clean()
}

// TestReaderActs sends a test, resends, filters and changes the theme.
func TestReaderActs(t *testing.T) {
	s := newSite(t)
	s.Commander.OnTest = func(o command.Order) {
		s.Deliver(o.WorkspaceID, o.WebhookID, o.EventType, time.Now(), time.Time{}, o.Body, apitest.Answer{Status: 204, Took: time.Millisecond})
	}
	b := browsertest.Open(t)
	b.SignIn(s.server.URL, s.Key(dashboardtest.Workspace))
	b.Click("CRM sync")
	b.Choose("Event type of the test", "SessionStarted")
	b.Click("Send test event")
	b.See("A test event is on its way.")
	b.SeeRow("HTTP Status", "204")
	b.Click("Failed")
	b.At("status=failed") // that is where a filter stands
	b.SeeRow("HTTP Status", "timeout")
	for _, row := range b.Rows() {
		if strings.HasPrefix(row["HTTP Status"], "2") {
			t.Errorf("row %v among the failed", row)
		}
	}
	b.Choose("HTTP status", "timeout")
	b.At("http_status=timeout") // a choice applies at once
	b.OpenRow("HTTP Status", "timeout")
	b.See("Payload", "Timing", "Verify this signature")
	b.Click("Resend")
	b.See("Resent: the new attempt appears here within seconds.")
	if len(s.Commander.Resends()) != 1 {
		t.Errorf("%d resends", len(s.Commander.Resends()))
	}
	b.Click("Copy as curl")
	b.See("Copied")
	b.Clean()
}

// TestNarrowPages opens every page on a screen of 320 pixels: nothing may stick out.
func TestNarrowPages(t *testing.T) {
	s := newSite(t)
	b := browsertest.Open(t)
	b.SignIn(s.server.URL, apitest.OperatorKey)
	b.See("Workspaces")
	b.Width(320)
	for _, path := range s.pages() {
		b.Go(s.server.URL + path)
		if over := browsertest.Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%s is %d pixels too wide", path, over)
		}
	}
}

// TestReaderFilters creates a webhook with all options, tries its filter until it is right, saves, and edits it.
func TestReaderFilters(t *testing.T) {
	s := newStoredSite(t)
	s.publish("ws_acme", "ConversationComplete", "ses_long", `{"duration_seconds":61,"campaign_id":"spring"}`, 2*time.Minute)
	s.publish("ws_acme", "ConversationComplete", "ses_plain", `{"duration_seconds":61}`, time.Minute)
	b := browsertest.Open(t)
	b.SignIn(s.server.URL, apitest.OperatorKey)
	b.See("Workspaces")
	b.Go(s.server.URL + w + "/webhooks/new")
	b.Fill("URL", "https://receiver.example/in")
	b.Check("ConversationComplete", true)
	b.Click("More options Filter, headers, rate limit")
	b.Fill("Filter", "data.duration_seconds > 60 &&\nevnt == 1")
	b.Fill("Name of header 1", "X-Api-Key")
	b.Fill("Value of header 1", "k3y")
	b.Fill("Max requests a second", "2.5")
	b.Click("Try on recent events")
	b.See("Line 2, column 1: undeclared reference to 'evnt'")
	b.Fill("Filter", `data.campaign_id == "spring"`)
	b.Click("Try on recent events")
	b.See("The last 2 events of the chosen types:", "No such key: campaign_id. Ask has(data.campaign_id) first.")
	b.Fill("Filter", `has(data.campaign_id) && data.campaign_id == "spring"`)
	b.Click("Try on recent events")
	b.SeeRow("Filter", "does not match")
	b.SeeRow("Filter", "matches")
	b.Width(320)
	if over := browsertest.Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		t.Errorf("the trial is %d pixels too wide for 320", over)
	}
	b.Width(1280)
	if n := len(s.hooks()); n != 0 {
		t.Fatalf("%d webhooks were saved by a trial", n)
	}
	b.Click("Save")
	b.See("The webhook is ready.", `has(data.campaign_id) && data.campaign_id == "spring"`, "X-Api-Key: ***", "2.5 requests a second")
	if made := s.hook(); made.Headers[0][1] != "k3y" || made.URL != "https://receiver.example/in" {
		t.Errorf("made %+v", made)
	}

	b.Click("Edit")
	b.See("Edit webhook")
	b.SeeNot("k3y")
	b.Fill("Filter", `event == "ConversationComplete"`)
	b.Fill("New value of X-Api-Key", "n3w")
	b.Fill("Name of header 2", "X-Tenant")
	b.Fill("Value of header 2", "acme")
	b.Press("Max requests a second", "\r") // Enter saves, though the button of the trial stands before Save
	b.See("Saved.", "X-Tenant: ***")
	if got := s.hook(); got.Filter != `event == "ConversationComplete"` || got.Headers[0][1] != "n3w" || len(got.Headers) != 2 || got.MaxPerSecond != 2.5 {
		t.Errorf("edited %+v", got)
	}
	b.Click("Edit")
	b.Check("Remove X-Api-Key", true)
	b.Click("Save")
	b.See("Saved.", "X-Tenant: ***")
	b.SeeNot("X-Api-Key")
	b.Clean()
}
