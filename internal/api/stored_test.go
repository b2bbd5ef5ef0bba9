package api_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// stored is the API over the stores and the rules that the program has; only orders end in memory.
type stored struct {
	*fixture
	webhooks *subscription.Store
	history  *store.Store
	orders   *apitest.Commander
}

// newStored opens a database, empty and of its own.
func newStored(t testing.TB, url string) *stored {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, set := range []sqldb.Set{subscription.Migrations(), store.Migrations()} {
		if err := db.Migrate(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	types := catalogue.Default
	s := &stored{webhooks: openWebhooks(t, db, types), orders: &apitest.Commander{}}
	s.history, err = store.New(db, store.Config{History: 30 * 24 * time.Hour, Payloads: 14 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := auth.New([]auth.OperatorKey{{Name: "tests", Scopes: auth.All, Key: apitest.OperatorKey}}, s.webhooks)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Version: "1.2.3"}, api.Deps{
		Keyring: keyring, Webhooks: s.webhooks, Secrets: s.webhooks, Workspaces: s.webhooks, Keys: s.webhooks, Audit: s.webhooks,
		History: s.history, Actions: command.New(s.webhooks, s.history, types, s.orders), Catalogue: types,
	}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.fixture = &fixture{t: t, handler: handler}
	return s
}

func openWebhooks(t testing.TB, db *sqldb.DB, types func() *catalogue.Catalogue) *subscription.Store {
	t.Helper()
	rules, err := delivery.NewRules(delivery.Config{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := subscription.NewKeyring(bytes.Repeat([]byte("k"), subscription.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	webhooks, err := subscription.NewStore(db, keys, subscription.Config{
		CheckURL: rules.CheckURL, CheckHeader: rules.CheckHeader,
		EventTypes: func() []string { return types().Names() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return webhooks
}
