package consumer

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the measurements of one consumer, labelled with its group.
type metrics struct {
	c            *Consumer
	records      *prometheus.CounterVec
	bytes        *prometheus.CounterVec
	lost         *prometheus.CounterVec
	losses       *prometheus.CounterVec
	commits      prometheus.Counter
	commitErrors prometheus.Counter
	rebalances   prometheus.Counter
	keysLeftOut  prometheus.Counter

	assigned, joined, open, uncommitted, oldest, lag, fill *prometheus.Desc
}

func newMetrics(c *Consumer) *metrics {
	group := prometheus.Labels{"group": c.cfg.Group}
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dispatcher_consumer_" + name, Help: help, ConstLabels: group,
		}, []string{"topic"})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dispatcher_consumer_" + name, Help: help, ConstLabels: group,
		})
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("dispatcher_consumer_"+name, help, labels, group)
	}
	m := &metrics{
		c:            c,
		records:      vec("records_total", "Records read."),
		bytes:        vec("bytes_total", "Bytes of records read."),
		lost:         vec("lost_records_total", "Records that were deleted before they were read."),
		losses:       vec("losses_total", "How often a position was not in the log any more."),
		commits:      counter("commits_total", "Commits that the coordinator took."),
		commitErrors: counter("commit_errors_total", "Commits that failed; they are tried again."),
		rebalances:   counter("rebalances_total", "Generations joined."),
		keysLeftOut: counter("metadata_keys_left_out_total",
			"Done parts that did not fit into a commit's metadata: a crash would repeat them."),
		assigned: desc("assigned_partitions", "Partitions owned."),
		joined:   desc("joined", "1 while the group is settled and knows this process."),
		open:     desc("open_records", "Records handed out and not finished.", "topic"),
		uncommitted: desc("uncommitted_records",
			"Records finished since the last commit that was taken: with open_records all that a crash would repeat.", "topic"),
		oldest: desc("oldest_unfinished_seconds",
			"Age of the oldest record that was handed out and is not finished, over all owned partitions.", "topic"),
		lag:  desc("lag_records", "Records that were not handed out yet, as far as known.", "topic"),
		fill: desc("window_fill_ratio", "How full the fullest window of open offsets is; fetching rests at 0.75.", "topic"),
	}
	if c.cfg.Registerer != nil {
		c.cfg.Registerer.MustRegister(m.records, m.bytes, m.lost, m.losses, m.commits, m.commitErrors, m.rebalances,
			m.keysLeftOut, m)
	}
	return m
}

func (m *metrics) read(topic string, records, bytes int) {
	m.records.WithLabelValues(topic).Add(float64(records))
	m.bytes.WithLabelValues(topic).Add(float64(bytes))
}

func (m *metrics) leftOut(keys int) { m.keysLeftOut.Add(float64(keys)) }

// Describe sends the descriptions of the gauges that are read when asked for.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.assigned, m.joined, m.open, m.uncommitted, m.oldest, m.lag, m.fill} {
		ch <- d
	}
}

// Collect reads the gauges.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	h := m.c.Health()
	joined := 0.0
	if h.Joined {
		joined = 1
	}
	type topic struct{ open, uncommitted, oldest, lag, fill float64 }
	topics := make(map[string]topic)
	for _, name := range m.c.cfg.Topics {
		topics[name] = topic{}
	}
	for _, p := range h.Partitions {
		t := topics[p.Topic]
		t.open += float64(p.Open)
		t.uncommitted += float64(p.Uncommitted)
		t.oldest = max(t.oldest, p.OldestAge.Seconds())
		t.lag += float64(max(p.End-p.Next, 0))
		t.fill = max(t.fill, p.Fill)
		topics[p.Topic] = t
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.assigned, float64(len(h.Partitions)))
	gauge(m.joined, joined)
	for name, t := range topics {
		gauge(m.open, t.open, name)
		gauge(m.uncommitted, t.uncommitted, name)
		gauge(m.oldest, t.oldest, name)
		gauge(m.lag, t.lag, name)
		gauge(m.fill, t.fill, name)
	}
}
