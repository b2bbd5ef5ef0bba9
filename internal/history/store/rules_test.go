package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

// stateOf reads a delivery's status and cause.
func stateOf(t *testing.T, s *Store, st story, webhook string) string {
	t.Helper()
	st = st.filled()
	d, err := s.Delivery(t.Context(), st.workspace, st.occurrence().DeliveryID(webhook))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(d.Status)+" "+string(d.Cause), " ")
}

func wantState(t *testing.T, s *Store, st story, webhook, want string) {
	t.Helper()
	if got := stateOf(t, s, st, webhook); got != want {
		t.Errorf("delivery of %s to %s is %q, want %q", st.filled().eventID, webhook, got, want)
	}
}

// TestDisabledWebhook: what is pending is cancelled at once, what arrives late too, what was revived is not.
func TestDisabledWebhook(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		pendingOne, retried, done := story{eventID: "evt_1", offset: 1}, story{eventID: "evt_2", offset: 2}, story{eventID: "evt_3", offset: 3}
		late, revived, newer := story{eventID: "evt_4", offset: 4}, story{eventID: "evt_5", offset: 5}, story{eventID: "evt_6", offset: 6}
		fold(t, s, history(pendingOne.event(1, "wh_1", "wh_2")), history(retried.attempt("wh_1", 1, 500, 0)),
			history(done.attempt("wh_1", 1, 200, 0)))
		fold(t, s, history(&event.WebhookRecord{WorkspaceID: "ws_a", WebhookID: "wh_1", Epoch: 1, Cause: event.CauseDisabled, At: now}))
		again := revived.delivery("wh_1", event.Pending, event.CauseRecovery, time.Minute)
		again.Epoch, again.Chain = 1, 2
		enabled := newer.event(1)
		enabled.Matched = []event.Match{{WebhookID: "wh_1", DeliveryID: enabled.Occurrence.DeliveryID("wh_1"), Epoch: 1}}
		fold(t, s, history(late.event(1, "wh_1")), history(revived.event(1, "wh_1")), history(again), history(enabled))

		wantState(t, s, pendingOne, "wh_1", "cancelled disabled")
		wantState(t, s, pendingOne, "wh_2", "pending")
		wantState(t, s, retried, "wh_1", "cancelled disabled")
		wantState(t, s, done, "wh_1", "succeeded")
		wantState(t, s, late, "wh_1", "cancelled disabled")
		wantState(t, s, revived, "wh_1", "pending recovery")
		wantState(t, s, newer, "wh_1", "pending")

		fold(t, s, history(&event.WebhookRecord{WorkspaceID: "ws_a", WebhookID: "wh_1", Epoch: 2, Cause: event.CauseDeleted, At: now}))
		wantState(t, s, pendingOne, "wh_1", "cancelled disabled") // the first reason stays
		wantState(t, s, revived, "wh_1", "cancelled deleted")
		wantState(t, s, newer, "wh_1", "cancelled deleted")
		// A request that was under way when it was disabled tells of a success.
		fold(t, s, history(retried.attempt("wh_1", 2, 200, time.Second)))
		wantState(t, s, retried, "wh_1", "succeeded")
	})
}

// TestSweepIsWhole disables a webhook with more pending deliveries than are looked at in one step.
func TestSweepIsWhole(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		const n = sweepRows + 7
		var records []Record
		for i := range n {
			records = append(records, history(story{eventID: fmt.Sprint("evt_", i), session: "busy", offset: i}.event(1, "wh_1", "wh_2")), story{offset: i}.payload())
		}
		fold(t, s, records...)
		fold(t, s, history(&event.WebhookRecord{WorkspaceID: "ws_a", WebhookID: "wh_1", Epoch: 1, Cause: event.CauseDeleted, At: now}))
		count := func(query string) (n int) {
			if err := s.db.QueryRow(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if got := count("SELECT count(*) FROM history_deliveries WHERE status = 'cancelled' AND cause = 'deleted' AND webhook_id = 'wh_1'"); got != n {
			t.Errorf("%d of %d cancelled", got, n)
		}
		fold(t, s, history(&event.ErasureRecord{ID: "era_1", WorkspaceID: "ws_a", SessionID: "busy", At: now}))
		if got := count("SELECT count(*) FROM history_deliveries WHERE status = 'cancelled' AND cause = 'erased'"); got != 2*n {
			t.Errorf("%d of %d cancelled by the erasure", got, 2*n)
		}
		if got := count("SELECT count(*) FROM history_payloads WHERE erased = 0"); got != 0 {
			t.Errorf("%d payloads left", got)
		}
	})
}

// TestErasure: the payload is gone and does not come back; what was published later stays.
func TestErasure(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		before, after := story{offset: 1, at: now.Add(-time.Hour)}, story{offset: 2, at: now.Add(-time.Minute)}
		erasure := history(&event.ErasureRecord{ID: "era_1", WorkspaceID: "ws_a", EventID: "evt_1", At: now.Add(-30 * time.Minute)})
		fold(t, s, history(before.event(1, "wh_1")), before.payload(), history(before.attempt("wh_1", 1, 500, 0)))
		fold(t, s, erasure)
		fold(t, s, before.payload(), history(before.event(2, "wh_1")), history(after.event(1, "wh_1")), after.payload())
		for st, want := range map[story]PayloadState{before: PayloadErased, after: PayloadKept} {
			p, err := s.Payload(t.Context(), "ws_a", st.occurrence())
			if err != nil || p.State != want || (len(p.Body) > 0) != (want == PayloadKept) {
				t.Errorf("payload is %q %s, %v; want %s", p.Body, p.State, err, want)
			}
		}
		wantState(t, s, before, "wh_1", "cancelled erased")
		wantState(t, s, after, "wh_1", "pending")
		e, err := s.Event(t.Context(), "ws_a", "evt_1")
		if err != nil || !e.ErasedAt.Equal(now.Add(-30*time.Minute)) || !e.Repeats[0].ErasedAt.IsZero() {
			t.Errorf("event %+v, %v", e, err)
		}
	})
}

// TestHostileText stores what PostgreSQL's text does not take, and finds it again.
func TestHostileText(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		long := strings.Repeat("ß", 5000)
		for i, session := range []string{"a\x00b", "\xff\xfe", long + "1", long + "2", "'; DROP TABLE history_events; --", "{\"\":?}"} {
			st := story{eventID: fmt.Sprint("evt_", i), session: session, offset: i}
			r := st.attempt("wh_1", 1, 0, 0)
			r.ErrorDetail, r.EventTimestamp = "\x00\xff", "\x00"
			r.Request.URL = "https://\xff/\x00"
			fold(t, s, history(st.event(1, "wh_1")), history(r))
			for name, list := range map[string]func() (int, error){
				"events": func() (int, error) {
					l, err := s.Events(t.Context(), EventQuery{WorkspaceID: "ws_a", SessionIDs: []string{session}})
					return len(l.Data), err
				},
				"attempts": func() (int, error) {
					l, err := s.Attempts(t.Context(), AttemptQuery{WorkspaceID: "ws_a", SessionIDs: []string{session}})
					return len(l.Data), err
				},
			} {
				if n, err := list(); n != 1 || err != nil {
					t.Errorf("session %d: %d %s, %v", i, n, name, err)
				}
			}
			if _, err := s.Attempt(t.Context(), "ws_a", r.ID); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRefused gives the database what it cannot take: the error says so, and nothing of the batch is stored.
func TestRefused(t *testing.T) {
	s := open(t, "sqlite::memory:") // PostgreSQL's own limits are tested below
	type future struct{ *event.EventRecord }
	err := s.Fold(t.Context(), []Record{history(story{}.event(1)), history(future{story{}.event(2)})})
	if !Refused(err) {
		t.Errorf("unknown record: %v", err)
	}
	p := open(t, testenv.Postgres(t))
	huge := story{}.event(1)
	huge.EventID = randomText(9000) // longer than an index entry may be
	err = p.Fold(t.Context(), []Record{history(story{offset: 1}.event(1)), history(huge)})
	if !Refused(err) {
		t.Errorf("huge id: %v", err)
	}
	list, listErr := p.Events(t.Context(), EventQuery{WorkspaceID: "ws_a"})
	if listErr != nil || len(list.Data) != 0 {
		t.Errorf("%d events stored, %v", len(list.Data), listErr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Fold(ctx, []Record{history(story{}.event(1))}); err == nil || Refused(err) {
		t.Errorf("ended: %v", err)
	}
}

// TestRaced: a row that another one wrote after it was loaded is not written over.
func TestRaced(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		st := story{}
		fold(t, s, history(st.event(1, "wh_1")))
		b, err := newBatch([]Record{history(st.event(2, "wh_1"))}, now, 0)
		if err != nil {
			t.Fatal(err)
		}
		stale := func(write func(f *folding) error) {
			err := s.db.Tx(t.Context(), func(tx *sqldb.Tx) error { return write(newFolding(tx, b)) })
			if !errors.Is(err, errRaced) {
				t.Errorf("got %v, want errRaced", err)
			}
		}
		stale(func(f *folding) error {
			return f.writeEvents(t.Context(), []eventRow{*b.events[st.occurrence().String()]})
		})
		stale(func(f *folding) error {
			row := *b.deliveries[st.occurrence().DeliveryID("wh_1")]
			return f.settle(t.Context(), []*deliveryRow{&row}, nil)
		})
		if e, err := s.Event(t.Context(), "ws_a", "evt_1"); err != nil || !e.ReceivedAt.Equal(st.event(1).ReceivedAt) {
			t.Errorf("event %+v, %v", e, err)
		}
	})
}

// TestLargeFanOut folds an event of more webhooks than one statement carries.
func TestLargeFanOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ids := make([]string, maxRows+100)
		for i := range ids {
			ids[i] = fmt.Sprintf("wh_%05d", i)
		}
		st := story{}
		fold(t, s, history(st.event(1, ids...)))
		fold(t, s, history(st.event(2, ids[100:]...)))
		wantState(t, s, st, ids[0], "cancelled superseded")
		wantState(t, s, st, ids[len(ids)-1], "pending")
		e, err := s.Event(t.Context(), "ws_a", "evt_1")
		if err != nil || e.Matched != maxRows || len(e.Deliveries) != maxDeliveries {
			t.Errorf("%d matched, %d deliveries shown, %v", e.Matched, len(e.Deliveries), err)
		}
	})
}
