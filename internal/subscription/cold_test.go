package subscription

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

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
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	most := 0
	for looking := true; looking; {
		var n int
		const active = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'WITH wanted%'`
		if err := db.QueryRow(t.Context(), active).Scan(&n); err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
		select {
		case <-done:
			looking = false
		case <-time.After(time.Millisecond): // between two samples
		}
	}
	if most < 1 || most > maxQueries {
		t.Errorf("%d queries at once, want %d at most", most, maxQueries)
	}
	if n := count(t, d.metrics.queries); n != callers*batches {
		t.Errorf("%d queries for %d batches", n, callers*batches)
	}
	if n := count(t, d.metrics.cacheFaults); n < callers*batches {
		t.Errorf("%d faults of Redis are counted for %d batches", n, callers*batches)
	}
}
