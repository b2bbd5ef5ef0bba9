package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the tests' clock: what they fold happened around it.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// onEach runs the test on each database: the conformance suite is all tests that go through here.
func onEach(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, "sqlite::memory:"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, testenv.Postgres(t)))
	})
}

func open(tb testing.TB, url string) *Store {
	tb.Helper()
	db, err := sqldb.Open(tb.Context(), url, sqldb.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := db.Migrate(tb.Context(), Migrations()); err != nil {
		tb.Fatal(err)
	}
	s, err := New(db, Config{
		History: 30 * 24 * time.Hour, Payloads: 14 * 24 * time.Hour, Now: func() time.Time { return now },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func fold(tb testing.TB, s *Store, records ...Record) {
	tb.Helper()
	if err := s.Fold(tb.Context(), records); err != nil {
		tb.Fatal(err)
	}
}

// occurrence returns the i-th occurrence of a workspace, recorded at t.
func occurrence(workspace string, i int, t time.Time) event.Occurrence {
	return event.Meta{Topic: "events", Offset: int64(i), Time: t}.Occurrence(workspace)
}

// story makes the records of one event of a workspace. Its zero fields are filled with what a plain event has.
type story struct {
	workspace, eventID, session, kind string
	at                                time.Time
	offset                            int
}

func (s story) filled() story {
	s.workspace = cmp.Or(s.workspace, "ws_a")
	s.eventID = cmp.Or(s.eventID, "evt_1")
	s.session = cmp.Or(s.session, "session-1")
	s.kind = cmp.Or(s.kind, "ConversationComplete")
	if s.at.IsZero() {
		s.at = now.Add(-time.Hour)
	}
	return s
}

func (s story) occurrence() event.Occurrence {
	s = s.filled()
	return occurrence(s.workspace, s.offset, s.at)
}

func (s story) source() event.Source { return event.Source{Topic: "events", Offset: int64(s.offset)} }

// event is the record of the story's event: matched by webhooks.
func (s story) event(generation int64, webhooks ...string) *event.EventRecord {
	s = s.filled()
	r := &event.EventRecord{
		EventID: s.eventID, Event: s.kind, WorkspaceID: s.workspace, SessionID: s.session, Occurrence: s.occurrence(),
		Timestamp: event.FormatTime(s.at), RecordTimestamp: s.at, ReceivedAt: s.at.Add(time.Duration(generation) * time.Second),
		Source: s.source(), Generation: generation, BodySize: 11, BodySHA256: event.Digest{1, 2},
	}
	for _, id := range webhooks {
		r.Matched = append(r.Matched, event.Match{WebhookID: id, DeliveryID: r.Occurrence.DeliveryID(id)})
	}
	return r
}

// attempt is a request for the story's event to a webhook that was answered by status (0: timeout), after the given
// time. A failed one is tried again 5 s later.
func (s story) attempt(webhook string, n, status int, after time.Duration) *event.AttemptRecord {
	s = s.filled()
	o := s.occurrence()
	r := &event.AttemptRecord{
		ID: o.AttemptID(webhook, 1, n), DeliveryID: o.DeliveryID(webhook), WebhookID: webhook, WorkspaceID: s.workspace,
		EventID: s.eventID, Event: s.kind, SessionID: s.session, Occurrence: o, Source: s.source(),
		EventTimestamp: event.FormatTime(s.at), Chain: 1, Attempt: n, Trigger: event.TriggerEvent,
		Timestamp: s.at.Add(after), Duration: event.Millis(182041 * time.Microsecond),
		Status: event.Failed, HTTPStatus: status, DeliveryStatus: event.Pending,
		Request: event.Request{
			URL: "https://crm.example/hook", Headers: []event.Header{{"Content-Type", "application/json"}}, BodySize: 11,
		},
		Timing: event.Timing{Wait: event.Millis(180 * time.Millisecond)},
	}
	if n > 1 {
		r.Trigger = event.TriggerRetry
	}
	switch {
	case status == 0:
		r.Error, r.ErrorDetail = event.ErrTimeout, "no answer in 5 s"
	case status < 300:
		r.Status, r.DeliveryStatus = event.Succeeded, event.Succeeded
	}
	if status != 0 {
		r.Response = event.Response{
			Headers: []event.Header{{"Server", "test"}}, Body: event.Text(`{"answer":true}`), Size: 15,
		}
	}
	if r.Status == event.Failed {
		r.NextAttemptAt = r.Timestamp.Add(5 * time.Second)
	}
	return r
}

// delivery is a statement about the story's delivery to a webhook.
func (s story) delivery(webhook string, status event.Status, cause event.Cause, after time.Duration) *event.DeliveryRecord {
	s = s.filled()
	o := s.occurrence()
	r := &event.DeliveryRecord{
		DeliveryID: o.DeliveryID(webhook), WebhookID: webhook, WorkspaceID: s.workspace, EventID: s.eventID,
		Event: s.kind, SessionID: s.session, Occurrence: o, Source: s.source(), EventTimestamp: event.FormatTime(s.at),
		Chain: 1, Status: status, Cause: cause, At: s.at.Add(after),
	}
	if status == event.Pending {
		r.NextAttemptAt = r.At.Add(time.Minute)
	}
	return r
}

func (s story) payload() Record {
	return Record{Occurrence: s.occurrence(), Payload: []byte(`{"id":"…"}`)}
}

func history(r event.Record) Record { return Record{History: r} }

// contextUntil returns a context that ends when the condition holds, and fails the test when it does not in 30 s.
func contextUntil(t *testing.T, holds func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("did not happen"))
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil && !holds() {
			time.Sleep(time.Millisecond) // the other side is a database: there is nothing to wait on
		}
		if errors.Is(context.Cause(ctx), context.Canceled) || ctx.Err() == nil {
			cancel()
			return
		}
		t.Error(context.Cause(ctx))
	})
	t.Cleanup(watching.Wait)
	return ctx, cancel
}

// randomText returns n characters that no compression makes shorter.
func randomText(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// healthOf is the health of those of a workspace's webhooks that have had an attempt, by id.
func healthOf(ctx context.Context, s *Store, workspace string, webhooks ...string) (map[string]Health, error) {
	asked := make([]Asked, len(webhooks))
	for i, id := range webhooks {
		asked[i] = Asked{WorkspaceID: workspace, WebhookID: id, Run: true}
	}
	list, err := s.Health(ctx, asked)
	byID := map[string]Health{}
	for _, h := range list {
		if h.WebhookID != "" {
			byID[h.WebhookID] = h
		}
	}
	return byID, err
}
