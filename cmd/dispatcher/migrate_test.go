package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestNobodyIsHeldUp: what customers ask for may be slow, and leaves connections for others, also in one database: history for
// the API, and both for what delivers and for readiness.
func TestNobodyIsHeldUp(t *testing.T) {
	t.Run("one database", func(t *testing.T) {
		nobodyIsHeldUp(t, &databaseFlags{DatabaseURL: secret(testenv.Postgres(t))})
	})
	t.Run("two databases", func(t *testing.T) {
		nobodyIsHeldUp(t, &databaseFlags{DatabaseURL: secret(testenv.Postgres(t)), HistoryDatabaseURL: secret(testenv.Postgres(t))})
	})
}

func nobodyIsHeldUp(t *testing.T, f *databaseFlags) {
	t.Helper()
	d, err := f.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	for _, tc := range []struct {
		name        string
		busy, quick *sqldb.DB
	}{{"history", d.history, d.webhooks}, {"webhooks", d.webhooks, d.directory}} {
		asked := `SELECT CAST(pg_sleep(60) AS TEXT) AS "` + testenv.Prefix(t) + `"` // no other test asks that
		for range 40 {
			slow.Go(func() {
				var nothing any
				_ = tc.busy.QueryRow(ctx, asked).Scan(&nothing) // ends with ctx
			})
		}
		waitFor := time.Now().Add(10 * time.Second)
		for running := 0; running < 10; {
			if err := d.directory.QueryRow(ctx, `SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query = ?`, asked).Scan(&running); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(waitFor) {
				t.Fatalf("only %d slow queries of %s run", running, tc.name)
			}
		}
		quick, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := tc.quick.Ping(quick); err != nil {
			t.Errorf("behind slow queries of %s: %v", tc.name, err)
		}
		if err := d.ping(quick); err != nil {
			t.Errorf("not ready behind slow queries of %s: %v", tc.name, err)
		}
		cancel()
	}
	stop()
	slow.Wait()
	if err := d.close(); err != nil {
		t.Error(err)
	}
}
