package health_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/health"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// world is history and webhooks as the watcher sees them. A webhook's attempts are the truth; tests change it between
// rounds, while the watcher waits.
type world struct {
	mu       sync.Mutex
	touched  []store.Touched
	health   map[string]store.Health
	webhooks map[string]*subscription.Standing
	acts     []string
	asked    int // webhooks that were judged
	err      error
	// stale has the next act find that the webhook does not stand as it was judged.
	stale bool
}

func newWorld() *world {
	return &world{health: map[string]store.Health{}, webhooks: map[string]*subscription.Standing{}}
}

// set changes the world, or looks at it.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// learn has history learn how a webhook fares; the webhook exists from then on.
func (w *world) learn(id string, h store.Health) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.health[id] = h
	w.touched = slices.DeleteFunc(w.touched, func(t store.Touched) bool { return t.WebhookID == id })
	w.touched = append(w.touched, store.Touched{At: time.Now(), WorkspaceID: "ws", WebhookID: id})
	if w.webhooks[id] == nil {
		w.webhooks[id] = &subscription.Standing{
			Ref: fanout.Ref{WorkspaceID: "ws", WebhookID: id}, Enabled: true, Health: subscription.HealthOK,
		}
	}
}

func (w *world) Failing(_ context.Context, after store.Touched, limit int) ([]store.Touched, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var page []store.Touched
	for _, t := range w.touched {
		later := cmp.Or(t.At.Compare(after.At), strings.Compare(t.WebhookID, after.WebhookID)) > 0
		if later && w.health[t.WebhookID].LastFailure.After(w.health[t.WebhookID].LastSuccess) && len(page) < limit {
			page = append(page, t)
		}
	}
	return page, w.err
}

func (w *world) Health(_ context.Context, asked []store.Asked) ([]store.Health, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]store.Health, len(asked))
	for i, a := range asked {
		out[i] = w.health[a.WebhookID]
	}
	w.asked += len(asked)
	return out, w.err
}

func (w *world) Standings(_ context.Context, refs []fanout.Ref) ([]subscription.Standing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []subscription.Standing
	for _, r := range refs {
		if st := w.webhooks[r.WebhookID]; st != nil {
			out = append(out, *st)
		}
	}
	return out, w.err
}

func (w *world) FailingStandings(_ context.Context, after fanout.Ref, limit int) ([]subscription.Standing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []subscription.Standing
	for _, st := range w.webhooks {
		if st.Enabled && st.Health == subscription.HealthFailing && st.WebhookID > after.WebhookID {
			out = append(out, *st)
		}
	}
	slices.SortFunc(out, func(a, b subscription.Standing) int { return strings.Compare(a.WebhookID, b.WebhookID) })
	return out[:min(limit, len(out))], w.err
}

func (w *world) SetHealth(_ context.Context, judged subscription.Standing, h subscription.Health, since time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stale {
		w.stale = false
		return false, nil
	}
	st := w.webhooks[judged.WebhookID]
	st.Health, st.FailingSince = h, since
	w.acts = append(w.acts, judged.WebhookID+" "+string(h))
	return true, nil
}

func (w *world) DisableFailing(_ context.Context, judged subscription.Standing) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.webhooks[judged.WebhookID].Enabled = false
	w.acts = append(w.acts, judged.WebhookID+" disabled")
	return true, nil
}

// watch runs a watcher over w in a bubble of fake time, a minute after before.
func watch(t *testing.T, w *world, before func(), story func(t *testing.T, reg *prometheus.Registry)) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		watcher, err := health.New(health.Config{
			Limits:     health.Limits{FailingAfter: 5 * time.Minute, DisableAfter: 24 * time.Hour},
			Registerer: reg,
		}, health.Ports{History: w, Webhooks: w, Acts: w}, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		before()
		time.Sleep(time.Minute)
		go func() { ended <- watcher.Run(ctx) }()
		story(t, reg)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// round waits until the next round is over.
func round() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

func run(since, last time.Duration) store.Health {
	return store.Health{FailingSince: start.Add(since), LastFailure: start.Add(last)}
}

func (w *world) want(t *testing.T, acts ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.acts, acts) {
		t.Errorf("acts %q, want %q", w.acts, acts)
	}
	w.acts = nil
}

func wantMetric(t *testing.T, reg *prometheus.Registry, line string) {
	t.Helper()
	page := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(page.Body.String(), line+"\n") {
		t.Errorf("no %s in\n%s", line, page.Body)
	}
}

func TestFromFailingToRecoveredAndToDisabled(t *testing.T) {
	w := newWorld()
	watch(t, w, func() {}, func(t *testing.T, reg *prometheus.Registry) {
		w.learn("wh_1", run(0, time.Minute))
		round()
		w.want(t)
		w.learn("wh_1", run(0, 6*time.Minute))
		round()
		w.want(t, "wh_1 failing")
		w.set(func() {
			if since := w.webhooks["wh_1"].FailingSince; !since.Equal(start) {
				t.Errorf("failing since %v", since)
			}
		})
		round()
		w.want(t)
		w.learn("wh_1", store.Health{LastSuccess: start.Add(time.Hour), LastFailure: start.Add(6 * time.Minute)})
		round()
		w.want(t, "wh_1 ok")
		w.learn("wh_1", run(2*time.Hour, 3*time.Hour))
		round()
		w.want(t, "wh_1 failing")
		w.learn("wh_1", run(2*time.Hour, 26*time.Hour))
		round()
		w.want(t, "wh_1 disabled")
		round()
		w.want(t)
		for _, line := range []string{
			`dispatcher_webhook_verdicts_total{verdict="disabled"} 1`, `dispatcher_webhook_verdicts_total{verdict="failing"} 2`,
			`dispatcher_webhook_verdicts_total{verdict="recovered"} 1`, `dispatcher_failing_webhooks 0`,
		} {
			wantMetric(t, reg, line)
		}
	})
}

// TestLateJudgement (invariant ordered): what happened while nobody judged is told one after the other.
func TestLateJudgement(t *testing.T) {
	w := newWorld()
	watch(t, w, func() {
		w.learn("wh_long", run(0, 48*time.Hour))
		w.learn("wh_again", store.Health{LastSuccess: start.Add(time.Hour), FailingSince: start.Add(2 * time.Hour), LastFailure: start.Add(3 * time.Hour)})
		again := w.webhooks["wh_again"]
		again.Health, again.FailingSince = subscription.HealthFailing, start
	}, func(t *testing.T, _ *prometheus.Registry) {
		round()
		w.want(t, "wh_long failing", "wh_long disabled", "wh_again ok", "wh_again failing")
	})
}

// TestStale (invariant fresh): what changed since it was read is left alone, and judged again in the next round.
func TestStale(t *testing.T) {
	w := newWorld()
	watch(t, w, func() {}, func(t *testing.T, _ *prometheus.Registry) {
		round()
		w.set(func() { w.stale = true })
		w.learn("wh_1", run(0, time.Hour))
		round()
		w.want(t)
		round()
		w.want(t, "wh_1 failing")
	})
}

// TestOnlyWhatIsNewIsRead: a webhook that was judged is not judged again until history learns something of it or a minute
// has passed; one without a row any more is passed over.
func TestOnlyWhatIsNewIsRead(t *testing.T) {
	w := newWorld()
	watch(t, w, func() {
		for i := range 1200 { // several pages
			w.learn(fmt.Sprintf("wh_%04d", i), run(0, time.Second))
		}
		delete(w.webhooks, "wh_0007")
	}, func(t *testing.T, _ *prometheus.Registry) {
		synctest.Wait()
		w.set(func() {
			if w.asked != 1199 {
				t.Errorf("%d judged in the first round, want all", w.asked)
			}
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.set(func() { w.asked = 0 })
		time.Sleep(time.Second) // between two rounds
		w.learn("wh_0003", run(0, 2*time.Minute))
		round()
		w.set(func() {
			if w.asked != 1 {
				t.Errorf("%d judged, want the one that is new", w.asked)
			}
		})
	})
}

// TestFaults: a round that a database fails is made again, from the same place.
func TestFaults(t *testing.T) {
	w := newWorld()
	watch(t, w, func() {}, func(t *testing.T, reg *prometheus.Registry) {
		round()
		w.set(func() { w.err = errors.New("the database is away") })
		w.learn("wh_1", run(0, time.Hour))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		w.want(t)
		w.set(func() { w.err = nil })
		round()
		w.want(t, "wh_1 failing")
		wantMetric(t, reg, "dispatcher_health_faults_total 120")
	})
}

func TestConfig(t *testing.T) {
	if _, err := health.New(health.Config{Every: -1}, health.Ports{}, zap.NewNop()); err == nil {
		t.Error("a negative time is fine")
	}
}
