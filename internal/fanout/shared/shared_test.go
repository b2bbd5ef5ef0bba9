package shared

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) { testenv.VerifyTestMain(m) }

// onBoth runs the test on a real Redis and on the embedded one.
func onBoth(t *testing.T, test func(t *testing.T, cfg redis.Config)) {
	t.Run("real", func(t *testing.T) {
		test(t, redis.Config{URL: testenv.Redis(t), Prefix: testenv.Prefix(t) + ":", CallTimeout: 5 * time.Second})
	})
	t.Run("embedded", func(t *testing.T) {
		test(t, redis.Config{URL: "redis://" + miniredis.RunT(t).Addr(), Prefix: "p:", CallTimeout: 5 * time.Second})
	})
}

func newClient(t *testing.T, cfg redis.Config) *redis.Client {
	t.Helper()
	c, err := redis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestDeduper(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg redis.Config) {
		d := NewDeduper(newClient(t, cfg), time.Minute)
		ev := func(ws, id string, n byte) *fanout.Event {
			return &fanout.Event{WorkspaceID: ws, ID: id, Occurrence: event.Occurrence{n, 0, 255}}
		}
		batch := []*fanout.Event{ev("ws", "evt_1", 1), ev("ws", "evt_2", 2), ev("ws", "evt_1", 3), ev("ws2", "evt_1", 4)}
		for range 2 { // the second time is a redelivery of the same records
			got, err := d.FirstSeen(t.Context(), batch)
			if err != nil || fmt.Sprint(got) != "[true true false true]" {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if got, err := d.FirstSeen(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("nothing: %v, %v", got, err)
		}
	})
}

// countingLocal grants everything and counts.
type countingLocal struct{ n int }

func (c *countingLocal) Take(fanout.Ref, float64, time.Time) time.Duration {
	c.n++
	return 0
}

func runLimiter(t *testing.T, cfg redis.Config, local Local) *Limiter {
	t.Helper()
	l := NewLimiter(newClient(t, cfg), local)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return l
}

// Two processes together get a burst of one second's starts and then the rate.
func TestRateHoldsOverProcesses(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg redis.Config) {
		one, two := runLimiter(t, cfg, &countingLocal{}), runLimiter(t, cfg, &countingLocal{})
		ref := fanout.Ref{WorkspaceID: "ws", WebhookID: "wh"}
		const rate, length = 200.0, 600 * time.Millisecond
		begun, granted := time.Now(), 0
		for spent := time.Duration(0); spent < length || granted < int(rate)/2 && spent < 10*time.Second; spent = time.Since(begun) {
			waits := []time.Duration{one.Take(ref, rate, time.Now()), two.Take(ref, rate, time.Now())}
			for _, wait := range waits {
				if wait == 0 {
					granted++
				}
			}
			time.Sleep(min(waits[0], waits[1]))
		}
		spent := time.Since(begun)
		most := int(rate*(1+spent.Seconds())) + 2
		if granted > most || granted < int(rate)/2 {
			t.Errorf("%d starts in %v, want %d to %d", granted, spent, int(rate)/2, most)
		}
		other := fanout.Ref{WorkspaceID: "ws", WebhookID: "other"}
		waitGranted(t, one, other, rate)
	})
}

func waitGranted(t *testing.T, l *Limiter, ref fanout.Ref, rate float64) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		wait := l.Take(ref, rate, time.Now())
		if wait == 0 {
			return
		}
		time.Sleep(wait)
	}
	t.Fatal("no start was granted")
}

func TestSlowRateAndFetchedStartsExpire(t *testing.T) {
	l := runLimiter(t, redis.Config{URL: "redis://" + miniredis.RunT(t).Addr(), CallTimeout: 5 * time.Second}, &countingLocal{})
	ref := fanout.Ref{WorkspaceID: "ws"}
	waitGranted(t, l, ref, 0.1)
	for deadline := time.Now().Add(5 * time.Second); ; {
		wait := l.Take(ref, 0.1, time.Now())
		if wait == 0 || time.Now().After(deadline) {
			t.Fatalf("a second start at 0.1 a second: wait %v", wait)
		}
		if wait > time.Second {
			if wait > 10*time.Second {
				t.Errorf("wait %v", wait)
			}
			break
		}
		time.Sleep(wait)
	}
	fast := fanout.Ref{WorkspaceID: "fast"}
	waitGranted(t, l, fast, 100)
	l.mu.Lock()
	held := l.leases[fast].starts
	l.mu.Unlock()
	if held == 0 || l.Take(fast, 100, time.Now().Add(leaseLife+time.Second)) == 0 {
		t.Errorf("of %d fetched starts one was granted after their time", held)
	}
	l.forget(time.Now().Add(2 * leaseIdle))
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.leases[ref]; s != nil {
		t.Error("an idle bucket is remembered")
	}
}

func TestLimiterWithoutRedis(t *testing.T) {
	server := miniredis.RunT(t)
	local := &countingLocal{}
	l := runLimiter(t, redis.Config{URL: "redis://" + server.Addr(), Pause: time.Hour}, local)
	server.Close()
	waitGranted(t, l, fanout.Ref{WorkspaceID: "ws"}, 10)
	if local.n == 0 {
		t.Error("granted by somebody else than the local limiter")
	}
}
