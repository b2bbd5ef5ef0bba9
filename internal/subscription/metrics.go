package subscription

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what the directory does. No label names a tenant.
type metrics struct {
	hits, misses           prometheus.Counter
	cacheHits, cacheFaults prometheus.Counter
	queries                prometheus.Counter
	blocked                prometheus.Counter
	broken, filterErrors   prometheus.Counter
	pollFaults             prometheus.Counter
}

func newMetrics(d *Directory, reg prometheus.Registerer) *metrics {
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "dispatcher_webhooks_" + name, Help: help})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string, value func() float64) {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "dispatcher_webhooks_" + name, Help: help}, value))
	}
	m := &metrics{
		hits:         counter("memory_hits_total", "Events whose workspace was in memory."),
		misses:       counter("memory_misses_total", "Workspaces that had to be loaded for events."),
		cacheHits:    counter("cache_hits_total", "Workspaces that Redis had."),
		cacheFaults:  counter("cache_faults_total", "Calls to Redis that failed or were not made because it is away."),
		queries:      counter("queries_total", "Queries to the database that loaded workspaces."),
		blocked:      counter("blocked_total", "Times that events waited since neither Redis nor the database answered."),
		broken:       counter("unopened_total", "Webhooks that were needed and cannot be opened with the given encryption keys."),
		filterErrors: counter("filter_errors_total", "Filters that failed on an event, or cost too much."),
		pollFaults:   counter("feed_faults_total", "Failed looks for changes."),
	}
	gauge("stale_seconds", "Time since changes were last read; above 1, changes take longer than promised.",
		func() float64 { return d.Stale().Seconds() })
	gauge("memory_workspaces", "Workspaces in memory.", func() float64 { n, _ := d.near.stats(); return float64(n) })
	gauge("memory_bytes", "Estimated size of the workspaces in memory.", func() float64 { _, b := d.near.stats(); return float64(b) })
	if reg != nil {
		reg.MustRegister(all...)
	}
	return m
}

func (m *metrics) looked(events, missing int) {
	m.hits.Add(float64(events - missing))
	if missing > 0 {
		m.misses.Add(float64(missing))
	}
}
