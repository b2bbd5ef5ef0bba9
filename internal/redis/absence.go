package redis

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// absence tells an operator that Redis does not answer, and that it does again: a metric at once, the log when it has
// lasted for longer than the pause after which it is asked again, since a single slow call is not worth a line.
type absence struct {
	log      *zap.Logger
	patience time.Duration
	now      func() time.Time
	failing  atomic.Bool // the last call failed

	mu    sync.Mutex
	since time.Time // of the first failure
	said  bool
}

func (a *absence) register(reg prometheus.Registerer) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dispatcher_redis_away", Help: "1 while the last call to Redis failed, else 0.",
	}, func() float64 {
		if a.failing.Load() {
			return 1
		}
		return 0
	}))
}

// note takes the end of a call into account; atOnce: a failure is worth a line by itself.
func (a *absence) note(err error, atOnce bool) {
	if err == nil && !a.failing.Load() {
		return // nearly always
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if err == nil {
		if a.said {
			a.log.Info("Redis answers again", zap.Duration("away", now.Sub(a.since)))
		}
		a.failing.Store(false)
		a.said = false
		return
	}
	if !a.failing.Load() {
		a.since = now
		a.failing.Store(true)
	}
	if !a.said && (atOnce || now.Sub(a.since) >= a.patience) {
		a.said = true
		a.log.Warn("Redis does not answer; going on without it", zap.Error(err))
	}
}
