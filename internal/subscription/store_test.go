package subscription

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

const secretURL = "https://user:hunter2@example.com/hook?token=hunter2&b=1"

func TestCreateReadChangeDelete(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s := newTestStore(t, db, func(c *Config) { c.Now = clk.Now })
		ctx := t.Context()
		created := create(t, s, "ws", New{
			URL: secretURL, Description: "héllo\u2028", EventTypes: []string{"SessionStarted", "Conversation*", "SessionStarted"},
			MaxPerSecond: 2.5, Filter: "event == 'x'", Headers: []event.Header{{"X-Tenant", "hunter2"}},
		})
		want := Webhook{
			ID: created.Webhook.ID, WorkspaceID: "ws", URL: secretURL, Description: "héllo\u2028",
			EventTypes: []string{"SessionStarted", "Conversation*"}, Enabled: true, Health: HealthOK, MaxPerSecond: 2.5,
			Filter: "event == 'x'", Headers: []event.Header{{"X-Tenant", "***"}}, CreatedAt: clk.Now(), UpdatedAt: clk.Now(),
			Epoch: clk.Now().UnixMilli(), Version: 1,
		}
		got := must[Webhook](t)(s.Webhook(ctx, "ws", want.ID))
		if diff := cmp.Diff(want, got) + cmp.Diff(want, created.Webhook); diff != "" {
			t.Fatal(diff)
		}
		if !strings.HasPrefix(want.ID, "wh_") || !strings.HasPrefix(string(created.Secret), "whsec_") {
			t.Errorf("id %q, secret of %d", want.ID, len(string(created.Secret)))
		}

		clk.add(time.Second)
		off, url := false, "https://example.com/other"
		got = must[Webhook](t)(s.Update(ctx, someone, "ws", want.ID, Patch{Enabled: &off, URL: &url}, 1))
		want.Enabled, want.DisabledReason, want.URL, want.Version, want.UpdatedAt = false, DisabledByCustomer, url, 2, clk.Now()
		want.Epoch = clk.Now().UnixMilli()
		if diff := cmp.Diff(want, got) + cmp.Diff(want, must[Webhook](t)(s.Webhook(ctx, "ws", want.ID))); diff != "" {
			t.Fatal(diff)
		}
		_, err := s.Update(ctx, someone, "ws", want.ID, Patch{Enabled: &off}, 1)
		wantIs(t, "old version", err, ErrVersion)
		if got = must[Webhook](t)(s.Update(ctx, someone, "ws", want.ID, Patch{Enabled: &off}, 2)); got.Version != 2 {
			t.Errorf("a patch without effect raised the version to %d", got.Version)
		}
		if revealed := must[Secrets](t)(s.Reveal(ctx, someone, "ws", want.ID)); revealed.Current != created.Secret {
			t.Error("the secret is another one after a change")
		}

		clk.add(time.Second)
		_, err = s.Delete(ctx, someone, "ws", want.ID, 1)
		wantIs(t, "delete old version", err, ErrVersion)
		if gone := must[Webhook](t)(s.Delete(ctx, someone, "ws", want.ID, 2)); gone.Epoch <= want.Epoch || gone.URL != url {
			t.Errorf("deleted: epoch %d after %d, URL %s", gone.Epoch, want.Epoch, gone.URL)
		}
		_, err = s.Webhook(ctx, "ws", want.ID)
		wantIs(t, "read deleted", err, ErrNotFound)
		_, err = s.Delete(ctx, someone, "ws", want.ID, 0)
		wantIs(t, "delete twice", err, ErrNotFound)
		if n := must[Workspace](t)(s.Workspace(ctx, "ws")).Webhooks; n != 0 {
			t.Errorf("the workspace counts %d webhooks", n)
		}
	})
}

func TestEpochOfAnIDThatComesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s := newTestStore(t, db, func(c *Config) { c.Now = clk.Now })
		n := hook("https://example.com")
		n.ID = "wh_moved"
		create(t, s, "ws", n)
		gone := must[Webhook](t)(s.Delete(t.Context(), someone, "ws", n.ID, 0))
		clk.add(time.Second)
		if again := create(t, s, "ws", n); again.Webhook.Epoch <= gone.Epoch {
			t.Errorf("epoch %d, not above the deleted one's %d", again.Webhook.Epoch, gone.Epoch)
		}
	})
}

func TestGivenIDAndSecret(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s := newTestStore(t, db)
		made := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
		n := hook("https://example.com")
		n.ID, n.Secret, n.CreatedAt = "wh_from-elsewhere_1", "0123456789abcdef", made
		c := create(t, s, "ws", n)
		if c.Secret != n.Secret || c.Webhook.ID != n.ID || !c.Webhook.CreatedAt.Equal(made) {
			t.Errorf("got %+v", c.Webhook)
		}
		_, err := s.Create(t.Context(), someone, "ws", n, Idempotency{})
		wantIs(t, "same id", err, ErrConflict)
		if n := must[Workspace](t)(s.Workspace(t.Context(), "ws")).Webhooks; n != 1 {
			t.Errorf("after a conflict the workspace counts %d", n)
		}
		n.ID, n.Secret = "hook", "short"
		_, err = s.Create(t.Context(), someone, "ws", n, Idempotency{Key: strings.Repeat("k", 256)})
		wantFaults(t, "bad id and secret", err, "body.id", "body.secret", "header.Idempotency-Key")
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "short") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	})
}

func TestCreatedDisabled(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s := newTestStore(t, db)
		n := hook("https://example.com")
		n.Disabled = true
		for actor, want := range map[Actor]DisabledReason{someone: DisabledByCustomer, {KeyID: "ops", Operator: true}: DisabledByOperator} {
			if w := must[Created](t)(s.Create(t.Context(), actor, "ws", n, Idempotency{})).Webhook; w.Enabled || w.DisabledReason != want {
				t.Errorf("disabled by %q, want %q", w.DisabledReason, want)
			}
		}
	})
}

func TestValidation(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		_, err := s.Create(ctx, someone, "ws", New{
			URL: "http://user:hunter2@x", Description: strings.Repeat("ü", 1025), EventTypes: []string{"Nope", "Conversation*", "*", "a b*"},
			MaxPerSecond: math.Inf(1), Filter: "bad(", Headers: []event.Header{{"Host", "hunter2"}, {"A", "1"}, {"a", "2"}},
		}, Idempotency{})
		wantFaults(t, "everything wrong", err, "body.url", "body.description", "body.event_types[0]", "body.event_types[3]",
			"body.max_per_second", "body.filter", "body.headers.Host", "body.headers.a")
		text, errJSON := json.Marshal(errors.Unwrap(fmt.Errorf("%w", err)))
		if errJSON != nil || strings.Contains(string(text)+err.Error(), "hunter2") {
			t.Errorf("faults as JSON: %s, %v", text, errJSON)
		}
		_, err = s.Create(ctx, someone, "a/b", hook("https://x"), Idempotency{})
		wantFaults(t, "bad workspace", err, "path.workspace_id")
		_, err = s.Create(ctx, someone, "ws", New{}, Idempotency{})
		wantFaults(t, "nothing given", err, "body.url", "body.event_types")
		nul := hook("https://x")
		nul.Filter = "event == \"\x00\""
		_, err = s.Create(ctx, someone, "ws", nul, Idempotency{})
		wantFaults(t, "a text that PostgreSQL does not store", err, "body.filter")

		c := create(t, s, "ws", hook("https://example.com"))
		zero, bad, list := 0.0, "ftp://x", []string{}
		_, err = s.Update(ctx, someone, "ws", c.Webhook.ID, Patch{URL: &bad, EventTypes: &list, MaxPerSecond: &zero}, 0)
		wantFaults(t, "bad patch", err, "body.url", "body.event_types")
		if w := must[Webhook](t)(s.Webhook(ctx, "ws", c.Webhook.ID)); w.Version != 1 {
			t.Errorf("a refused patch left version %d", w.Version)
		}
	})
}

// A type that the catalogue forgot stays in a webhook that has it.
func TestKnownTypesMayGo(t *testing.T) {
	known := []string{"Old"}
	s := newTestStore(t, openDB(t, "sqlite::memory:"), func(c *Config) { c.EventTypes = func() []string { return known } })
	n := hook("https://example.com")
	n.EventTypes = []string{"Old"}
	c := create(t, s, "ws", n)
	known = []string{"New"}
	both, alone := []string{"New", "Old"}, []string{"New"}
	must[Webhook](t)(s.Update(t.Context(), someone, "ws", c.Webhook.ID, Patch{EventTypes: &both}, 0))
	must[Webhook](t)(s.Update(t.Context(), someone, "ws", c.Webhook.ID, Patch{EventTypes: &alone}, 0))
	_, err := s.Update(t.Context(), someone, "ws", c.Webhook.ID, Patch{EventTypes: &both}, 0)
	wantFaults(t, "gone type", err, "body.event_types[1]")
}

func TestPatchHeaders(t *testing.T) {
	one, two := "1", "2"
	old := []event.Header{{"A", "a"}, {"B", "b"}}
	for _, tc := range []struct {
		patch Patch
		want  []event.Header
	}{
		{Patch{}, old},
		{Patch{Headers: map[string]*string{"a": &one}}, []event.Header{{"a", "1"}, {"B", "b"}}},
		{Patch{Headers: map[string]*string{"A": nil, "C": &two, "X": nil}}, []event.Header{{"B", "b"}, {"C", "2"}}},
		{Patch{ClearHeaders: true}, []event.Header{}},
		{Patch{ClearHeaders: true, Headers: map[string]*string{"C": &two}}, []event.Header{{"C", "2"}}},
	} {
		if diff := cmp.Diff(tc.want, patchHeaders(old, &tc.patch)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestListPages(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		var want []string
		for i := range 7 {
			if i%2 == 0 { // pairs share a millisecond
				clk.add(time.Millisecond)
			}
			n := hook("https://example.com")
			n.ID = fmt.Sprintf("wh_%d", i)
			create(t, s, "ws", n)
			want = append([]string{n.ID}, want...)
		}
		create(t, s, "other", hook("https://example.com"))
		var got []string
		page := Page{Limit: 3}
		for {
			list := must[List[Webhook]](t)(s.Webhooks(ctx, "ws", page))
			for _, w := range list.Items {
				got = append(got, w.ID)
			}
			if page.Cursor = list.Next; page.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, bad := range []string{"!", "bm9wZQ", "eC55", "MS4A"} {
			_, err := s.Webhooks(ctx, "ws", Page{Cursor: bad})
			wantFaults(t, "cursor "+bad, err, "query.cursor")
		}
		workspaces := must[List[Workspace]](t)(s.Workspaces(ctx, Page{Limit: 1}))
		if len(workspaces.Items) != 1 || workspaces.Items[0].ID != "other" || workspaces.Next == "" {
			t.Errorf("workspaces: %+v", workspaces)
		}
		workspaces = must[List[Workspace]](t)(s.Workspaces(ctx, Page{Cursor: workspaces.Next}))
		if len(workspaces.Items) != 1 || workspaces.Items[0].ID != "ws" || workspaces.Items[0].Webhooks != 7 || workspaces.Next != "" {
			t.Errorf("workspaces: %+v", workspaces)
		}
	})
}

func TestIdempotency(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		idem := Idempotency{Key: "k", Fingerprint: [32]byte{1}}
		var wg sync.WaitGroup
		answers := make([]Created, 8)
		for i := range answers {
			wg.Go(func() {
				var err error
				if answers[i], err = s.Create(ctx, someone, "ws", hook("https://example.com"), idem); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		made := 0
		for _, a := range answers {
			if !a.Replayed {
				made++
			}
			if a.Webhook.ID != answers[0].Webhook.ID || a.Secret != answers[0].Secret {
				t.Errorf("answers differ: %+v and %+v", a, answers[0])
			}
		}
		if n := must[Workspace](t)(s.Workspace(ctx, "ws")).Webhooks; made != 1 || n != 1 {
			t.Errorf("made %d, counted %d", made, n)
		}
		noted := map[string]int{}
		for _, e := range audit(t, s, "ws") {
			noted[e.Action]++
		}
		if noted["webhook.create"] != 1 || noted["webhook.secret.reveal"] != len(answers)-1 {
			t.Errorf("one create and %d answers with its secret are noted as %v", len(answers)-1, noted)
		}
		other := idem
		other.Fingerprint[0]++
		_, err := s.Create(ctx, someone, "ws", hook("https://example.com"), other)
		wantIs(t, "other request", err, ErrIdempotency)
		if c := must[Created](t)(s.Create(ctx, someone, "ws2", hook("https://example.com"), other)); c.Replayed {
			t.Error("a key reached into another workspace")
		}
		must[Webhook](t)(s.Delete(ctx, someone, "ws", answers[0].Webhook.ID, 0))
		_, err = s.Create(ctx, someone, "ws", hook("https://example.com"), idem)
		wantIs(t, "deleted since", err, ErrIdempotency)
		clk.add(idempotencyWindow)
		if c := must[Created](t)(s.Create(ctx, someone, "ws", hook("https://example.com"), other)); c.Replayed {
			t.Error("an expired key replayed")
		}
	})
}

func TestLimitHoldsUnderConcurrency(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db, func(c *Config) { c.MaxWebhooks = 3 }), t.Context()
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 8 {
			wg.Go(func() {
				_, err := s.Create(ctx, someone, "ws", hook("https://example.com"), Idempotency{})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, ErrLimit) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made != 3 {
			t.Errorf("made %d of 3", made)
		}
		four := 4
		must[Workspace](t)(s.UpdateWorkspace(ctx, someone, "ws", WorkspacePatch{MaxWebhooks: &four}))
		create(t, s, "ws", hook("https://example.com"))
		_, err := s.Create(ctx, someone, "ws", hook("https://example.com"), Idempotency{})
		wantIs(t, "fifth", err, ErrLimit)
	})
}

func TestDisableGone(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		w := create(t, s, "ws", hook(secretURL)).Webhook
		disable := must[bool](t)
		if disable(s.DisableGone(ctx, "ws", w.ID, "https://example.com/before", "dlv_1")) {
			t.Error("disabled for an answer of another URL")
		}
		var wg sync.WaitGroup
		changes := make([]bool, 6)
		for i := range changes {
			wg.Go(func() {
				var err error
				if changes[i], err = s.DisableGone(ctx, "ws", w.ID, secretURL, "dlv_1"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := 0
		for _, changed := range changes {
			if changed {
				n++
			}
		}
		got := must[Webhook](t)(s.Webhook(ctx, "ws", w.ID))
		if n != 1 || got.Enabled || got.DisabledReason != DisabledGone || got.Epoch <= w.Epoch || got.Version != 2 || got.URL != secretURL {
			t.Errorf("%d calls changed it; it is %+v", n, got)
		}
		if disable(s.DisableGone(ctx, "ws", "wh_none", secretURL, "")) || disable(s.DisableGone(ctx, "other", w.ID, secretURL, "")) {
			t.Error("disabled what is not there")
		}
	})
}
