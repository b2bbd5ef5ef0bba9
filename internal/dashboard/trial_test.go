package dashboard_test

import (
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// shown is the text of the rows of a trial.
func (r result) shown() []string {
	r.t.Helper()
	_, table, found := strings.Cut(r.body, `<section class="trial"`)
	if !found {
		r.t.Fatalf("%s has no trial", r.path)
	}
	table, _, _ = strings.Cut(table, "</section>")
	_, table, _ = strings.Cut(table, "<tbody>")
	var rows []string
	for row := range strings.SplitSeq(table, "</tr>") {
		text := html.UnescapeString(strings.TrimSpace(spaces.ReplaceAllString(tag.ReplaceAllString(row, " "), " ")))
		if text != "" {
			rows = append(rows, text)
		}
	}
	return rows
}

// publish puts an event into the history that went nowhere, with data as its payload.
func (s *storedSite) publish(workspace, kind, session, data string, ago time.Duration) store.Event {
	at := time.Now().Add(-ago)
	e := event.Event{ID: "evt_" + session, Type: kind, Timestamp: event.FormatTime(at), Data: []byte(data)}
	body := event.Body(&e)
	d := store.EventDetail{
		Event: store.Event{
			ID: e.ID, Event: kind, WorkspaceID: workspace, SessionID: session, Occurrence: event.NewOccurrence(at), Timestamp: e.Timestamp,
			RecordTime: at, ReceivedAt: at, BodySize: len(body),
		},
		Payload: store.Payload{State: store.PayloadKept, Body: body},
	}
	switch data {
	case "gone":
		d.Payload = store.Payload{State: store.PayloadGone}
	case "erased":
		d.Payload = store.Payload{State: store.PayloadErased}
	case "huge":
		d.BodySize = 3 << 20
	}
	s.History.AddEvent(d)
	return d.Event
}

func TestTryFilter(t *testing.T) {
	s := newStoredSite(t)
	s.post(w+"/webhooks/new", "filter", "true").want(200).has("Nothing was published for this workspace yet.")
	s.publish("ws_other", "ConversationComplete", "ses_theirs", `{"duration_seconds":99}`, 0)
	const conversation = "ConversationComplete"
	s.publish("ws_acme", conversation, "ses_old", `{"duration_seconds":99}`, 30*time.Hour)
	for i := range 14 {
		s.publish("ws_acme", conversation, fmt.Sprintf("ses_short%d", i), `{"duration_seconds":3}`, 29*time.Hour)
	}
	s.publish("ws_acme", conversation, "ses_gone", "gone", 7*time.Hour)
	s.publish("ws_acme", conversation, "ses_erased", "erased", 6*time.Hour)
	s.publish("ws_acme", conversation, "ses_none", `{"turns":2}`, 5*time.Hour)
	s.publish("ws_acme", conversation, "ses_null", `{"duration_seconds":null}`, 4*time.Hour)
	s.publish("ws_acme", conversation, "ses_short", `{"duration_seconds":42.5}`, 3*time.Hour)
	s.publish("ws_acme", conversation, "ses_long", `{"duration_seconds":61}`, 2*time.Hour)
	s.publish("ws_acme", "SessionStarted", "ses_start", `{"agent_id":"a"}`, time.Hour)

	form := []string{
		"url", "half", "description", "Kept", "event_types", conversation, "enabled", "true", "once", "abc", "filter", "data.duration_seconds > 60",
		"max_per_second", "7", "header_name", "X-Api-Key", "header_value", "k3y",
	}
	p := s.post(w+"/webhooks/new", form...).want(200).
		has("The last 20 events of the chosen types:", "1 matches", "15 do not", "2 fail", "2 not tried").hasNot("ses_theirs", "ses_start")
	want := []string{
		"matches ConversationComplete (in a new tab) 2 h ago ses_long", "does not match ConversationComplete (in a new tab) 3 h ago ses_short",
		"fails A value is null, or of another type than is needed here. No such overload: _>_. ConversationComplete (in a new tab) 4 h ago ses_null",
		"fails No such key: duration_seconds. Ask has(data.duration_seconds) first. ConversationComplete (in a new tab) 5 h ago ses_none",
		"not tried Its payload was erased. ConversationComplete (in a new tab) 6 h ago ses_erased",
		"not tried Its payload is not kept any more. ConversationComplete (in a new tab) 7 h ago ses_gone",
	}
	if got := p.shown(); len(got) != 20 || !slices.Equal(got[:len(want)], want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, kept := range []string{opened, `value="half"`, `value="Kept"`, `value="` + conversation + `" aria-describedby="type-0-hint" checked`, `value="abc"`,
		"data.duration_seconds &gt; 60</textarea>", `value="7"`, `value="X-Api-Key"`, `value="k3y"`} {
		if !strings.Contains(p.body, kept) {
			t.Errorf("the form lost %s", kept)
		}
	}
	// Types that the form does not name one by one are told apart in the rows.
	p = s.post(w+"/webhooks/new", "event_types", "Conversation*", "filter", `event != ""`).want(200).has("The last 20 events:")
	if got := p.shown(); got[0] != "not tried Its type is not chosen. SessionStarted (in a new tab) 1 h ago ses_start" {
		t.Errorf("first row %s", got[0])
	}
	s.post(w+"/webhooks/new", "event_types", "Nothing", "filter", "true").want(200).has("No event of the chosen types was published")
	if n := len(s.hooks()); n != 0 {
		t.Errorf("%d webhooks were created", n)
	}
}

func TestTryBrokenFilter(t *testing.T) {
	s := newStoredSite(t)
	s.post(w+"/webhooks/new", "filter", "true &&\r\n  (", "url", "kept").want(200).has("Line 2, column 4: Syntax error").hasNot(`class="trial"`)
	s.post(w+"/webhooks/new", "filter", " ", "url", "kept").want(200).has("Enter an expression to try it.")
	s.History.Err = errors.New("pq: gone")
	p := s.post(w+"/webhooks/new", "filter", "true", "url", "kept").want(500).has("The recent events cannot be read right now.").hasNot("pq:")
	if !strings.Contains(p.body, `value="kept"`) || s.logs.FilterMessage("filter trial failed").Len() != 1 {
		t.Error("the form was lost, or nobody was told")
	}
}

// TestTrialIsBounded: some events that are too large together leave room for smaller ones.
func TestTrialIsBounded(t *testing.T) {
	s := newStoredSite(t)
	s.publish("ws_acme", "SessionStarted", "ses_small", `{}`, 3*time.Hour)
	s.publish("ws_acme", "SessionStarted", "ses_second", "huge", 2*time.Hour)
	s.publish("ws_acme", "SessionStarted", "ses_first", "huge", time.Hour)
	got := s.post(w+"/webhooks/new", "filter", "true").want(200).shown()
	want := []string{
		"matches SessionStarted (in a new tab) 1 h ago ses_first",
		"not tried These events are too large to try all of them at once. SessionStarted (in a new tab) 2 h ago ses_second",
		"matches SessionStarted (in a new tab) 3 h ago ses_small",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s", strings.Join(got, "\n"))
	}
}

func TestTryFilterOfWebhook(t *testing.T) {
	s := newStoredSite(t)
	to := s.post(w+"/webhooks", "url", "https://a.example", "event_types", "*", "filter", "true", "header_name", "X-Api-Key", "header_value", "1").want(303).header.Get("Location")
	before := s.hook()
	s.publish("ws_acme", "SessionStarted", "ses_1", `{"agent_id":"a"}`, time.Hour)
	p := s.post(to+"/edit/try", "etag", "1", "url", "https://b.example", "event_types", "*", "filter", `data.agent_id == "b"`,
		"stored_name", "X-Api-Key", "stored_value", "2").want(200).has("Edit webhook", "X-Api-Key", "does not match")
	if !strings.Contains(p.body, `formaction="`+to+`/edit/try#filter-field"`) || !strings.Contains(p.body, `action="`+to+`/edit"`) || !strings.Contains(p.body, `name="etag" value="1"`) {
		t.Error("the form leads elsewhere now")
	}
	s.get(to + "/edit/try").redirect(to + "/edit")
	if after := s.hook(); after.URL != before.URL || after.Filter != before.Filter || !slices.Equal(after.Headers, before.Headers) {
		t.Errorf("something was saved: %+v", after)
	}
	s.post(w+"/webhooks/wh_nope/edit/try", "filter", "true").want(404)
}

// TestTrialNeedsRead: what a filter says of an event is read from its payload.
func TestTrialNeedsRead(t *testing.T) {
	s := newSite(t)
	s.signIn(s.Key("ws_acme", subscription.ScopeWrite))
	edit := w + "/webhooks/" + s.Analytics + "/edit"
	s.get(edit).want(200).has("Filter").hasNot("Try on recent events", "formaction")
	s.post(edit+"/try", "filter", "true").want(403)
	s.post(w+"/webhooks/new", "filter", "true").want(403)
}

// TestFilterErrorLeadsToTrial: the event's page has a way to the fault, for who may go there.
func TestFilterErrorLeadsToTrial(t *testing.T) {
	s := newSite(t)
	s.signIn(s.Key("ws_acme"))
	link := w + "/webhooks/" + s.CRM + "/edit#filter-field"
	p := s.get(w+"/events/evt_nobody").want(200).has("Its filter failed on this event", "Try the filter on recent events")
	if !strings.Contains(p.body, link) {
		t.Errorf("no link to %s", link)
	}
	s.post(w + "/webhooks/" + s.CRM + "/delete").want(303)
	s.get(w + "/events/evt_nobody").want(200).has("Its filter failed on this event").hasNot(link)
	s.client = s.browser()
	s.signIn(s.Key("ws_acme", subscription.ScopeRead))
	s.get(w + "/events/evt_nobody").want(200).hasNot(link)
}
