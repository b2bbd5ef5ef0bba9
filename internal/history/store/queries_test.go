package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voxagent/dispatcher/pkg/event"
)

// TestAttemptFilters asks for the same ten attempts in every way.
func TestAttemptFilters(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		first := story{eventID: "evt_1", session: "s1", kind: "SessionStarted", offset: 1, at: now.Add(-time.Hour)}
		second := story{eventID: "evt_2", session: "s2", kind: "ConversationComplete", offset: 2, at: now.Add(-30 * time.Minute)}
		resend := second.attempt("wh_1", 4, 200, 4*time.Second)
		resend.Trigger = event.TriggerResend
		refusedConnection := second.attempt("wh_2", 2, 0, 2*time.Second)
		refusedConnection.Error = event.ErrConnectionRefused
		fold(t, s,
			history(first.event(1, "wh_1", "wh_2")), history(second.event(1, "wh_1", "wh_2")),
			history(first.attempt("wh_1", 1, 500, time.Second)), history(first.attempt("wh_1", 2, 200, 6*time.Second)),
			history(first.attempt("wh_2", 1, 404, time.Second)),
			history(second.attempt("wh_1", 1, 0, time.Second)), history(second.attempt("wh_1", 2, 503, 2*time.Second)),
			history(second.attempt("wh_1", 3, 302, 3*time.Second)), history(resend),
			history(second.attempt("wh_2", 1, 201, time.Second)), history(refusedConnection),
			history(story{workspace: "ws_b", offset: 9}.attempt("wh_1", 1, 500, 0)), // never to be seen
		)
		for name, test := range attemptFilters(first, second) {
			if test.q.WorkspaceID == "" {
				test.q.WorkspaceID = "ws_a"
			}
			list, err := s.Attempts(t.Context(), test.q)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got []string
			for _, a := range list.Data {
				got = append(got, fmt.Sprintf("%s.%s.%d", strings.TrimPrefix(a.EventID, "evt_"), strings.TrimPrefix(a.WebhookID, "wh_"), a.Attempt))
			}
			if !sameAsSet(got, strings.Fields(test.want)) {
				t.Errorf("%s: %v, want %s", name, got, test.want)
			}
		}
	})
}

// attemptFilters are the ways of asking, with what is to come: event.webhook.attempt, newest first.
func attemptFilters(first, second story) map[string]attemptFilter {
	return map[string]attemptFilter{
		"all":               {AttemptQuery{}, "2.1.4 2.1.3 2.1.2 2.2.2 2.1.1 2.2.1 1.1.2 1.1.1 1.2.1"},
		"webhook":           {AttemptQuery{WebhookIDs: []string{"wh_2"}}, "2.2.2 2.2.1 1.2.1"},
		"webhooks":          {AttemptQuery{WebhookIDs: []string{"wh_2", "wh_9"}}, "2.2.2 2.2.1 1.2.1"},
		"failed":            {AttemptQuery{Statuses: []event.Status{event.Failed}}, "2.1.3 2.1.2 2.2.2 2.1.1 1.1.1 1.2.1"},
		"failed or not":     {AttemptQuery{Statuses: []event.Status{event.Failed, event.Succeeded}}, "2.1.4 2.1.3 2.1.2 2.2.2 2.1.1 2.2.1 1.1.2 1.1.1 1.2.1"},
		"odd status":        {AttemptQuery{Statuses: []event.Status{"x' OR ''='"}}, ""},
		"5xx":               {AttemptQuery{HTTPStatuses: []StatusRange{{500, 599}}}, "2.1.2 1.1.1"},
		"5xx or 404":        {AttemptQuery{HTTPStatuses: []StatusRange{{500, 599}, {404, 404}}}, "2.1.2 1.1.1 1.2.1"},
		"timeout":           {AttemptQuery{Errors: []event.ErrorCode{event.ErrTimeout}}, "2.1.1"},
		"errors":            {AttemptQuery{Errors: []event.ErrorCode{event.ErrTimeout, event.ErrConnectionRefused}}, "2.2.2 2.1.1"},
		"retries":           {AttemptQuery{Triggers: []event.Trigger{event.TriggerRetry}}, "2.1.3 2.1.2 2.2.2 1.1.2"},
		"resends":           {AttemptQuery{Triggers: []event.Trigger{event.TriggerResend}}, "2.1.4"},
		"event type":        {AttemptQuery{Events: []string{"SessionStarted"}}, "1.1.2 1.1.1 1.2.1"},
		"event id":          {AttemptQuery{EventIDs: []string{"evt_1"}}, "1.1.2 1.1.1 1.2.1"},
		"session":           {AttemptQuery{SessionIDs: []string{"s2"}}, "2.1.4 2.1.3 2.1.2 2.2.2 2.1.1 2.2.1"},
		"session and event": {AttemptQuery{SessionIDs: []string{"s2"}, EventIDs: []string{"evt_1"}}, ""},
		"delivery":          {AttemptQuery{DeliveryIDs: []string{first.occurrence().DeliveryID("wh_1")}}, "1.1.2 1.1.1"},
		"since":             {AttemptQuery{Since: second.at.Add(2 * time.Second)}, "2.1.4 2.1.3 2.1.2 2.2.2"},
		"until":             {AttemptQuery{Until: first.at.Add(6 * time.Second)}, "1.1.1 1.2.1"},
		"all at once": {AttemptQuery{
			WebhookIDs: []string{"wh_1"}, Statuses: []event.Status{event.Failed}, HTTPStatuses: []StatusRange{{500, 599}},
			Events: []string{"ConversationComplete"}, SessionIDs: []string{"s2"}, Triggers: []event.Trigger{event.TriggerRetry},
			Since: second.at, Until: now,
		}, "2.1.2"},
		"nobody": {AttemptQuery{WorkspaceID: "ws_c"}, ""},
	}
}

type attemptFilter struct {
	q    AttemptQuery
	want string
}

// sameAsSet compares without order, which TestFoldIsCommutative holds: attempts of one millisecond are in that of their ids.
func sameAsSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestDeliveryFilters(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		var records []Record
		for i := range 6 {
			st := story{eventID: fmt.Sprintf("evt_%d", i), session: fmt.Sprintf("s%d", i%2), offset: i, at: now.Add(time.Duration(i-10) * time.Minute)}
			records = append(records, history(st.event(1, "wh_1", "wh_2")))
			if i < 2 {
				records = append(records, history(st.attempt("wh_1", 1, 200, time.Second)))
			}
			if i == 3 {
				records = append(records, history(st.delivery("wh_1", event.Failed, event.CauseExpired, time.Hour)))
			}
		}
		fold(t, s, records...)
		for name, test := range map[string]struct {
			q    DeliveryQuery
			want string // event.webhook
		}{
			"webhook":   {DeliveryQuery{WebhookIDs: []string{"wh_1"}}, "5.1 4.1 3.1 2.1 1.1 0.1"},
			"succeeded": {DeliveryQuery{Statuses: []event.Status{event.Succeeded}}, "1.1 0.1"},
			"ended":     {DeliveryQuery{Statuses: []event.Status{event.Succeeded, event.Failed}}, "3.1 1.1 0.1"},
			"pending":   {DeliveryQuery{Statuses: []event.Status{event.Pending}, WebhookIDs: []string{"wh_1"}}, "5.1 4.1 2.1"},
			"session":   {DeliveryQuery{SessionIDs: []string{"s1"}, WebhookIDs: []string{"wh_1"}}, "5.1 3.1 1.1"},
			"event id":  {DeliveryQuery{EventIDs: []string{"evt_4"}}, "4.1 4.2"},
			"since":     {DeliveryQuery{Since: now.Add(-6 * time.Minute)}, "5.1 5.2 4.1 4.2"},
			"until":     {DeliveryQuery{Until: now.Add(-9 * time.Minute)}, "0.1 0.2"},
			"id":        {DeliveryQuery{DeliveryIDs: []string{story{offset: 2, at: now.Add(-8 * time.Minute)}.occurrence().DeliveryID("wh_2")}}, "2.2"},
		} {
			test.q.WorkspaceID = "ws_a"
			list, err := s.Deliveries(t.Context(), test.q)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got []string
			for _, d := range list.Data {
				got = append(got, strings.TrimPrefix(d.EventID, "evt_")+"."+strings.TrimPrefix(d.WebhookID, "wh_"))
			}
			if !sameAsSet(got, strings.Fields(test.want)) {
				t.Errorf("%s: %v, want %s", name, got, test.want)
			}
			if !slices.IsSortedFunc(list.Data, func(a, b Delivery) int { return strings.Compare(b.ID, a.ID) }) {
				t.Errorf("%s: not newest first", name)
			}
		}
	})
}

func TestAttemptWhole(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		st := story{}
		r := st.attempt("wh_1", 1, 500, time.Second)
		r.Response = event.Response{
			Headers: []event.Header{{"X-Hostile", "\x00\u2028<script>"}}, Body: event.Text("<b>\x00no</b>"), Truncated: true, Size: 70000,
		}
		r.Request.BodySHA256, r.ConnectionReused = event.Digest{7}, true
		fold(t, s, history(st.event(1, "wh_1")), history(r), st.payload())
		got, err := s.Attempt(t.Context(), "ws_a", r.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := &AttemptDetail{
			Attempt: got.Attempt, Source: r.Source, EventTimestamp: r.EventTimestamp, Request: r.Request,
			Payload: Payload{st.payload().Payload, PayloadKept}, Response: r.Response, Timing: r.Timing, ConnectionReused: true,
		}
		if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("attempt (-want +got):\n%s", diff)
		}
		list, err := s.Attempts(t.Context(), AttemptQuery{WorkspaceID: "ws_a", Preview: 6})
		if err != nil {
			t.Fatal(err)
		}
		a := list.Data[0]
		if string(a.ResponsePreview) != "<b>\x00no" || string(a.RequestPreview) != `{"id":` || a.ResponseSize != 70000 {
			t.Errorf("previews %q and %q of %d bytes", a.RequestPreview, a.ResponsePreview, a.ResponseSize)
		}
		d, err := s.Delivery(t.Context(), "ws_a", r.DeliveryID)
		if err != nil || len(d.History) != 1 || d.History[0].ID != r.ID || d.Attempts != 1 || !d.NextAttemptAt.Equal(r.NextAttemptAt) {
			t.Errorf("delivery %+v, %v", d, err)
		}
	})
}

// TestForeign asks for what belongs to another workspace, and for what does not exist: the same answer.
func TestForeign(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		st := story{}
		r := st.attempt("wh_1", 1, 200, 0)
		fold(t, s, history(st.event(1, "wh_1")), history(r), st.payload())
		ctx := t.Context()
		for _, ws := range []string{"ws_b", "", "ws_a\x00", "WS_A", "%"} {
			_, e1 := s.Attempt(ctx, ws, r.ID)
			_, e2 := s.Delivery(ctx, ws, r.DeliveryID)
			_, e3 := s.Event(ctx, ws, r.EventID)
			_, e4 := s.Payload(ctx, ws, r.Occurrence)
			for _, err := range []error{e1, e2, e3, e4} {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("workspace %q: %v", ws, err)
				}
			}
			health, err := healthOf(ctx, s, ws, "wh_1")
			if err != nil || len(health) != 0 {
				t.Errorf("workspace %q: health %v, %v", ws, health, err)
			}
			buckets, err := s.Stats(ctx, StatsQuery{WorkspaceID: ws, Since: now.Add(-2 * time.Hour), Step: time.Hour})
			if err != nil || len(buckets) != 0 {
				t.Errorf("workspace %q: stats %v, %v", ws, buckets, err)
			}
		}
		for _, id := range []string{"", "att_none", r.ID + "\x00", "\xff"} {
			if _, err := s.Attempt(ctx, "ws_a", id); !errors.Is(err, ErrNotFound) {
				t.Errorf("attempt %q: %v", id, err)
			}
		}
	})
}

// TestEventPublishedTwice shows one id with two occurrences, of which the second was taken for a duplicate.
func TestEventPublishedTwice(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		first := story{offset: 1, at: now.Add(-time.Hour)}
		second := story{offset: 2, at: now.Add(-59 * time.Minute)}
		again := second.event(1)
		again.Reason = event.MissDuplicate
		again.Unmatched = []event.Miss{{WebhookID: "wh_1", Reason: event.MissDuplicate}}
		original := first.event(1, "wh_1")
		original.Unmatched = []event.Miss{{WebhookID: "wh_2", Reason: event.MissFilter}}
		fold(t, s, history(again), history(original), first.payload())
		e, err := s.Event(t.Context(), "ws_a", "evt_1")
		if err != nil {
			t.Fatal(err)
		}
		wantMisses := []Miss{{"wh_2", event.MissFilter, original.Occurrence}, {"wh_1", event.MissDuplicate, again.Occurrence}}
		if e.Occurrence != original.Occurrence || len(e.Repeats) != 1 || e.Repeats[0].Reason != event.MissDuplicate ||
			len(e.Deliveries) != 1 || !slices.Equal(e.Misses, wantMisses) || e.Payload.State != PayloadKept {
			t.Errorf("event %+v", e)
		}
	})
}

func TestParseStatusRange(t *testing.T) {
	for s, want := range map[string]StatusRange{"500": {500, 500}, "5xx": {500, 599}, "100": {100, 100}, "999": {999, 999}, "2xx": {200, 299}} {
		if got, ok := ParseStatusRange(s); !ok || got != want {
			t.Errorf("%s: %v, %t", s, got, ok)
		}
	}
	for _, s := range []string{"", "5", "50", "5x", "xxx", "0xx", "099", "5xX", "+50", "5000", "50x", "٥xx"} {
		if got, ok := ParseStatusRange(s); ok {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}
