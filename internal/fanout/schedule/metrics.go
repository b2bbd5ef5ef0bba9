package schedule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Snapshot is what the scheduler holds and did, at one moment.
type Snapshot struct {
	Waiting      int // deliveries
	Backlog      int // of these, those that wait for a slot only (see Scheduler.Backlog)
	InFlight     int // attempts
	OnProbation  int // of these, those of webhooks that do not answer
	OpenBreakers int
	Webhooks     int           // of which anything is known
	OldestWait   time.Duration // 0: nothing waits

	Started, Dropped uint64
	Parked           map[event.Cause]uint64
}

// Snapshot returns the present figures.
func (s *Scheduler) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.snapshot(s.now())
}

func (c *core) snapshot(now int64) Snapshot {
	snap := Snapshot{
		Waiting: c.waiting.n, Backlog: c.lanes[laneProven].waiting, InFlight: c.running,
		OnProbation: c.lanes[laneProbation].running, OpenBreakers: c.stats.breakers, Webhooks: len(c.hooks),
		Started: c.stats.started, Dropped: c.stats.dropped, Parked: make(map[event.Cause]uint64, len(causes)),
	}
	if e := c.waiting.front(); e != nil {
		snap.OldestWait = time.Duration(now - e.value.since)
	}
	for i, cause := range causes {
		snap.Parked[cause] = c.stats.parked[i]
	}
	return snap
}

// waits returns how long deliveries that were started had waited: cumulative counts by upper bound in seconds.
func (s *Scheduler) waits() (count uint64, sum float64, buckets map[float64]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	buckets = make(map[float64]uint64, len(waitBounds))
	for i, bound := range waitBounds {
		count += s.core.stats.waits[i]
		buckets[bound.Seconds()] = count
	}
	return s.core.stats.started, time.Duration(s.core.stats.waited).Seconds(), buckets
}

// collector exports a scheduler's figures. No label names a tenant. What was parked is not among them: whoever parks
// counts it by cause.
type collector struct {
	s                                                                  *Scheduler
	waiting, backlog, inFlight, probation, breakers, known, wait, drop *prometheus.Desc
	oldest                                                             *prometheus.Desc
}

// Register exports s's figures through reg; nil: not at all.
func (s *Scheduler) Register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	return reg.Register(newCollector(s))
}

func newCollector(s *Scheduler) *collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("dispatcher_schedule_"+name, help, nil, nil)
	}
	return &collector{
		s:         s,
		waiting:   desc("waiting", "Deliveries that wait for their start."),
		backlog:   desc("backlog", "Deliveries that wait only because all slots are taken."),
		inFlight:  desc("in_flight", "Attempts that run."),
		probation: desc("probation_in_flight", "Attempts that run for webhooks that do not answer."),
		breakers:  desc("open_breakers", "Webhooks that are left alone because they gave no HTTP answer."),
		known:     desc("webhooks", "Webhooks of which the scheduler keeps state."),
		oldest:    desc("oldest_wait_seconds", "How long the oldest waiting delivery has waited."),
		wait:      desc("wait_seconds", "How long deliveries waited for their start."),
		drop:      desc("dropped_total", "Deliveries given up because their partition was lost or the process ends."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	snap := c.s.Snapshot()
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(c.waiting, float64(snap.Waiting))
	gauge(c.backlog, float64(snap.Backlog))
	gauge(c.inFlight, float64(snap.InFlight))
	gauge(c.probation, float64(snap.OnProbation))
	gauge(c.breakers, float64(snap.OpenBreakers))
	gauge(c.known, float64(snap.Webhooks))
	gauge(c.oldest, snap.OldestWait.Seconds())
	out <- prometheus.MustNewConstMetric(c.drop, prometheus.CounterValue, float64(snap.Dropped))
	count, sum, buckets := c.s.waits()
	out <- prometheus.MustNewConstHistogram(c.wait, count, sum, buckets)
}
