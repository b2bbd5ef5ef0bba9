package schedule

import (
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// waiting is a delivery that the scheduler holds, from its offer to its answer.
type waiting struct {
	d       *fanout.Delivery
	hook    *hook
	size    int
	since   int64 // offered; once started, when it started
	probe   bool  // the one attempt that an open breaker lets through
	age     node[*waiting]
	inQueue node[*waiting]
}

// urgent says whether a person waits for the delivery.
func urgent(d *fanout.Delivery) bool {
	return d.Trigger == event.TriggerTest || d.Trigger == event.TriggerResend
}

// hook is what the scheduler knows of one webhook that has work, or had some lately.
type hook struct {
	meter   meter
	space   *space
	queue   list[*waiting]
	bytes   int // of the queue
	held    int // bytes of the queue and of what runs
	running int

	limit     float64 // attempts at once, between 1 and Config.concurrency
	reducedAt int64   // when limit was last lowered
	latency   int64   // mean of the attempts lately; 0: unknown
	progress  int64   // when an attempt last ended, or the first of those running started
	answered  bool    // the last attempt that ended was answered

	breaker     breaker
	pausedUntil int64
	limitsAt    int64 // when the limits were looked up; 0: never

	lane    lane
	deficit int64
	turn    node[*hook] // in its share's ring while it could start

	rest   node[*hook] // among those without work
	restAt int64
	calm   bool // rests among the healthy ones
}

// proven says that the webhook answers, and is not silent now.
func (h *hook) proven(now int64) bool {
	return h.answered && (h.running == 0 || now-h.progress <= stall)
}

// learn adjusts latency and concurrency to an attempt that started at start and ended now. The limit rises by about one
// for each limit's worth of answers while the webhook could use more, and is halved once for each round of attempts
// without an answer.
func (h *hook) learn(start, now int64, res *fanout.Result, most float64) {
	took := max(int64(res.Duration), int64(time.Microsecond))
	if h.latency == 0 {
		h.latency = took
	}
	h.latency += (took - h.latency) / latencyWeight
	h.answered = res.Answered
	switch {
	case !res.Answered && start >= h.reducedAt:
		h.limit = max(1, h.limit/2)
		h.reducedAt = now
	case res.Answered && (h.queue.n > 0 || h.running+1 >= int(h.limit)):
		h.limit = min(most, h.limit+1/h.limit)
	}
}

// startable says whether a delivery of the webhook could start now but for the others.
func (h *hook) startable() bool {
	return h.queue.n > 0 && h.running < int(h.limit) && !h.meter.throttled()
}

// healthy says that only latency and proof would be forgotten with the webhook.
func (h *hook) healthy(now int64) bool {
	return h.breaker.fails == 0 && h.pausedUntil <= now && h.meter.horizon <= now
}

// space is a workspace with webhooks that the scheduler knows.
type space struct {
	meter   meter
	hooks   int // known
	waiting int // deliveries
	shares  [lanes]share
}

// share is a workspace's part of a lane: its webhooks that could start, in turn.
type share struct {
	space   *space
	turns   list[*hook]
	waiting int // deliveries of the webhooks in turns
	deficit int64
	turn    node[*share] // in its lane's ring while turns has any and the workspace is not throttled
}
