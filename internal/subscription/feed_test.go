package subscription

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// Numbers follow the order of commits without a gap, whatever happens at the same time, and readers lose none.
func TestFeedInOrderOfCommits(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		f := &feed{store: s}
		if n := must[news](t)(f.poll(ctx)); !n.lost || n.position != 1 {
			t.Errorf("start: %+v", n)
		}
		const writers, each = 6, 8
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					_, err := s.Create(ctx, someone, fmt.Sprint("ws", w), named(fmt.Sprint("wh_", i), "https://example.com", "*"), Idempotency{})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		seen, next := map[string]bool{}, int64(2)
		for last := false; ; {
			n := must[news](t)(f.poll(ctx))
			if n.lost {
				t.Fatal("a gap that is none")
			}
			for _, c := range n.changes {
				if c.seq != next {
					t.Fatalf("number %d after %d", c.seq, next-1)
				}
				next++
				seen[c.workspace+c.target] = true
			}
			if last && len(n.changes) == 0 {
				break
			}
			select {
			case <-done:
				last = true
			default:
			}
		}
		if len(seen) != writers*each {
			t.Errorf("saw %d changes of %d", len(seen), writers*each)
		}
	})
}

// A reader that was away for longer than rows are kept knows that it missed something.
func TestFeedFindsGaps(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		poll := func(f *feed) news { t.Helper(); return must[news](t)(f.poll(ctx)) }
		f := &feed{store: s}
		poll(f)
		change := func() { create(t, s, "ws", hook("https://example.com")) }
		change()
		if n := poll(f); n.lost || len(n.changes) != 1 {
			t.Errorf("one change: %+v", n)
		}
		if n := poll(f); n.lost || len(n.changes) != 0 {
			t.Errorf("none: %+v", n)
		}
		away, wasAway := *f, *f
		change()
		change()
		clk.add(changesKept + time.Second)
		if err := s.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		if n := poll(&away); !n.lost || n.position != 4 {
			t.Errorf("all purged: %+v", n)
		}
		change()
		if n := poll(&away); n.lost || len(n.changes) != 1 {
			t.Errorf("after a gap: %+v", n)
		}
		if n := poll(&wasAway); !n.lost || n.position != 5 || len(n.changes) != 0 {
			t.Errorf("some purged: %+v", n)
		}
		if _, err := db.Exec(ctx, `UPDATE change_head SET incarnation = 'another'`); err != nil {
			t.Fatal(err)
		}
		if n := poll(&away); !n.lost {
			t.Error("another database is not noticed")
		}
		if _, err := db.Exec(ctx, `UPDATE change_head SET seq = 2`); err != nil {
			t.Fatal(err)
		}
		if n := poll(&away); !n.lost {
			t.Error("a restored database is not noticed")
		}
	})
}

// TestAuditRetention: entries go when they are old, and never when that is not asked for.
func TestAuditRetention(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		for _, tc := range []struct {
			retention time.Duration
			want      int
		}{{0, 3}, {24 * time.Hour, 1}} {
			s := newTestStore(t, db, func(c *Config) { c.Now, c.AuditRetention = clk.Now, tc.retention })
			for len(audit(t, s, "ws")) < 3 {
				create(t, s, "ws", hook("https://example.com"))
				clk.add(23 * time.Hour)
			}
			if err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := len(audit(t, s, "ws")); got != tc.want {
				t.Errorf("kept for %s: %d entries, want %d", tc.retention, got, tc.want)
			}
		}
	})
}

func TestFeedReadsInBatches(t *testing.T) {
	db := openDB(t, "sqlite::memory:")
	s, ctx := newTestStore(t, db), t.Context()
	f := &feed{store: s}
	must[news](t)(f.poll(ctx))
	err := db.Tx(ctx, func(tx *sqldb.Tx) error {
		for range feedBatch + 5 {
			if err := appendChange(ctx, tx, change{kind: changeWorkspace, workspace: "ws"}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := must[news](t)(f.poll(ctx)); len(n.changes) != feedBatch || !n.more {
		t.Errorf("first batch: %d, more %v", len(n.changes), n.more)
	}
	if n := must[news](t)(f.poll(ctx)); len(n.changes) != 5 || n.more || n.lost {
		t.Errorf("second batch: %d, more %v", len(n.changes), n.more)
	}
	recent, complete, err := s.recent(ctx, time.Now().Add(-time.Hour), 1)
	if err != nil || !complete || recent["ws"] != feedBatch+6 {
		t.Errorf("recent %v, %v, %v", recent, complete, err)
	}
}
