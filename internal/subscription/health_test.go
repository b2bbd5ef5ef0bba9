package subscription

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

func standing(t *testing.T, s *Store, workspace, id string) Standing {
	t.Helper()
	all := must[[]Standing](t)(s.Standings(t.Context(), []fanout.Ref{{WorkspaceID: workspace, WebhookID: id}}))
	if len(all) != 1 {
		t.Fatalf("%d standings of %s", len(all), id)
	}
	return all[0]
}

func TestHealthAndFailing(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		w := create(t, s, "ws", hook("https://example.com")).Webhook
		since := clk.Now().Add(time.Minute)
		set := must[bool](t)
		st := standing(t, s, "ws", w.ID)
		if !st.Enabled || st.Health != HealthOK || !st.From.Equal(clk.Now()) {
			t.Errorf("new: %+v", st)
		}
		clk.add(time.Hour)
		if set(s.DisableFailing(ctx, st)) {
			t.Error("disabled though it was not failing")
		}
		if !set(s.SetHealth(ctx, st, HealthFailing, since)) || set(s.SetHealth(ctx, st, HealthFailing, since)) {
			t.Error("changed is wrong")
		}
		if w = must[Webhook](t)(s.Webhook(ctx, "ws", w.ID)); w.Health != HealthFailing || !w.FailingSince.Equal(since) || w.Version != 2 {
			t.Errorf("got %+v", w)
		}
		if !set(s.DisableFailing(ctx, st)) || set(s.DisableFailing(ctx, st)) {
			t.Error("not disabled, or twice")
		}
		if got := must[Webhook](t)(s.Webhook(ctx, "ws", w.ID)); got.DisabledReason != DisabledFailing || got.Epoch <= w.Epoch {
			t.Errorf("got %+v", got)
		}
		if set(s.SetHealth(ctx, st, HealthOK, since)) {
			t.Error("a disabled webhook recovered")
		}
		clk.add(time.Hour)
		on := true
		if got := must[Webhook](t)(s.Update(ctx, someone, "ws", w.ID, Patch{Enabled: &on}, 0)); got.Health != HealthOK || got.DisabledReason != "" {
			t.Errorf("enabled again: %+v", got)
		}
		if set(s.SetHealth(ctx, st, HealthFailing, since)) || set(s.DisableFailing(ctx, st)) {
			t.Error("what was judged before it was enabled again still counts")
		}
		st = standing(t, s, "ws", w.ID)
		foreign := st
		foreign.WorkspaceID = "other"
		if !st.From.Equal(clk.Now()) || set(s.SetHealth(ctx, foreign, HealthFailing, since)) || set(s.DisableFailing(ctx, foreign)) {
			t.Errorf("after it was enabled again: %+v", st)
		}
		clk.add(time.Hour)
		url := "https://example.org"
		must[Webhook](t)(s.Update(ctx, someone, "ws", w.ID, Patch{URL: &url}, 0))
		if got := standing(t, s, "ws", w.ID); !got.From.Equal(clk.Now()) {
			t.Errorf("after a change of its URL: %+v", got)
		}
	})
}

func TestFailingStandings(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		refs := []fanout.Ref{{WorkspaceID: "ws_a", WebhookID: "wh_none"}}
		var want []string
		for i, ws := range []string{"ws_a", "ws_a", "ws_a", "ws_b", "ws_b"} {
			w := create(t, s, ws, hook("https://example.com")).Webhook
			refs = append(refs, fanout.Ref{WorkspaceID: ws, WebhookID: w.ID})
			st := standing(t, s, ws, w.ID)
			if i == 0 {
				continue // healthy
			}
			must[bool](t)(s.SetHealth(ctx, st, HealthFailing, time.Now()))
			if i == 1 {
				off := false
				must[Webhook](t)(s.Update(ctx, someone, ws, w.ID, Patch{Enabled: &off}, 0))
				continue
			}
			want = append(want, w.ID)
		}
		var got []string
		for after := (fanout.Ref{}); ; {
			page := must[[]Standing](t)(s.FailingStandings(ctx, after, 2))
			if len(page) == 0 {
				break
			}
			for _, st := range page {
				got = append(got, st.WebhookID)
			}
			after = page[len(page)-1].Ref
		}
		slices.Sort(want[:1])
		slices.Sort(want[1:])
		if !slices.Equal(got, want) {
			t.Errorf("failing %q, want %q", got, want)
		}
		if all := must[[]Standing](t)(s.Standings(ctx, refs)); len(all) != 5 {
			t.Errorf("%d standings, want 5", len(all))
		}
		if all, err := s.Standings(ctx, nil); len(all) != 0 || err != nil {
			t.Errorf("of nobody: %v, %v", all, err)
		}
	})
}

// TestDebts: each change owes its notice once, and every end of a webhook the record that cancels its deliveries.
func TestDebts(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		w := create(t, s, "ws", hook(secretURL)).Webhook
		since := clk.Now()
		on, off := true, false
		url := "https://example.org"
		health := func(h Health) {
			for range 2 {
				must[bool](t)(s.SetHealth(ctx, standing(t, s, "ws", w.ID), h, since))
			}
		}
		patch := func(p Patch) { must[Webhook](t)(s.Update(ctx, someone, "ws", w.ID, p, 0)) }
		operator := Actor{KeyID: "operator", Operator: true}
		for _, step := range []struct {
			name string
			do   func()
			want string
		}{
			{"failing", func() { health(HealthFailing) }, "webhook.failing"},
			{"recovered", func() { health(HealthOK) }, "webhook.recovered"},
			{"failing again", func() { health(HealthFailing) }, "webhook.failing"},
			{"another URL is no recovery", func() { patch(Patch{URL: &url}) }, ""},
			{"described", func() { patch(Patch{Description: &url}) }, ""},
			{"by its owner", func() { patch(Patch{Enabled: &off}) }, "webhook.disabled customer, cancel disabled"},
			{"again", func() { patch(Patch{Enabled: &off}) }, ""},
			{"enabled", func() { patch(Patch{Enabled: &on}) }, ""},
			{"by an operator", func() {
				must[Webhook](t)(s.Update(ctx, operator, "ws", w.ID, Patch{Enabled: &off}, 0))
			}, "webhook.disabled operator, cancel disabled"},
			{"enabled again", func() { patch(Patch{Enabled: &on}) }, ""},
			{"gone", func() {
				for range 2 {
					must[bool](t)(s.DisableGone(ctx, "ws", w.ID, url, "dlv_1"))
				}
			}, "webhook.disabled gone dlv_1, cancel disabled"},
			{"and enabled", func() { patch(Patch{Enabled: &on}) }, ""},
			{"failing for too long", func() {
				health(HealthFailing)
				clk.add(time.Second)
				for range 2 {
					must[bool](t)(s.DisableFailing(ctx, standing(t, s, "ws", w.ID)))
				}
			}, "webhook.failing, webhook.disabled failing, cancel disabled"},
			{"deleted", func() { must[Webhook](t)(s.Delete(ctx, someone, "ws", w.ID, 0)) }, "cancel deleted"},
		} {
			clk.add(time.Minute)
			step.do()
			if got := owedBy(t, s, w); got != step.want {
				t.Errorf("%s owes %q, want %q", step.name, got, step.want)
			}
		}
	})
}

// owedBy settles what is owed and puts it in words.
func owedBy(t *testing.T, s *Store, w Webhook) string {
	t.Helper()
	var words []string
	for _, d := range must[Claim](t)(s.ClaimOwed(t.Context(), 10, time.Minute)).Debts {
		switch {
		case d.Notice != nil:
			if d.Notice.WorkspaceID != "ws" || d.Notice.WebhookID != w.ID || d.Notice.ID != d.ID || d.Notice.Detail == "" {
				t.Errorf("notice %+v", d.Notice)
			}
			if (d.Notice.Type != event.NoticeWebhookDisabled || d.Notice.Reason == "failing") && d.Notice.FailingSince.IsZero() {
				t.Errorf("no failing_since in %+v", d.Notice)
			}
			words = append(words, strings.Join(strings.Fields(string(d.Notice.Type)+" "+d.Notice.Reason+" "+d.Notice.DeliveryID), " "))
		case d.Cancel != nil:
			if d.Cancel.WorkspaceID != "ws" || d.Cancel.WebhookID != w.ID || d.Cancel.Epoch <= w.Epoch {
				t.Errorf("record %+v", d.Cancel)
			}
			words = append(words, "cancel "+string(d.Cancel.Cause))
		}
		if err := s.Settle(t.Context(), d.ID); err != nil {
			t.Error(err)
		}
	}
	// Those of one change come in any order.
	slices.SortStableFunc(words, func(a, b string) int { return order(a) - order(b) })
	return strings.Join(words, ", ")
}

// order puts cancellations behind notices.
func order(word string) int {
	if strings.HasPrefix(word, "cancel") {
		return 1
	}
	return 0
}

// TestDebtsOfOneIDInTwoWorkspaces: two workspaces may have brought webhooks of one id; what one of them owes is not taken for
// the other's.
func TestDebtsOfOneIDInTwoWorkspaces(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, off := newTestStore(t, db, func(c *Config) { c.Now = newClock().Now }), false
		n := hook("https://example.com")
		n.ID = "wh_same"
		for _, workspace := range []string{"ws_a", "ws_b"} {
			create(t, s, workspace, n)
			must[Webhook](t)(s.Update(t.Context(), someone, workspace, n.ID, Patch{Enabled: &off}, 0))
		}
		owed := map[string]int{}
		for _, d := range must[Claim](t)(s.ClaimOwed(t.Context(), 10, time.Minute)).Debts {
			switch {
			case d.Notice != nil:
				owed[d.Notice.WorkspaceID+" notice"]++
			case d.Cancel != nil:
				owed[d.Cancel.WorkspaceID+" cancel"]++
			}
		}
		if want := "map[ws_a cancel:1 ws_a notice:1 ws_b cancel:1 ws_b notice:1]"; fmt.Sprint(owed) != want {
			t.Errorf("owed is %v, want %s", owed, want)
		}
	})
}

// TestDebtsAreClaimedByOne: what one process writes no other one does, until its lease is over.
func TestDebtsAreClaimedByOne(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		const webhooks = 20
		for range webhooks {
			w := create(t, s, "ws", hook("https://example.com")).Webhook
			must[bool](t)(s.SetHealth(ctx, standing(t, s, "ws", w.ID), HealthFailing, clk.Now()))
		}
		seen := map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					claimed, err := s.ClaimOwed(ctx, 3, time.Minute)
					if err != nil {
						t.Error(err)
					}
					if len(claimed.Debts) == 0 {
						return
					}
					mu.Lock()
					for _, d := range claimed.Debts {
						seen[d.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
		if len(seen) == 0 || len(seen) > webhooks {
			t.Errorf("%d claimed", len(seen))
		}
		clk.add(2 * time.Minute)
		if again := must[Claim](t)(s.ClaimOwed(ctx, 100, time.Minute)); len(again.Debts) != webhooks || !again.Oldest.Equal(newClock().Now()) {
			t.Errorf("%d after the leases, want %d; the oldest of %s", len(again.Debts), webhooks, again.Oldest)
		}
	})
}

// A debt that cannot be read is told of, and keeps no other one from being carried.
func TestUnreadableDebt(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		for id, kind := range map[string]string{"a": owedNotice, "b": owedWebhook} {
			must[sql.Result](t)(db.Exec(ctx, `INSERT INTO owed (id, at, kind, value, claimed_until) VALUES (?, 1, ?, '{"broken', 0)`, id, kind))
		}
		w := create(t, s, "ws", hook("https://example.com")).Webhook
		must[bool](t)(s.SetHealth(ctx, standing(t, s, "ws", w.ID), HealthFailing, clk.Now()))
		for range 2 {
			faults, notices := 0, 0
			claim := must[Claim](t)(s.ClaimOwed(ctx, 10, time.Minute))
			for _, d := range claim.Debts {
				switch {
				case d.Fault != nil && d.Notice == nil && d.Cancel == nil:
					faults++
				case d.Notice != nil:
					notices++
				}
			}
			if faults != 2 || notices != 1 || claim.Oldest.UnixMilli() != 1 {
				t.Errorf("%d faults, %d notices, the oldest of %s", faults, notices, claim.Oldest)
			}
			if again := must[Claim](t)(s.ClaimOwed(ctx, 10, time.Minute)); len(again.Debts) != 0 || again.Oldest.IsZero() {
				t.Errorf("claimed twice: %+v", again)
			}
			clk.add(2 * time.Minute)
		}
	})
}
