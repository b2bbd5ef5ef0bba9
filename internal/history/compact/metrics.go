package compact

import "github.com/prometheus/client_golang/prometheus"

// Metrics says how folding goes. No label names a tenant.
type Metrics struct {
	folded *prometheus.CounterVec
	poison *prometheus.CounterVec
	errors prometheus.Counter
	lag    prometheus.Histogram
	took   prometheus.Histogram
	size   prometheus.Histogram
	reg    prometheus.Registerer
}

// NewMetrics registers the metrics with reg; nil keeps them unregistered.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		folded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_history_folded_total", Help: "Records of the history and payload topics that are in the store, by type.",
		}, []string{"type"}),
		poison: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_history_skipped_total", Help: "Records that can never be folded, by reason.",
		}, []string{"reason"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_history_fold_errors_total", Help: "Batches that the database did not take and that are tried again.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dispatcher_history_lag_seconds", Help: "From a record's timestamp to its commit in the store.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 15, 60, 300, 1800, 7200},
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dispatcher_history_fold_seconds", Help: "Time of one batch's transaction.",
			Buckets: prometheus.ExponentialBuckets(.002, 2, 12),
		}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dispatcher_history_batch_records", Help: "Records in one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
		reg: reg,
	}
	if reg != nil {
		reg.MustRegister(m.folded, m.poison, m.errors, m.lag, m.took, m.size)
	}
	return m
}

// watch shows what q holds.
func (m *Metrics) watch(q *queue) {
	if m.reg == nil {
		return
	}
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dispatcher_history_held_bytes", Help: "Bytes of records that wait for the store.",
	}, func() float64 { return float64(q.held()) }))
}
