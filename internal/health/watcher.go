package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// History knows how webhooks fare; *store.Store implements it.
type History interface {
	// Failing returns the next webhooks whose last attempt failed, in the order in which history learnt of them.
	Failing(ctx context.Context, after store.Touched, limit int) ([]store.Touched, error)
	// Health returns how each of asked fares, in their order.
	Health(ctx context.Context, asked []store.Asked) ([]store.Health, error)
}

// Webhooks knows how they stand; *subscription.Store implements it.
type Webhooks interface {
	// Standings returns how those of refs stand that exist, in no order.
	Standings(ctx context.Context, refs []fanout.Ref) ([]subscription.Standing, error)
	// FailingStandings returns the next enabled webhooks whose health is failing, by workspace and id.
	FailingStandings(ctx context.Context, after fanout.Ref, limit int) ([]subscription.Standing, error)
}

// Acts changes webhooks; *subscription.Store implements it. Each does nothing, and says so, when the webhook does not
// stand any more as it was judged, or already is what it should become.
type Acts interface {
	SetHealth(ctx context.Context, judged subscription.Standing, health subscription.Health, since time.Time) (changed bool, err error)
	DisableFailing(ctx context.Context, judged subscription.Standing) (changed bool, err error)
}

// Ports are the watcher's ways to the outside; all are needed.
type Ports struct {
	History  History
	Webhooks Webhooks
	Acts     Acts
}

// Config says how to judge.
type Config struct {
	Limits Limits
	// Every is the time between two rounds; 0: 5 s.
	Every time.Duration
	// Registerer takes the metrics; nil: none.
	Registerer prometheus.Registerer
}

// Validate joins all complaints.
func (c Config) Validate() error {
	if c.Every < 0 || c.Limits.FailingAfter < 0 || c.Limits.DisableAfter < 0 {
		return errors.New("health: negative time")
	}
	return nil
}

const (
	defaultEvery = 5 * time.Second
	// overlap is how far a round looks back behind the one before: longer than a fold's transaction takes, whose rows
	// carry the time of its beginning, and than clocks of processes differ. What is seen twice is judged twice.
	overlap = time.Minute
	// pageSize is how many webhooks are read at a time.
	pageSize = 500
	// patience is how long a page may take; a database that hangs is asked again.
	patience = time.Minute
)

// Watcher makes the rounds. It belongs to the goroutine that runs it.
type Watcher struct {
	Ports
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	// seen is when the last complete round began: what history learnt before is judged. Zero at the start, so that the
	// first round sees all whose last attempt failed.
	seen   time.Time
	broken bool // the last round failed, and the log has it
}

// New returns a watcher.
func New(cfg Config, ports Ports, log *zap.Logger) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	return &Watcher{Ports: ports, cfg: cfg, log: log, metrics: newMetrics(cfg.Registerer)}, nil
}

// Run makes rounds until ctx ends, and returns nil then. A round that a database fails is made again.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		err := w.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.report(err)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// report tells the log when rounds begin to fail and when they succeed again.
func (w *Watcher) report(err error) {
	switch {
	case err != nil:
		w.metrics.faults.Inc()
		if !w.broken {
			w.log.Warn("webhooks are not judged for now", zap.Error(err))
		}
	case w.broken:
		w.log.Info("webhooks are judged again")
	}
	w.broken = err != nil
}

// round judges what history learnt since the round before, and those that are failing.
func (w *Watcher) round(ctx context.Context) error {
	began := time.Now()
	if err := w.judgeTouched(ctx); err != nil {
		return err
	}
	if err := w.judgeFailing(ctx); err != nil {
		return err
	}
	w.seen = began
	return nil
}

func (w *Watcher) judgeTouched(ctx context.Context) error {
	after := store.Touched{}
	if !w.seen.IsZero() {
		after.At = w.seen.Add(-overlap)
	}
	for {
		last, err := w.touchedPage(ctx, after)
		if err != nil || last == (store.Touched{}) {
			return err
		}
		after = last
	}
}

// touchedPage judges the next page and returns its last webhook; zero when there is none.
func (w *Watcher) touchedPage(ctx context.Context, after store.Touched) (last store.Touched, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	page, err := w.History.Failing(ctx, after, pageSize)
	if err != nil || len(page) == 0 {
		return store.Touched{}, err
	}
	refs := make([]fanout.Ref, len(page))
	for i, t := range page {
		refs[i] = fanout.Ref{WorkspaceID: t.WorkspaceID, WebhookID: t.WebhookID}
	}
	standings, err := w.Webhooks.Standings(ctx, refs)
	if err != nil {
		return store.Touched{}, err
	}
	return page[len(page)-1], w.judge(ctx, healthy(standings))
}

// healthy keeps those that can become failing.
func healthy(all []subscription.Standing) []subscription.Standing {
	var out []subscription.Standing
	for _, st := range all {
		if st.Enabled && st.Health != subscription.HealthFailing {
			out = append(out, st)
		}
	}
	return out
}

func (w *Watcher) judgeFailing(ctx context.Context) error {
	n := 0
	for after := (fanout.Ref{}); ; {
		page, err := w.failingPage(ctx, after)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after, n = page[len(page)-1].Ref, n+len(page)
	}
	w.metrics.failing.Set(float64(n))
	return nil
}

// failingPage judges the next page and returns it.
func (w *Watcher) failingPage(ctx context.Context, after fanout.Ref) ([]subscription.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	page, err := w.Webhooks.FailingStandings(ctx, after, pageSize)
	if err != nil {
		return nil, err
	}
	return page, w.judge(ctx, page)
}

// judge judges webhooks by their history and acts on each verdict.
func (w *Watcher) judge(ctx context.Context, standings []subscription.Standing) error {
	if len(standings) == 0 {
		return nil
	}
	asked := make([]store.Asked, len(standings))
	for i, st := range standings {
		asked[i] = store.Asked{
			WorkspaceID: st.WorkspaceID, WebhookID: st.WebhookID, From: st.From,
			Run: st.Health != subscription.HealthFailing, // else its row knows how the run began
		}
	}
	healths, err := w.History.Health(ctx, asked)
	if err != nil {
		return err
	}
	for i := range standings {
		if err := w.act(ctx, &standings[i], &healths[i]); err != nil {
			return err
		}
	}
	return nil
}

// act does what follows for a webhook, one change after the other: one that is judged late may have recovered and be
// failing again, or have failed for too long, and each of these is told.
func (w *Watcher) act(ctx context.Context, st *subscription.Standing, h *store.Health) error {
	verdict := Judge(st, h, w.cfg.Limits)
	if verdict == Keep {
		return nil
	}
	next, changed, err := w.change(ctx, *st, h, verdict)
	if err != nil {
		return fmt.Errorf("judge webhook %s: %w", st.WebhookID, err)
	}
	if !changed {
		return nil // another process did it, or its owner changed it
	}
	w.metrics.verdicts.WithLabelValues(verdict.String()).Inc()
	w.log.Info("webhook."+verdict.String(), zap.String("workspace_id", st.WorkspaceID), zap.String("webhook_id", st.WebhookID))
	return w.judge(ctx, []subscription.Standing{next})
}

// change makes one change and returns how the webhook stands then.
func (w *Watcher) change(ctx context.Context, st subscription.Standing, h *store.Health, v Verdict) (_ subscription.Standing, changed bool, err error) {
	judged := st
	switch v {
	case Keep:
	case Fail:
		st.Health, st.FailingSince = subscription.HealthFailing, h.FailingSince
		changed, err = w.Acts.SetHealth(ctx, judged, st.Health, st.FailingSince)
	case Recover:
		st.Health, st.FailingSince = subscription.HealthOK, time.Time{}
		changed, err = w.Acts.SetHealth(ctx, judged, st.Health, st.FailingSince)
	case Disable:
		st.Enabled = false
		changed, err = w.Acts.DisableFailing(ctx, judged)
	}
	return st, changed, err
}
