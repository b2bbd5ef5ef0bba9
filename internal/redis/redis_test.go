package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// onBoth runs the test on a real Redis and on the embedded one.
func onBoth(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("real", func(t *testing.T) {
		test(t, Config{URL: testenv.Redis(t), Prefix: testenv.Prefix(t) + ":", CallTimeout: 5 * time.Second})
	})
	t.Run("embedded", func(t *testing.T) {
		test(t, Config{URL: "redis://" + miniredis.RunT(t).Addr(), Prefix: "p:", CallTimeout: 5 * time.Second})
	})
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestVersionedIsFenced(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		c, ctx := newClient(t, cfg), t.Context()
		put := func(version int64, value string) {
			t.Helper()
			if err := c.Put(ctx, []Entry{{"a", version, []byte(value), time.Minute}, {fmt.Sprint("b", version), version, nil, time.Minute}}); err != nil {
				t.Fatal(err)
			}
		}
		want := func(version int64, value string) {
			t.Helper()
			got, err := c.Get(ctx, []string{"none", "a"})
			if err != nil || got[0].Version != 0 || got[1].Version != version || string(got[1].Value) != value {
				t.Errorf("got %v, %v; want %d %q", got, err, version, value)
			}
		}
		put(9, "nine\x00\xff")
		want(9, "nine\x00\xff")
		put(10, "ten")
		put(9, "late")
		put(10, "again")
		want(10, "ten")
		// What is not ours is no value, and is written over.
		for _, garbage := range []string{"x", "zzzzzzzzzzzzzzzzzzzzzzzz", "-000000000000000001", ""} {
			if err := c.rdb.Set(ctx, c.prefix+"a", garbage, time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			want(0, "")
			put(3, "good")
			want(3, "good")
		}
		if err := errors.Join(c.rdb.Del(ctx, c.prefix+"a").Err(), c.rdb.LPush(ctx, c.prefix+"a", "x").Err()); err != nil {
			t.Fatal(err)
		}
		want(0, "")
		if c.Away() {
			t.Error("one odd key made Redis away")
		}
		if ttl := c.rdb.PTTL(ctx, c.prefix+"b3").Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("time to live %v", ttl)
		}
		if err := c.rdb.Del(ctx, c.prefix+"a").Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// A server that forgot the script is given it again.
func TestScriptsSurviveARestart(t *testing.T) {
	c, ctx := newClient(t, Config{URL: "redis://" + miniredis.RunT(t).Addr()}), t.Context()
	for version := range int64(3) {
		if err := c.rdb.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.Put(ctx, []Entry{{"a", version + 1, nil, time.Minute}, {"b", version + 1, nil, time.Minute}}); err != nil {
			t.Fatal(err)
		}
		got, err := c.Get(ctx, []string{"a", "b"})
		if err != nil || got[0].Version != version+1 || got[1].Version != version+1 {
			t.Fatalf("got %v, %v", got, err)
		}
	}
}

func TestClaim(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		c := newClient(t, cfg)
		claims := []Claim{{"a", "1"}, {"b", "2"}, {"a", "3"}}
		for range 2 {
			got, err := c.Claim(t.Context(), claims, time.Minute)
			if err != nil || fmt.Sprint(got) != "[1 2 1]" {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if ttl := c.rdb.PTTL(t.Context(), c.prefix+"a").Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("time to live %v", ttl)
		}
	})
}

func TestWithdraw(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		c := newClient(t, cfg)
		take := func(w Withdrawal) Grant {
			t.Helper()
			got, err := c.Withdraw(t.Context(), []Withdrawal{w})
			if err != nil {
				t.Fatal(err)
			}
			return got[0]
		}
		if got := take(Withdrawal{"slow", 0.01, 5}); got.Starts != 1 || got.Wait < 99*time.Second || got.Wait > 100*time.Second {
			t.Errorf("slow: %+v", got)
		}
		if got := take(Withdrawal{"slow", 0.01, 5}); got.Starts != 0 {
			t.Errorf("slow again: %+v", got)
		}
		if got := take(Withdrawal{"fast", 1000, 5000}); got.Starts != 1000 || got.Wait <= 0 {
			t.Errorf("fast: %+v", got)
		}
		if err := errors.Join(c.rdb.Del(t.Context(), c.prefix+"slow").Err(), c.rdb.LPush(t.Context(), c.prefix+"slow", "x").Err()); err != nil {
			t.Fatal(err)
		}
		if got := take(Withdrawal{"slow", 0.01, 5}); got.Starts != 0 || got.Wait != 100*time.Second {
			t.Errorf("not ours: %+v", got)
		}
		if err := c.rdb.Del(t.Context(), c.prefix+"slow").Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// A Redis that takes connections and never answers costs one caller one timeout, and all others nothing.
func TestSlowRedisFailsFast(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	c := newClient(t, Config{URL: "redis://:hunter2@" + silent.Addr().String(), CallTimeout: 50 * time.Millisecond, Pause: time.Hour})
	if _, err := c.Get(t.Context(), []string{"a"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("error %v", err)
	}
	// A machine may stand still for longer than all these calls take together: the quickest fifty of a thousand count.
	quickest := time.Hour
	for range 20 {
		begun := time.Now()
		for range 50 {
			if _, err := c.Get(t.Context(), []string{"a"}); !errors.Is(err, ErrAway) {
				t.Fatal(err)
			}
		}
		quickest = min(quickest, time.Since(begun))
	}
	if quickest > 50*25*time.Microsecond || !c.Away() {
		t.Errorf("50 calls took %v", quickest)
	}
}

func TestBreaker(t *testing.T) {
	now := time.Unix(1000, 0)
	b := breaker{pause: time.Second, now: func() time.Time { return now }}
	failed := errors.New("no")
	if !b.admit() || b.open() {
		t.Fatal("not closed at first")
	}
	b.report(failed)
	if b.admit() || !b.open() {
		t.Error("admits after a failure")
	}
	now = now.Add(time.Second)
	if b.open() || !b.admit() || b.admit() {
		t.Error("after the pause not exactly one is admitted")
	}
	b.report(failed)
	if b.admit() {
		t.Error("admits after a failed probe")
	}
	now = now.Add(time.Second)
	if !b.admit() {
		t.Error("no second probe")
	}
	b.report(nil)
	for range 2 {
		if !b.admit() {
			t.Error("a good probe does not close")
		}
	}
}

// A Redis that is away is said once, not for a single failed call, and so is its return.
func TestAbsenceIsSaid(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	registry := prometheus.NewRegistry()
	now := time.Unix(1000, 0)
	a := absence{log: zap.New(core), patience: time.Second, now: func() time.Time { return now }}
	a.register(registry)
	said := func(what string, away float64, lines ...string) {
		t.Helper()
		var got []string
		for _, line := range logged.TakeAll() {
			got = append(got, line.Message)
		}
		if !slices.Equal(got, lines) {
			t.Errorf("%s: logged %q", what, got)
		}
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != "dispatcher_redis_away" || families[0].GetMetric()[0].GetGauge().GetValue() != away {
			t.Errorf("%s: metrics %v, %v", what, families, err)
		}
	}
	const gone, back = "Redis does not answer; going on without it", "Redis answers again"
	failed := errors.New("no")
	a.note(nil, false)
	said("well", 0)
	a.note(failed, false)
	said("one failure", 1)
	a.note(nil, false)
	said("one failure is over", 0)
	a.note(failed, false)
	now = now.Add(time.Second)
	a.note(failed, false)
	said("it lasts", 1, gone)
	now = now.Add(time.Hour)
	a.note(failed, true)
	said("and lasts", 1)
	a.note(nil, false)
	said("it is over", 0, back)
	a.note(failed, true)
	said("at a start", 1, gone)
}

func TestCallerWhoGivesUpSaysNothingAboutRedis(t *testing.T) {
	c := newClient(t, Config{URL: "redis://" + miniredis.RunT(t).Addr()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, []string{"a"}); !errors.Is(err, context.Canceled) || c.Away() {
		t.Errorf("error %v, away %v", err, c.Away())
	}
}

func TestRedisComesBack(t *testing.T) {
	server := miniredis.RunT(t)
	c := newClient(t, Config{URL: "redis://" + server.Addr(), Pause: time.Hour})
	server.SetError("LOADING Redis is loading the dataset in memory")
	if _, err := c.Get(t.Context(), []string{"a"}); err == nil || !c.Away() {
		t.Errorf("loading: %v, away %v", err, c.Away())
	}
	server.SetError("")
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), []string{"a"}); err != nil {
		t.Errorf("after a good ping: %v", err)
	}
}

func TestHints(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		c := newClient(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		heard, ended := make(chan string, 10), make(chan error)
		go func() { ended <- c.Listen(ctx, "changes", func(text string) { heard <- text }) }()
		if text := <-heard; text != "" {
			t.Errorf("heard %q on connecting", text)
		}
		if err := c.Publish(t.Context(), "changes", "ws"); err != nil {
			t.Fatal(err)
		}
		if text := <-heard; text != "ws" {
			t.Errorf("heard %q", text)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"redis://u:p@h:1/2":                     "[h:1] u p 2 tls=false master= cluster=false",
		"rediss://h:1?skip_verify=true":         "[h:1]   0 tls=true master= cluster=false",
		"unix://u:p@/run/redis.sock?db=3":       "[/run/redis.sock] u p 3 tls=false master= cluster=false",
		"redis://h:1?addr=i:2&addr=j:3":         "[h:1 i:2 j:3]   0 tls=false master= cluster=false",
		"redis://h:1?addr=i:2&master_name=m":    "[h:1 i:2]   0 tls=false master=m cluster=false",
		"redis://h:1?cluster=true&pool_size=77": "[h:1]   0 tls=false master= cluster=true",
		"rediss://u@h:1?addr=i:2&cluster=true":  "[h:1 i:2] u  0 tls=true master= cluster=true",
	} {
		cfg := Config{URL: raw}
		o, err := cfg.options()
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		got := fmt.Sprintf("%v %s %s %d tls=%v master=%s cluster=%v", o.Addrs, o.Username, o.Password, o.DB, o.TLSConfig != nil, o.MasterName, o.IsClusterMode)
		if got != want {
			t.Errorf("%s: %s", raw, got)
		}
		if o.TLSConfig != nil && o.TLSConfig.ServerName != "" {
			t.Errorf("%s: every address is to have a certificate for %s", raw, o.TLSConfig.ServerName)
		}
		if o.DialTimeout != 2*time.Second || o.ReadTimeout != 500*time.Millisecond || o.MaxRetries != -1 {
			t.Errorf("%s: timeouts %v %v, retries %d", raw, o.DialTimeout, o.ReadTimeout, o.MaxRetries)
		}
	}
	for _, bad := range []string{"", "http://u:hunter2@h", "redis://u:hunter2@h:x", "redis://u:hunter2@h/1/2", "redis://u:hunter2@h?nonsense=1",
		"redis://h?sentinel_password=hunter2&max_retries=x", "redis://u:hunter2@h?master_name=m&cluster=true",
		"redis://u:hunter2@h/1?cluster=true", "unix://u:hunter2@/run/redis.sock?cluster=true", "redis://u:hunter2@h?ca=/dev/null",
		"rediss://u:hunter2@h?ca=/no/such/file", "rediss://u:hunter2@h?ca=/dev/null", "rediss://u:hunter2@h?cert=/dev/null",
		"rediss://u:hunter2@h?cert=/dev/null&key=/dev/null"} {
		if _, err := New(Config{URL: bad}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestLogTo(t *testing.T) {
	var lines []string
	LogTo(func(text string) { lines = append(lines, text) })
	t.Cleanup(func() { LogTo(func(string) {}) })
	logger(func(text string) { lines = append(lines, text) }).Printf(t.Context(), "lost %d", 1)
	if len(lines) != 1 || lines[0] != "lost 1" {
		t.Errorf("logged %q", lines)
	}
}
