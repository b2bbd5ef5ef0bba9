package subscription

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// That a workspace has no webhooks is remembered like any webhooks, here and in Redis: its events cost no query each, and
// another process none at all.
func TestNoWebhooksIsRemembered(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	server := miniredis.RunT(t)
	s := newTestStore(t, openDB(t, url))
	one := run(t, url, newRedis(t, "redis://"+server.Addr(), "p:"))
	for range 1000 {
		if got := match(t, one, "nobody", "X"); got != "" {
			t.Fatalf("matched %q", got)
		}
	}
	if n := count(t, one.metrics.queries); n != 1 {
		t.Errorf("%d queries", n)
	}
	within(t, "entry in Redis", func() bool { return len(server.Keys()) == 1 })
	two := run(t, url, newRedis(t, "redis://"+server.Addr(), "p:"))
	if got := match(t, two, "nobody", "X"); got != "" || count(t, two.metrics.queries) != 0 || count(t, two.metrics.cacheHits) != 1 {
		t.Errorf("the second process matched %q with %d queries", got, count(t, two.metrics.queries))
	}
	create(t, s, "nobody", named("wh_a", "https://example.com", "*"))
	within(t, "the first webhook", func() bool { return match(t, one, "nobody", "X") == "wh_a" && match(t, two, "nobody", "X") == "wh_a" })
}

// With Redis away and nothing in memory, a process has the database answer two queries at a time, however many ask, and
// each for as many workspaces as its batch has.
func TestColdWithoutRedis(t *testing.T) {
	url := testenv.Postgres(t)
	db := openDB(t, url)
	server := miniredis.RunT(t)
	cache := newRedis(t, "redis://"+server.Addr(), "p:")
	server.Close()
	d := run(t, url, cache)
	<-d.ready
	release := lockWebhooks(t, url)
	const callers, batches = 50, 4
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for batch := range batches {
				var events []*fanout.Event
				for i := range queryWorkspaces {
					events = append(events, ev(fmt.Sprintf("ws_%d_%d_%d", caller, batch, i), "X"))
				}
				if _, err := d.Match(t.Context(), events); err != nil {
					t.Error(err)
				}
			}
		})
	}
	active := func() (n int) {
		const query = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'WITH wanted%'`
		if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	within(t, "as many queries as may be", func() bool { return active() == maxQueries })
	for range 20 { // all others ask meanwhile
		if n := active(); n != maxQueries {
			t.Fatalf("%d queries at once, want %d", n, maxQueries)
		}
		time.Sleep(10 * time.Millisecond)
	}
	release()
	wg.Wait()
	if n := count(t, d.metrics.queries); n != callers*batches {
		t.Errorf("%d queries for %d batches", n, callers*batches)
	}
	if n := count(t, d.metrics.cacheFaults); n < callers*batches {
		t.Errorf("%d faults of Redis are counted for %d batches", n, callers*batches)
	}
}

// lockWebhooks keeps every query for webhooks waiting until it is released.
func lockWebhooks(t *testing.T, url string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	release = func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(release) // closing again does nothing
	for _, statement := range []string{"BEGIN", "LOCK TABLE webhooks IN ACCESS EXCLUSIVE MODE"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return release
}
