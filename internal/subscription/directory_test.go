package subscription

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

// run starts a directory over a connection of its own to the database at url, as another process would have it.
func run(t testing.TB, url string, cache Cache, change ...func(*DirectoryConfig)) *Directory {
	t.Helper()
	cfg := DirectoryConfig{Cache: cache, MaxBytes: 1 << 20}
	for _, c := range change {
		c(&cfg)
	}
	d := NewDirectory(newTestStore(t, openDB(t, url)), cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

func newRedis(t testing.TB, url, prefix string) *redis.Client {
	t.Helper()
	c, err := redis.New(redis.Config{URL: url, Prefix: prefix, CallTimeout: 5 * time.Second, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ev(workspace, eventType string) *fanout.Event {
	return &fanout.Event{WorkspaceID: workspace, Type: eventType}
}

// match is what one event of the workspace comes to, as text: targets, then misses.
func match(t testing.TB, d *Directory, workspace, eventType string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got, err := d.Match(ctx, []*fanout.Event{ev(workspace, eventType)})
	if err != nil {
		t.Fatal(err)
	}
	return verdictText(got[0])
}

func verdictText(m *fanout.Match) string {
	var parts []string
	for _, target := range m.Targets {
		parts = append(parts, target.WebhookID)
	}
	for _, miss := range m.Unmatched {
		parts = append(parts, miss.WebhookID+":"+string(miss.Reason))
	}
	if m.Reason != "" {
		parts = append(parts, "="+string(m.Reason))
	}
	return strings.Join(parts, " ")
}

// within waits until cond holds and fails if it does not hold for who asks after the second in which changes take effect.
// How long a busy machine takes to ask, and to be answered, is no part of that second, unless it is several.
func within(t testing.TB, what string, cond func() bool) {
	t.Helper()
	const bound = time.Second
	begun := time.Now()
	for late := false; ; {
		asked := time.Since(begun)
		if cond() {
			if spent := time.Since(begun); late || spent > 3*bound {
				t.Errorf("%s: took %v, more than %v", what, spent, bound)
			}
			return
		}
		late = asked > bound
		if asked > 10*bound {
			t.Fatalf("%s: not after %v", what, time.Since(begun))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func count(t testing.TB, c prometheus.Counter) int {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

func named(id, url string, types ...string) New { return New{ID: id, URL: url, EventTypes: types} }

// Every change reaches two processes within a second, with nothing but the feed to tell them.
func TestTwoDirectoriesSeeEveryChange(t *testing.T) {
	onBoth(t, func(t *testing.T, url string, db *sqldb.DB) {
		cacheURL, prefix := testenv.Redis(t), testenv.Prefix(t)+":"
		one, two := run(t, url, newRedis(t, cacheURL, prefix)), run(t, url, newRedis(t, cacheURL, prefix))
		s, ctx := newTestStore(t, db), t.Context()
		see := func(what, want string) {
			t.Helper()
			within(t, what, func() bool {
				return match(t, one, "ws", "SessionStarted") == want && match(t, two, "ws", "SessionStarted") == want
			})
		}
		see("nothing", "")
		create(t, s, "ws", named("wh_a", "https://example.com/a", "*"))
		see("created", "wh_a")
		create(t, s, "ws", named("wh_b", "https://example.com/b", "ConversationComplete"))
		see("second", "wh_a wh_b:type_not_selected")
		off, types, moved := false, []string{"Session*"}, "https://example.com/moved"
		must[Webhook](t)(s.Update(ctx, someone, "ws", "wh_a", Patch{Enabled: &off}, 0))
		must[Webhook](t)(s.Update(ctx, someone, "ws", "wh_b", Patch{EventTypes: &types, URL: &moved}, 0))
		see("changed", "wh_b wh_a:disabled")
		for _, d := range []*Directory{one, two} {
			target := must[*fanout.Target](t)(d.Target(ctx, fanout.Ref{WorkspaceID: "ws", WebhookID: "wh_b"}, false))
			if target.URL.String() != moved || !target.Enabled {
				t.Errorf("target %v", target.URL)
			}
		}
		yes, rate := true, 7.0
		must[Workspace](t)(s.UpdateWorkspace(ctx, someone, "ws", WorkspacePatch{Suspended: &yes, MaxPerSecond: &rate}))
		see("suspended", "wh_a:suspended wh_b:suspended =suspended")
		if _, ofWorkspace := one.Rates(fanout.Ref{WorkspaceID: "ws", WebhookID: "wh_b"}); ofWorkspace != rate {
			t.Errorf("rate %v", ofWorkspace)
		}
		if target := must[*fanout.Target](t)(one.Target(ctx, fanout.Ref{WorkspaceID: "ws", WebhookID: "wh_b"}, false)); !target.Suspended {
			t.Error("the target of a suspended workspace does not say so")
		}
		for _, id := range []string{"wh_a", "wh_b"} {
			must[Webhook](t)(s.Delete(ctx, someone, "ws", id, 0))
		}
		see("deleted", "=suspended")
		_, err := two.Target(ctx, fanout.Ref{WorkspaceID: "ws", WebhookID: "wh_a"}, false)
		wantIs(t, "deleted target", err, fanout.ErrNoWebhook)
	})
}

func TestHintIsFasterThanThePoll(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	d := run(t, url, nil, func(c *DirectoryConfig) { c.Poll = time.Hour })
	s := newTestStore(t, openDB(t, url), func(c *Config) { c.Changed = d.Hint })
	match(t, d, "ws", "X")
	create(t, s, "ws", named("wh_a", "https://example.com", "*"))
	within(t, "hint", func() bool { return match(t, d, "ws", "X") == "wh_a" })
}

// A fresh target is as all changes before have left it, though nobody said that there was one.
func TestFreshTarget(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	d := run(t, url, nil, func(c *DirectoryConfig) { c.Poll = time.Hour })
	s := newTestStore(t, openDB(t, url))
	ref := fanout.Ref{WorkspaceID: "ws", WebhookID: "wh_a"}
	_, err := d.Target(t.Context(), ref, false)
	wantIs(t, "before", err, fanout.ErrNoWebhook)
	create(t, s, "ws", named("wh_a", "https://example.com", "*"))
	_, err = d.Target(t.Context(), ref, false)
	wantIs(t, "from memory", err, fanout.ErrNoWebhook)
	if target := must[*fanout.Target](t)(d.Target(t.Context(), ref, true)); !target.Enabled {
		t.Error("created, not enabled")
	}
	for _, on := range []bool{false, true} {
		must[Webhook](t)(s.Update(t.Context(), someone, "ws", "wh_a", Patch{Enabled: &on}, 0))
		if target := must[*fanout.Target](t)(d.Target(t.Context(), ref, true)); target.Enabled != on {
			t.Errorf("enabled %v, want %v", target.Enabled, on)
		}
	}
	_, err = d.Target(t.Context(), fanout.Ref{WorkspaceID: "ws", WebhookID: "wh_none"}, true)
	wantIs(t, "none", err, fanout.ErrNoWebhook)
}

func TestOneQueryForAHundredMisses(t *testing.T) {
	onBoth(t, func(t *testing.T, url string, db *sqldb.DB) {
		s := newTestStore(t, db)
		var events []*fanout.Event
		for i := range 50 {
			workspace := fmt.Sprintf("ws%d", i)
			create(t, s, workspace, named("wh_a", "https://example.com", "*"))
			events = append(events, ev(workspace, "X"), ev("none-"+workspace, "X"))
		}
		d := run(t, url, nil)
		<-d.ready
		// The query is held back until all are on their way; who comes late finds the answer in memory.
		for range maxQueries {
			d.queries <- struct{}{}
		}
		var on, wg sync.WaitGroup
		on.Add(100)
		for range 100 {
			wg.Go(func() {
				on.Done()
				got, err := d.Match(context.Background(), events)
				if err != nil {
					t.Error(err)
					return
				}
				for i := 0; i < len(got); i += 2 {
					if verdictText(got[i]) != "wh_a" || verdictText(got[i+1]) != "" {
						t.Errorf("event %d: %q, %q", i, verdictText(got[i]), verdictText(got[i+1]))
					}
				}
			})
		}
		on.Wait()
		for range maxQueries {
			<-d.queries
		}
		wg.Wait()
		if n := count(t, d.metrics.queries); n != 1 {
			t.Errorf("%d queries", n)
		}
	})
}

// A second process fills itself from Redis, where nothing can be read that must not be.
func TestRedisHoldsNoSecret(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	server := miniredis.RunT(t)
	s := newTestStore(t, openDB(t, url))
	n := hook(secretURL)
	n.Secret, n.Headers, n.MaxPerSecond = "hunter2-hunter2-hunter2", []event.Header{{"X-Key", "hunter2"}}, 2.5
	w := create(t, s, "ws", n).Webhook
	must[Secrets](t)(s.Rotate(t.Context(), someone, "ws", w.ID, time.Hour, 0))
	current := must[Secrets](t)(s.Reveal(t.Context(), someone, "ws", w.ID))

	one := run(t, url, newRedis(t, "redis://"+server.Addr(), "p:"))
	if got := match(t, one, "ws", "X"); got != w.ID {
		t.Fatalf("matched %q", got)
	}
	within(t, "entry in Redis", func() bool { return len(server.Keys()) == 1 })
	dump := server.Dump()
	for _, secret := range []string{"hunter2", string(current.Current), "example.com"} {
		if strings.Contains(dump, secret) {
			t.Errorf("Redis holds %q", secret)
		}
	}
	if ttl := server.TTL(server.Keys()[0]); ttl <= 0 || ttl > cacheLife {
		t.Errorf("the entry lives for %v", ttl)
	}
	two := run(t, url, newRedis(t, "redis://"+server.Addr(), "p:"))
	target := must[*fanout.Target](t)(two.Target(t.Context(), fanout.Ref{WorkspaceID: "ws", WebhookID: w.ID}, false))
	if count(t, two.metrics.queries) != 0 || count(t, two.metrics.cacheHits) != 1 {
		t.Error("the second process did not use Redis")
	}
	sign := func(secret fanout.Secret) string { return hexBy(t, secret, "body") }
	if target.URL.String() != secretURL || target.MaxPerSecond != 2.5 || target.Headers[0] != n.Headers[0] ||
		string(target.Signer.AppendHex(nil, []byte("body"))) != sign(current.Current) ||
		string(target.Previous.AppendHex(nil, []byte("body"))) != sign(n.Secret) || !target.PreviousUntil.Equal(current.PreviousExpiresAt) {
		t.Error("the target from Redis is another one")
	}
}

// An entry that a slow process wrote after the newer one was evicted is refused by those who saw the change, and by a
// process that has only just started.
func TestStaleEntryIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		create(t, s, "ws", named("wh_old", "https://example.com", "*"))
		slow := must[map[string]*snapshot](t)(s.snapshots(ctx, []string{"ws"}))["ws"]
		running := run(t, url, newRedis(t, "redis://"+miniredis.RunT(t).Addr(), "p:"))
		<-running.ready
		must[Webhook](t)(s.Delete(ctx, someone, "ws", "wh_old", 0))
		create(t, s, "ws", named("wh_new", "https://example.com", "*"))
		within(t, "change known", func() bool { return running.near.demanded("ws") > slow.pos+1 })
		started := run(t, url, newRedis(t, "redis://"+miniredis.RunT(t).Addr(), "p:"))
		<-started.ready
		for name, d := range map[string]*Directory{"running": running, "started": started} {
			entry := redis.Entry{Key: d.cachePrefix() + "ws", Version: slow.pos, Value: slow.encode(), TTL: time.Minute}
			if err := d.cfg.Cache.Put(ctx, []redis.Entry{entry}); err != nil {
				t.Fatal(err)
			}
			if d.near.put(compile(slow, s.keys, nil)) {
				t.Errorf("%s: memory took an old set", name)
			}
			if got := match(t, d, "ws", "X"); got != "wh_new" || count(t, d.metrics.cacheHits) != 0 {
				t.Errorf("%s: matched %q", name, got)
			}
		}
	})
}

// A load that a change overtook is done again; its old answer is neither kept nor used.
func TestLoadOvertakenByAChange(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	s := newTestStore(t, openDB(t, url))
	create(t, s, "ws", named("wh_old", "https://example.com", "*"))
	old := must[map[string]*snapshot](t)(s.snapshots(t.Context(), []string{"ws"}))["ws"]
	d := run(t, url, nil)
	<-d.ready
	theirs := &flight{done: make(chan struct{})}
	d.mu.Lock()
	d.flights["ws"] = theirs
	d.mu.Unlock()
	answer := make(chan string)
	go func() { answer <- match(t, d, "ws", "X") }()
	create(t, s, "ws", named("wh_two", "https://example.com", "*"))
	within(t, "change known", func() bool { return d.near.demanded("ws") > old.pos })
	d.land("ws", theirs, compile(old, s.keys, nil), nil)
	if got := <-answer; got != "wh_old wh_two" {
		t.Errorf("matched %q", got)
	}
}

func TestDirectoryDisablesGone(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	s := newTestStore(t, openDB(t, url))
	w := create(t, s, "ws", hook("https://example.com/a b?x=ü")).Webhook
	d := run(t, url, nil)
	ref := fanout.Ref{WorkspaceID: "ws", WebhookID: w.ID}
	target := must[*fanout.Target](t)(d.Target(t.Context(), ref, false))
	for range 2 {
		if err := d.DisableGone(t.Context(), target, "dlv_1"); err != nil {
			t.Error(err)
		}
	}
	within(t, "disabled", func() bool {
		now := must[*fanout.Target](t)(d.Target(t.Context(), ref, false))
		return !now.Enabled && now.Epoch > target.Epoch
	})
}

func TestDirectoryLooksUpOverrides(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/data.db"
	s := newTestStore(t, openDB(t, url))
	d := run(t, url, nil)
	<-d.ready
	if err := s.SetOverrides(t.Context(), someone, "ws", "delivery.cancel", []Override{{"dlv_1", fanout.MaxChain}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	got, err := d.Lookup(t.Context(), []string{"dlv_1", "dlv_2"})
	if err != nil || len(got) != 1 || got["dlv_1"] != fanout.MaxChain {
		t.Errorf("got %v, %v", got, err)
	}
}
