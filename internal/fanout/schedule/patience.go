package schedule

import (
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

const (
	// patient is how many deliveries may wait only for a slot, for each slot, before intakes are asked to wait: enough
	// that slots never stand empty, and little enough that what waits starts long before Spill.
	patient = 4
	// acquaintance is how long the first attempt of a webhook that nobody knows yet is waited for before more of its
	// deliveries are parked: at first in its own queue, and only when that has taken a burst in the intake. A receiver that
	// lives answers within it; one that does not costs it once.
	acquaintance = int64(250 * time.Millisecond)
	// patienceStep is how long an intake waits before it asks again.
	patienceStep = 3 * time.Millisecond
)

// Hold implements fanout.Scheduler: how long an intake should wait before it offers another delivery of the webhook.
func (s *Scheduler) Hold(ref fanout.Ref) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core.patience(ref, s.now()) {
		return patienceStep
	}
	return 0
}

// patience says whether another delivery had better wait where it is. That keeps a system that is merely behind, or has
// just begun, from parking what it will do in a moment. It never waits for a webhook that is dead, slow or limited.
func (c *core) patience(ref fanout.Ref, now int64) bool {
	if c.stopped {
		return false
	}
	if c.lanes[laneProven].waiting >= patient*c.cfg.MaxInFlight {
		return true
	}
	h := c.hooks[ref]
	return h != nil && h.queue.n > 0 && h.introduced(now) && c.full(h, h.bytes/h.queue.n, now)
}

// introduced says that nobody knows yet whether the webhook answers, and that its first attempt may still do so soon.
func (h *hook) introduced(now int64) bool {
	if h.latency != 0 {
		return false
	}
	began := now
	switch {
	case h.running > 0:
		began = h.progress
	case h.queue.n > 0:
		began = h.queue.front().value.since
	}
	return now-began < acquaintance
}
