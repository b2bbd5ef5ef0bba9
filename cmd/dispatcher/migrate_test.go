package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestHistoryHoldsNobodyUp: queries of the history, which customers ask for and which may be slow, leave connections for
// webhooks, keys and the changes of both, also in one database.
func TestHistoryHoldsNobodyUp(t *testing.T) {
	f := databaseFlags{DatabaseURL: secret(testenv.Postgres(t))}
	d, err := f.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	for range 40 {
		slow.Go(func() {
			var nothing any
			_ = d.history.QueryRow(ctx, `SELECT CAST(pg_sleep(60) AS TEXT)`).Scan(&nothing) // ends with ctx
		})
	}
	waitFor := time.Now().Add(10 * time.Second)
	for running := 0; running < 10; {
		if err := d.webhooks.QueryRow(ctx, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
			AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`).Scan(&running); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(waitFor) {
			t.Fatalf("only %d slow queries run", running)
		}
	}
	quick, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := d.ping(quick); err != nil {
		t.Errorf("behind slow queries of the history: %v", err)
	}
	stop()
	slow.Wait()
	if err := d.close(); err != nil {
		t.Error(err)
	}
}
