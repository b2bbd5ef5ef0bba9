package fanout

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Metrics counts what the pipeline does. No label names a tenant or a URL.
type Metrics struct {
	events       *prometheus.CounterVec
	matched      prometheus.Counter
	unlisted     prometheus.Counter
	skipped      prometheus.Counter
	rejected     *prometheus.CounterVec
	dedupeFaults prometheus.Counter
	attempts     *prometheus.CounterVec
	duration     prometheus.Histogram
	ended        *prometheus.CounterVec
	parked       *prometheus.CounterVec
	ownFaults    prometheus.Counter
}

// NewMetrics registers the pipeline's metrics with reg; nil keeps them unregistered.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_events_total",
			Help: "Events taken from the source topics, by what became of them.",
		}, []string{"result"}),
		matched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_deliveries_total", Help: "Deliveries that events gave rise to.",
		}),
		unlisted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_unlisted_events_total", Help: "Events of types that the catalogue does not list.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_null_records_total", Help: "Source records without a value, which are skipped.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_dead_lettered_total", Help: "Source records that are not events, by reason.",
		}, []string{"reason"}),
		dedupeFaults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_dedupe_faults_total",
			Help: "Batches that were delivered without looking for duplicates, since Redis did not answer.",
		}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_attempts_total", Help: "Requests made, by outcome: a status class or an error.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dispatcher_attempt_duration_seconds", Help: "Time from connecting to the last byte kept.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_deliveries_ended_total", Help: "Deliveries that ended, by how.",
		}, []string{"how"}),
		parked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_parked_total", Help: "Deliveries put on the ladder without an attempt, by cause.",
		}, []string{"cause"}),
		ownFaults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_own_faults_total", Help: "Attempts that a fault of this process kept from being made.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.events, m.matched, m.unlisted, m.skipped, m.rejected, m.dedupeFaults, m.attempts, m.duration, m.ended,
			m.parked, m.ownFaults)
	}
	return m
}

// event counts an event that was taken.
func (m *Metrics) event(reason event.MissReason, listed bool, targets int) {
	if !listed {
		m.unlisted.Inc()
	}
	switch {
	case reason != "":
		m.events.WithLabelValues(string(reason)).Inc()
	case targets == 0:
		m.events.WithLabelValues("unmatched").Inc()
	default:
		m.events.WithLabelValues("matched").Inc()
		m.matched.Add(float64(targets))
	}
}

// attempt counts an attempt by status class or error, and the delivery's end if it was the last.
func (m *Metrics) attempt(out *Outcome, dec Decision) {
	outcome := string(out.Error)
	if out.Answered() {
		outcome = strconv.Itoa(out.HTTPStatus/100) + "xx"
	}
	m.attempts.WithLabelValues(outcome).Inc()
	m.duration.Observe(out.Duration.Seconds())
	if dec.Status != event.Pending {
		m.ended.WithLabelValues(string(dec.Status)).Inc()
	}
}
