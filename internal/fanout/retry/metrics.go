package retry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the ladder does.
type Metrics struct {
	hops         prometheus.Counter
	dropped      *prometheus.CounterVec
	poison       prometheus.Counter
	lookupFaults prometheus.Counter
	late         prometheus.Histogram
}

// NewMetrics registers the ladder's metrics with reg; nil keeps them unregistered.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		hops: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_retry_hops_total", Help: "Records that went from one rung of the ladder to another.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_retry_dropped_total",
			Help: "Records that were not tried: cancelled, superseded by a resend, or copies of one that was.",
		}, []string{"why"}),
		poison: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_retry_poison_total", Help: "Records on the ladder that could not be read.",
		}),
		lookupFaults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_retry_override_faults_total",
			Help: "Batches that were tried without knowing of resends, since the database did not answer.",
		}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dispatcher_retry_late_seconds", Help: "Time from a retry's due time to its admission.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 30, 120, 600, 3600},
		}),
	}
	if reg != nil {
		reg.MustRegister(m.hops, m.dropped, m.poison, m.lookupFaults, m.late)
	}
	return m
}

func (m *Metrics) returned(late time.Duration) { m.late.Observe(max(late, 0).Seconds()) }
