package health

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what the watcher does. No label names a tenant.
type metrics struct {
	verdicts *prometheus.CounterVec
	failing  prometheus.Gauge
	faults   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_webhook_verdicts_total",
			Help: "Webhooks that this process found failing, found recovered or disabled for failing, by verdict.",
		}, []string{"verdict"}),
		failing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "dispatcher_failing_webhooks", Help: "Enabled webhooks whose health is failing, as of the last round.",
		}),
		faults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_health_faults_total", Help: "Rounds of judging that a database failed; they are made again.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.verdicts, m.failing, m.faults)
	}
	return m
}
