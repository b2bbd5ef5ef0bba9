package kafka

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the measurements of this package, shared by all producers, fetchers and groups of a process.
type Metrics struct {
	reg            prometheus.Registerer
	produced       *prometheus.CounterVec
	produceErrors  *prometheus.CounterVec
	produceSeconds prometheus.Histogram
	fetched        *prometheus.CounterVec
	fetchedBytes   *prometheus.CounterVec
	fetchErrors    *prometheus.CounterVec
	fetchRequests  *prometheus.CounterVec
	rebalances     *prometheus.CounterVec
	heartbeatFails *prometheus.CounterVec
}

// NewMetrics registers the metrics; a nil registerer keeps them to themselves.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{reg: reg}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dispatcher_kafka_" + name, Help: help}, labels)
	}
	m.produced = counter("produced_records_total", "Records that all in-sync replicas acknowledged.", "topic")
	m.produceErrors = counter("produce_errors_total", "Refused or failed batches, by cause; they are tried again.",
		"topic", "reason")
	m.produceSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "dispatcher_kafka_produce_seconds", Help: "Time of a produce request.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	})
	m.fetched = counter("fetched_records_total", "Records fetched.", "group", "topic")
	m.fetchedBytes = counter("fetched_bytes_total", "Bytes of fetched records, decompressed.", "group", "topic")
	m.fetchErrors = counter("fetch_errors_total", "Failed fetches, by cause; they are tried again.", "group", "reason")
	m.fetchRequests = counter("fetch_requests_total", "Fetch requests.", "group")
	m.rebalances = counter("rebalances_total", "Generations that this process joined.", "group")
	m.heartbeatFails = counter("heartbeat_errors_total", "Failed heartbeats, by cause.", "group", "reason")
	m.register(m.produced, m.produceErrors, m.produceSeconds, m.fetched, m.fetchedBytes, m.fetchErrors,
		m.fetchRequests, m.rebalances, m.heartbeatFails)
	return m
}

// register keeps a second registration of the same name from failing: the first stays.
func (m *Metrics) register(cs ...prometheus.Collector) {
	if m.reg == nil {
		return
	}
	for _, c := range cs {
		_ = m.reg.Register(c) // only fails for a name that is taken
	}
}

func (m *Metrics) orNone() *Metrics {
	if m == nil {
		return NewMetrics(nil)
	}
	return m
}

func (m *Metrics) watchProducer(p *Producer) {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "dispatcher_kafka_producer_" + name, Help: help}, read)
	}
	m.register(
		gauge("queued_bytes", "Bytes of records that wait for their acknowledgement.", func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return float64(p.bytes)
		}),
		gauge("queued_records", "Records that wait for their acknowledgement.", func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return float64(p.outstanding)
		}),
		gauge("oldest_seconds", "Age of the oldest record that waits for its acknowledgement.", func() float64 {
			return p.OldestAge(time.Now()).Seconds()
		}),
	)
}

// OldestAge is how long the oldest record waits for its acknowledgement; zero: none waits.
func (p *Producer) OldestAge(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := now.UnixMilli()
	for _, t := range p.topics {
		for _, it := range t.unassigned[:min(1, len(t.unassigned))] {
			oldest = min(oldest, it.time)
		}
		for _, part := range t.all() {
			for _, queue := range [][]item{part.sending, part.queue} {
				for _, it := range queue[:min(1, len(queue))] {
					oldest = min(oldest, it.time)
				}
			}
		}
	}
	return now.Sub(time.UnixMilli(oldest))
}
