package subscription

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

func exported(t *testing.T, s *Store, workspace string) []*Portable {
	t.Helper()
	var all []*Portable
	if err := s.Export(t.Context(), someone, workspace, func(p *Portable) error { all = append(all, p); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMoving: what is exported here and imported there is the same, and stays the same when it is imported again.
func TestMoving(t *testing.T) {
	onBoth(t, func(t *testing.T, url string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		for i := range exportPage + 3 {
			create(t, s, fmt.Sprintf("ws_%d", i%7), hook("https://example.com/"))
		}
		whole := create(t, s, "ws_a", New{
			URL: "https://user:hunter2@example.com/?token=hunter2", Description: "CRM", EventTypes: []string{"SessionStarted", "Conversation*"},
			MaxPerSecond: 2.5, Filter: "event == 'x'", Headers: []event.Header{{"X-A", "1"}, {"X-B", "2"}}, Disabled: true,
		})
		rotated := must[Secrets](t)(s.Rotate(ctx, someone, "ws_a", whole.Webhook.ID, time.Hour, 0))
		all := exported(t, s, "")
		if len(all) != exportPage+4 {
			t.Fatalf("%d were exported", len(all))
		}
		only := exported(t, s, "ws_a")
		want := &Portable{
			ID: whole.Webhook.ID, WorkspaceID: "ws_a", URL: "https://user:hunter2@example.com/?token=hunter2", Description: "CRM",
			EventTypes: []string{"SessionStarted", "Conversation*"}, DisabledReason: DisabledByCustomer, MaxPerSecond: 2.5, Filter: "event == 'x'",
			Headers: []event.Header{{"X-A", "1"}, {"X-B", "2"}}, Secrets: rotated, CreatedAt: whole.Webhook.CreatedAt,
		}
		if len(only) != 1 {
			t.Fatalf("%d were exported of one workspace", len(only))
		}
		if diff := cmp.Diff(want, only[0]); diff != "" {
			t.Error(diff)
		}
		if log := audit(t, s, "ws_a"); log[0].Action != "webhook.export" || log[0].Actor != someone || len(audit(t, s, "ws_1")) != len(exported(t, s, "ws_1"))+1 {
			t.Errorf("audit log %+v", log)
		}
		if text := fmt.Sprintf("%v %+v %s", only[0], only, only[0]); strings.Contains(text, "hunter2") || strings.Contains(text, string(rotated.Current)) {
			t.Errorf("prints %s", text)
		}

		// Another installation, with another encryption key.
		other := newTestStore(t, openDB(t, anotherURL(t, url)))
		other.keys = testKeys(t, 'n')
		importAll(t, other, all, ImportCreated)
		importAll(t, other, all, ImportUnchanged)
		if diff := cmp.Diff(all, exported(t, other, ""), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		w := must[Webhook](t)(other.Webhook(ctx, "ws_a", want.ID))
		if w.Enabled || !w.CreatedAt.Equal(want.CreatedAt) || w.Health != HealthOK || w.Epoch == 0 {
			t.Errorf("imported %+v", w)
		}
		if n := must[List[Workspace]](t)(other.Workspaces(ctx, Page{})).Items; len(n) != 8 || n[0].Webhooks+n[1].Webhooks == 0 {
			t.Errorf("workspaces %+v", n)
		}
		text := "changed there"
		must[Webhook](t)(other.Update(ctx, someone, "ws_a", want.ID, Patch{Description: &text}, 0))
		importAll(t, other, only, ImportDifferent)
		if w := must[Webhook](t)(other.Webhook(ctx, "ws_a", want.ID)); w.Description != text {
			t.Errorf("a second import changed it back: %q", w.Description)
		}
		elsewhere := *want
		elsewhere.WorkspaceID = "ws_b" // an id is its workspace's own
		importAll(t, other, []*Portable{&elsewhere}, ImportCreated)
	})
}

// anotherURL is that of an empty database of the same kind.
func anotherURL(t *testing.T, url string) string {
	t.Helper()
	if strings.HasPrefix(url, "sqlite:") {
		return "sqlite:" + t.TempDir() + "/other.db"
	}
	return testenv.Postgres(t)
}

func importAll(t *testing.T, s *Store, all []*Portable, want Imported) {
	t.Helper()
	for _, p := range all {
		if err := s.CheckImport(p); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
	}
	results, err := s.Import(t.Context(), someone, all)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range results {
		if got != want {
			t.Errorf("%s: %v, want %v", all[i], got, want)
		}
	}
}

func TestImportIsChecked(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s := newTestStore(t, db)
		good := Portable{
			ID: "wh_1", WorkspaceID: "ws", URL: "https://example.com", EventTypes: []string{"*"}, Enabled: true,
			Secrets: Secrets{Current: "0123456789abcdef"},
		}
		if err := s.CheckImport(&good); err != nil {
			t.Error(err)
		}
		for name, tc := range map[string]struct {
			change func(p *Portable)
			want   string
		}{
			"no id":               {func(p *Portable) { p.ID = "" }, "body.id"},
			"an id of another":    {func(p *Portable) { p.ID = "key_1" }, "body.id"},
			"no secret":           {func(p *Portable) { p.Secrets.Current = "" }, "body.secret"},
			"a short secret":      {func(p *Portable) { p.Secrets.Current = "short" }, "body.secret"},
			"no end of previous":  {func(p *Portable) { p.Secrets.Previous = "0123456789abcdef" }, "body.previous_secret"},
			"an end without":      {func(p *Portable) { p.Secrets.PreviousExpiresAt = time.Now() }, "body.previous_secret"},
			"disabled by nobody":  {func(p *Portable) { p.Enabled = false }, "body.disabled_reason"},
			"enabled for reasons": {func(p *Portable) { p.DisabledReason = DisabledGone }, "body.disabled_reason"},
			"an unknown type":     {func(p *Portable) { p.EventTypes = []string{"Nope"} }, "body.event_types[0]"},
			"no URL":              {func(p *Portable) { p.URL = "" }, "body.url"},
			"no workspace":        {func(p *Portable) { p.WorkspaceID = "" }, "path.workspace_id"},
		} {
			p := good
			tc.change(&p)
			err := s.CheckImport(&p)
			wantFaults(t, name, err, tc.want)
		}
		stop := errors.New("enough")
		importAll(t, s, []*Portable{&good}, ImportCreated)
		wantIs(t, "each fails", s.Export(t.Context(), someone, "", func(*Portable) error { return stop }), stop)
		s.keys = testKeys(t, 'x')
		wantIs(t, "another key", s.Export(t.Context(), someone, "", func(*Portable) error { return nil }), ErrSealed)
	})
}
