package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/pkg/event"
)

func TestStats(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		base := now.Add(-2 * time.Hour) // 10:00
		st := func(i int, after time.Duration) story {
			return story{eventID: fmt.Sprint("evt_", i), offset: i, at: base.Add(after)}
		}
		test := st(9, time.Minute).attempt("wh_1", 1, 500, 0)
		test.Trigger = event.TriggerTest
		fold(t, s,
			history(st(1, time.Minute).attempt("wh_1", 1, 200, 0)), history(st(2, 2*time.Minute).attempt("wh_1", 1, 200, 0)),
			history(st(3, 59*time.Minute).attempt("wh_1", 1, 500, 0)), history(st(4, 61*time.Minute).attempt("wh_1", 1, 500, 0)),
			history(st(5, 61*time.Minute).attempt("wh_2", 1, 200, 0)), history(st(6, -time.Second).attempt("wh_1", 1, 200, 0)),
			history(test),
		)
		got, err := s.Stats(t.Context(), StatsQuery{WorkspaceID: "ws_a", Since: base, Step: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		want := []Bucket{
			{"wh_1", base, 2, 1, 2}, // pending: the one to be tried again, and the test
			{"wh_1", base.Add(time.Hour), 0, 1, 1},
			{"wh_2", base.Add(time.Hour), 1, 0, 0},
		}
		if !slices.Equal(got, want) {
			t.Errorf("stats\n%v, want\n%v", got, want)
		}
		one, err := s.Stats(t.Context(), StatsQuery{
			WorkspaceID: "ws_a", WebhookIDs: []string{"wh_2"}, Since: base, Until: base.Add(90 * time.Minute), Step: 30 * time.Minute,
		})
		if err != nil || !slices.Equal(one, []Bucket{{"wh_2", base.Add(time.Hour), 1, 0, 0}}) {
			t.Errorf("stats of one webhook %v, %v", one, err)
		}
		for _, q := range []StatsQuery{
			{WorkspaceID: "ws_a", Since: base}, {WorkspaceID: "ws_a", Since: base, Step: time.Millisecond},
			{WorkspaceID: "ws_a", Since: now, Until: base, Step: time.Hour}, {WorkspaceID: "ws_a", Since: base, Step: -time.Hour},
		} {
			if _, err := s.Stats(t.Context(), q); !errors.Is(err, ErrQuery) {
				t.Errorf("%+v: %v", q, err)
			}
		}
	})
}

func TestFailing(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		day := 24 * time.Hour
		st := func(i int, ago time.Duration) story {
			return story{eventID: fmt.Sprint("evt_", i), offset: i, at: now.Add(-ago)}
		}
		test := st(9, time.Minute).attempt("wh_long", 1, 200, 0)
		test.Trigger = event.TriggerTest // a test that succeeds proves nothing
		fold(t, s,
			history(st(1, 8*day).attempt("wh_long", 1, 200, 0)), history(st(2, 6*day).attempt("wh_long", 1, 500, 0)),
			history(st(3, day).attempt("wh_long", 1, 0, 0)), history(test),
			history(st(4, 6*day).attempt("wh_well", 1, 500, 0)), history(st(5, day).attempt("wh_well", 1, 200, 0)),
			history(st(6, 9*day).attempt("wh_new", 1, 200, 0)), history(st(7, 2*day).attempt("wh_new", 1, 500, 0)),
			history(st(8, 7*day).attempt("wh_never", 1, 500, 0)),
		)
		failing := func(after Touched) (got []string) {
			t.Helper()
			for {
				list, err := s.Failing(t.Context(), after, 2)
				if err != nil {
					t.Fatal(err)
				}
				if len(list) == 0 {
					return got
				}
				for _, one := range list {
					got = append(got, one.WebhookID)
				}
				after = list[len(list)-1]
			}
		}
		if got, want := failing(Touched{}), []string{"wh_long", "wh_never", "wh_new"}; !slices.Equal(got, want) {
			t.Errorf("failing %v, want %v", got, want)
		}
		if got := failing(Touched{At: now}); len(got) != 3 {
			t.Errorf("failing since the fold %v, want all", got)
		}
		if got := failing(Touched{At: now.Add(time.Millisecond)}); len(got) != 0 {
			t.Errorf("failing since after the fold %v", got)
		}
		if _, err := s.Failing(t.Context(), Touched{}, 0); !errors.Is(err, ErrQuery) {
			t.Errorf("no limit: %v", err)
		}
		asked := func(id string, from time.Duration) Asked {
			return Asked{WorkspaceID: "ws_a", WebhookID: id, Run: true, From: now.Add(from)}
		}
		health, err := s.Health(t.Context(), []Asked{
			asked("wh_unknown", -time.Hour), asked("wh_well", -9*day), asked("wh_long", -9*day), asked("wh_long", -2*day),
			asked("wh_long", -day), {WorkspaceID: "ws_b", WebhookID: "wh_long", Run: true},
			{WorkspaceID: "ws_a", WebhookID: "wh_never", Run: true}, {WorkspaceID: "ws_a", WebhookID: "wh_long"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, ago := range []time.Duration{0, 0, 6 * day, day, 0, 0, 7 * day, 0} {
			want := time.Time{}
			if ago != 0 {
				want = now.Add(-ago)
			}
			if !health[i].FailingSince.Equal(want) {
				t.Errorf("health %d: %+v, want failing since %v", i, health[i], want)
			}
		}
		if health[0] != (Health{}) || health[5] != (Health{}) || !health[2].LastSuccess.Equal(now.Add(-8*day)) ||
			!health[2].LastFailure.Equal(now.Add(-day)) || !health[7].LastFailure.Equal(now.Add(-day)) {
			t.Errorf("health %+v", health)
		}
	})
}

func TestMissed(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		fold(t, s, missedRecords()...)
		q := RecoveryQuery{WorkspaceID: "ws_a", WebhookID: "wh_1", Since: now.Add(-19 * time.Minute), Limit: 2,
			Statuses: []event.Status{event.Failed, event.Cancelled}, Disabled: true}
		ask := func(q RecoveryQuery) string {
			t.Helper()
			var got []string
			n, bytes, err := s.CountMissed(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for {
				part, err := s.Missed(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if len(part) == 0 {
					break
				}
				for _, m := range part {
					if (m.DeliveryID == "") != (m.Status == "") {
						t.Errorf("missed %+v", m)
					}
					got = append(got, strings.TrimPrefix(m.EventID, "evt_")+string(m.Status))
				}
				q.After = part[len(part)-1].Occurrence
			}
			if n != len(got) || bytes != int64(n*len(story{}.payload().Payload)) {
				t.Errorf("counted %d of %d bytes, got %v", n, bytes, got)
			}
			return strings.Join(got, " ")
		}
		if got, want := ask(q), "1cancelled 2 4failed 5cancelled 6 9cancelled 10"; got != want {
			t.Errorf("missed %q, want %q", got, want)
		}
		q.Disabled, q.Statuses, q.Until = false, []event.Status{event.Failed}, now.Add(-15*time.Minute)
		if got, want := ask(q), "4failed"; got != want {
			t.Errorf("missed %q, want %q", got, want)
		}
		q.WebhookID = "wh_9"
		if got := ask(q); got != "" {
			t.Errorf("another webhook missed %q", got)
		}
		if _, err := s.Missed(t.Context(), RecoveryQuery{WorkspaceID: "ws_a"}); !errors.Is(err, ErrQuery) {
			t.Errorf("no limit: %v", err)
		}
	})
}

// missedRecords are those of twelve events, one a minute: in turn failed, cancelled, kept back by the disabled webhook, and
// pending.
func missedRecords() []Record {
	var records []Record
	for i := range 12 {
		st := story{eventID: fmt.Sprint("evt_", i), offset: i, at: now.Add(time.Duration(i-20) * time.Minute)}
		ev := st.event(1, "wh_1", "wh_2")
		switch {
		case i%4 == 0:
			records = append(records, history(st.delivery("wh_1", event.Failed, event.CauseExpired, time.Minute)))
		case i%4 == 1:
			records = append(records, history(st.delivery("wh_1", event.Cancelled, event.CauseDisabled, time.Minute)))
		case i%4 == 2:
			ev = st.event(1, "wh_2")
			ev.Unmatched = []event.Miss{{WebhookID: "wh_10", Reason: event.MissFilter}, {WebhookID: "wh_1", Reason: event.MissDisabled}}
		}
		records = append(records, history(ev))
		if i != 8 { // its payload is gone
			records = append(records, st.payload())
		}
	}
	return records
}

// TestPrune deletes what is too old, and only that; more than one statement takes.
func TestPrune(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		day := 24 * time.Hour
		old, mid, young := story{eventID: "evt_old", at: now.Add(-31 * day)}, story{eventID: "evt_mid", offset: 1, at: now.Add(-15 * day)}, story{eventID: "evt_young", offset: 2, at: now.Add(-13 * day)}
		for _, st := range []story{old, mid, young} {
			fold(t, s, history(st.event(1, "wh_1")), history(st.attempt("wh_1", 1, 200, 0)),
				Record{Occurrence: st.occurrence(), Payload: []byte("{}")})
		}
		p, err := s.Payload(t.Context(), "ws_a", mid.occurrence())
		if err != nil || p.State != PayloadGone {
			t.Errorf("a payload after its retention was folded: %s, %v", p.State, err)
		}
		var records []Record
		for i := range pruneRows + 5 {
			records = append(records, history(story{eventID: "evt_x", offset: 10 + i, at: now.Add(-40 * day)}.attempt("wh_1", 1, 200, 0)))
		}
		fold(t, s, records...)
		fold(t, s, history(&event.WebhookRecord{WorkspaceID: "ws_a", WebhookID: "wh_1", Epoch: 1, Cause: event.CauseDeleted, At: now.Add(-33 * day)}),
			history(&event.WebhookRecord{WorkspaceID: "ws_a", WebhookID: "wh_1", Epoch: 2, Cause: event.CauseDeleted, At: now.Add(-31 * day)}))
		got, err := s.Prune(t.Context())
		if want := (Pruned{Events: 1, Deliveries: pruneRows + 6, Attempts: pruneRows + 6, Rules: 1}); err != nil || got != want {
			t.Errorf("pruned %+v, %v; want %+v", got, err, want)
		}
		if got, err := s.Prune(t.Context()); err != nil || got != (Pruned{}) {
			t.Errorf("pruned again %+v, %v", got, err)
		}
		if _, err := s.Event(t.Context(), "ws_a", "evt_old"); !errors.Is(err, ErrNotFound) {
			t.Errorf("old event: %v", err)
		}
		for _, st := range []story{mid, young} {
			if e, err := s.Event(t.Context(), "ws_a", st.eventID); err != nil || len(e.Deliveries) != 1 {
				t.Errorf("%s: %+v, %v", st.eventID, e, err)
			}
		}
	})
}

func TestJanitor(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		fold(t, s, history(story{at: now.Add(-40 * 24 * time.Hour)}.event(1, "wh_1")))
		ctx, cancel := contextUntil(t, func() bool {
			_, err := s.Event(t.Context(), "ws_a", "evt_1")
			return errors.Is(err, ErrNotFound)
		})
		defer cancel()
		if err := NewJanitor(s, time.Hour, zap.NewNop()).Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{{}, {History: time.Minute}, {History: time.Hour, Payloads: -1}, {History: time.Hour, Payloads: 2 * time.Hour}} {
		if _, err := New(nil, c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
