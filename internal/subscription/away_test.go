package subscription

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
	"github.com/voxagent/dispatcher/internal/testenv"
)

func TestRedisAway(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	server := miniredis.RunT(t)
	s := newTestStore(t, openDB(t, url))
	create(t, s, "ws", named("wh_a", "https://example.com", "*"))
	cache := newRedis(t, "redis://"+server.Addr(), "p:")
	server.Close()
	d := run(t, url, cache)
	if got := match(t, d, "ws", "X"); got != "wh_a" || count(t, d.metrics.cacheFaults) == 0 {
		t.Errorf("matched %q with %d faults", got, count(t, d.metrics.cacheFaults))
	}
	create(t, s, "ws", named("wh_b", "https://example.com", "*"))
	within(t, "change without Redis", func() bool { return match(t, d, "ws", "X") == "wh_a wh_b" })
}

func TestRedisAnswersNonsense(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	server := miniredis.RunT(t)
	s := newTestStore(t, openDB(t, url))
	create(t, s, "ws", named("wh_a", "https://example.com", "*"))
	snap := must[map[string]*snapshot](t)(s.snapshots(t.Context(), []string{"ws"}))["ws"]
	foreign := *snap
	foreign.workspace = "other" // what another workspace has cannot be opened here
	future := *snap
	future.filledAt = time.Now().Add(2 * cacheLife).UnixMilli()
	for name, value := range map[string]string{
		"garbage": "garbage", "old format": fmt.Sprintf("%019d\x00", 1<<40), "cut": fmt.Sprintf("%019d%s", 1<<40, snap.encode()[:40]),
		"from the future": fmt.Sprintf("%019d%s", 1<<40, future.encode()),
	} {
		d := run(t, url, newRedis(t, "redis://"+server.Addr(), "p:"))
		<-d.ready
		if err := server.Set("p:"+d.cachePrefix()+"ws", value); err != nil {
			t.Fatal(err)
		}
		if got := match(t, d, "ws", "X"); got != "wh_a" {
			t.Errorf("%s: matched %q", name, got)
		}
	}
	d := run(t, url, newRedis(t, "redis://"+server.Addr(), "p:"))
	<-d.ready
	if err := server.Set("p:"+d.cachePrefix()+"victim", fmt.Sprintf("%019d%s", 1<<40, foreign.encode())); err != nil {
		t.Fatal(err)
	}
	if got := match(t, d, "victim", "X"); got != "" {
		t.Errorf("another workspace's webhooks matched: %q", got)
	}
}

// Without SQL, sending goes on by memory and by Redis; what neither knows waits, and is answered once SQL is back.
func TestSQLAway(t *testing.T) {
	direct := testenv.Postgres(t)
	s := newTestStore(t, openDB(t, direct))
	for _, workspace := range []string{"in-memory", "in-redis", "unknown"} {
		create(t, s, workspace, named("wh_a", "https://example.com", "*"))
	}
	cacheServer := "redis://" + miniredis.RunT(t).Addr()
	gate := newGate(t, direct)
	d, other := run(t, gate.url, newRedis(t, cacheServer, "p:")), run(t, direct, newRedis(t, cacheServer, "p:"))
	match(t, d, "in-memory", "X")
	match(t, other, "in-redis", "X")
	within(t, "entry in Redis", func() bool {
		got := must[[]redis.Versioned](t)(d.cfg.Cache.Get(t.Context(), []string{d.cachePrefix() + "in-redis"}))
		return got[0].Version > 0
	})
	gate.shut()
	within(t, "absence noticed", func() bool {
		_, err := d.Lookup(t.Context(), []string{"dlv_1"})
		return errors.Is(err, errNoSQL)
	})
	for _, workspace := range []string{"in-memory", "in-redis"} {
		if got := match(t, d, workspace, "X"); got != "wh_a" {
			t.Errorf("%s: matched %q", workspace, got)
		}
	}
	answer := make(chan string, 1)
	go func() { answer <- match(t, d, "unknown", "X") }()
	within(t, "unknown waits", func() bool { return count(t, d.metrics.blocked) > 0 })
	if stale := d.Stale(); stale <= 0 {
		t.Errorf("stale for %v", stale)
	}
	select {
	case got := <-answer:
		t.Errorf("unknown was taken for %q", got)
	default:
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Match(ctx, []*fanout.Event{ev("unknown", "X")})
	wantIs(t, "caller gives up", err, context.Canceled)
	gate.open()
	if got := <-answer; got != "wh_a" {
		t.Errorf("after SQL came back: %q", got)
	}
	create(t, s, "in-memory", named("wh_b", "https://example.com", "*"))
	within(t, "feed goes on", func() bool { return match(t, d, "in-memory", "X") == "wh_a wh_b" })
}

func TestBrokenSealHarmsItsWebhookOnly(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	db := openDB(t, url)
	s := newTestStore(t, db)
	create(t, s, "ws", named("wh_a", "https://example.com", "*"))
	create(t, s, "ws", named("wh_b", "https://example.com", "*"))
	if _, err := db.Exec(t.Context(), `UPDATE webhooks SET sealed = ? WHERE id = ?`, []byte("garbage"), "wh_b"); err != nil {
		t.Fatal(err)
	}
	d := run(t, url, newRedis(t, "redis://"+miniredis.RunT(t).Addr(), "p:"))
	if got := match(t, d, "ws", "X"); got != "wh_a wh_b" {
		t.Errorf("matched %q", got)
	}
	for id, signs := range map[string]bool{"wh_a": true, "wh_b": false} {
		target := must[*fanout.Target](t)(d.Target(t.Context(), fanout.Ref{WorkspaceID: "ws", WebhookID: id}, false))
		if (target.Signer != nil) != signs || target.URL == nil {
			t.Errorf("%s: signer %v", id, target.Signer != nil)
		}
	}
	if w := must[Webhook](t)(s.Webhook(t.Context(), "ws", "wh_b")); w.URL != "https://example.com" {
		t.Errorf("shown with URL %q", w.URL)
	}
	_, err := s.Reveal(t.Context(), someone, "ws", "wh_b")
	wantIs(t, "reveal", err, ErrSealed)
}
