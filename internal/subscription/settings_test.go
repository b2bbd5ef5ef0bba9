package subscription

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/sqldb"
)

func TestOverrides(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		put := func(ws string, list ...Override) {
			t.Helper()
			if err := s.SetOverrides(ctx, someone, ws, "delivery.resend", list, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		put("ws", Override{"dlv_1", 2}, Override{"dlv_2", 3}, Override{"dlv_1", 4})
		put("ws", Override{"dlv_1", 3}, Override{"dlv_2", fanout.MaxChain})
		put("other", Override{"dlv_1", fanout.MaxChain})
		ids := []string{"dlv_1", "dlv_2", "dlv_3"}
		var many []Override
		for i := range 1200 {
			many = append(many, Override{fmt.Sprintf("dlv_many%d", i), 2})
			ids = append(ids, many[i].DeliveryID)
		}
		put("ws", many...)
		got := must[map[string]int](t)(s.lookupOverrides(ctx, ids))
		if got["dlv_1"] != 4 || got["dlv_2"] != fanout.MaxChain || len(got) != 1202 {
			t.Errorf("%d overrides, dlv_1 %d, dlv_2 %d", len(got), got["dlv_1"], got["dlv_2"])
		}
		clk.add(time.Hour)
		if got := must[map[string]int](t)(s.lookupOverrides(ctx, ids)); len(got) != 0 {
			t.Errorf("%d overrides after their time", len(got))
		}
	})
}

func TestWorkspaceSettings(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		if diff := cmp.Diff(Workspace{ID: "new"}, must[Workspace](t)(s.Workspace(ctx, "new"))); diff != "" {
			t.Error(diff)
		}
		yes, rate := true, 12.5
		got := must[Workspace](t)(s.UpdateWorkspace(ctx, someone, "new", WorkspacePatch{Suspended: &yes, MaxPerSecond: &rate}))
		if !got.Suspended || got.MaxPerSecond != rate {
			t.Errorf("got %+v", got)
		}
		if diff := cmp.Diff(got, must[Workspace](t)(s.Workspace(ctx, "new"))); diff != "" {
			t.Error(diff)
		}
		minus, nan := -1, math.NaN()
		_, err := s.UpdateWorkspace(ctx, someone, "new", WorkspacePatch{MaxWebhooks: &minus, MaxPerSecond: &nan})
		wantFaults(t, "bad settings", err, "body.max_per_second", "body.max_webhooks")
	})
}
