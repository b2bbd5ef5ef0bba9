package dashboard_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/dashboard"
	"github.com/voxagent/dispatcher/internal/dashboard/dashboardtest"
)

// TestQuota: what a key may ask of the API, its holder may ask of the pages, and not both.
func TestQuota(t *testing.T) {
	s := &site{Installation: apitest.New(), t: t}
	s.Demo = dashboardtest.Fill(s.Installation, time.Now())
	quotas := auth.NewQuotas(1. / 3600)
	s.serve(dashboard.Deps{
		Keyring: s.Keyring, Quotas: quotas, Webhooks: s.Repository, Workspaces: s.Repository, History: s.History, Actions: s.Actions, Catalogue: s.Types,
	})
	key := s.Key(dashboardtest.Workspace)
	s.signIn(key)
	s.get(w + "/webhooks").want(http.StatusOK)
	refused := s.post(w+"/webhooks/new", "filter", "true").want(http.StatusTooManyRequests).has("Too much at once")
	if refused.header.Get("Retry-After") != "3600" {
		t.Errorf("Retry-After %q", refused.header.Get("Retry-After"))
	}
	principal, err := s.Keyring.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := quotas.Begin(&principal, time.Now()); ok {
		t.Error("the API has a quota of its own")
	}
	s.client = s.browser()
	s.signIn(s.Key(dashboardtest.Workspace))
	s.get(w + "/webhooks").want(http.StatusOK)
}
