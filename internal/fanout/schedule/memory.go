package schedule

import "github.com/voxagent/dispatcher/internal/fanout"

// hook returns the state of a webhook, new if nothing is known of it.
func (c *core) hook(ref fanout.Ref) *hook {
	if h, ok := c.hooks[ref]; ok {
		return h
	}
	s, ok := c.spaces[ref.WorkspaceID]
	if !ok {
		s = &space{meter: meter{ref: fanout.Ref{WorkspaceID: ref.WorkspaceID}}}
		s.meter.space = s
		for l := range s.shares {
			s.shares[l].space = s
			s.shares[l].turn.value = &s.shares[l]
		}
		c.spaces[ref.WorkspaceID] = s
	}
	s.hooks++
	h := &hook{
		meter: meter{ref: ref, space: s}, space: s, lane: laneFirst,
		limit: float64(min(firstConcurrency, c.cfg.concurrency())),
	}
	h.meter.hook = h
	h.turn.value, h.rest.value = h, h
	c.hooks[ref] = h
	return h
}

// settle puts a webhook that has no work to rest and forgets those that have rested for too long.
func (c *core) settle(h *hook, now int64) {
	if h.queue.n > 0 || h.running > 0 || h.meter.throttled() || h.rest.listed() {
		return
	}
	h.deficit, h.restAt = 0, now
	if h.calm = h.healthy(now); h.calm {
		c.resting.pushBack(&h.rest)
	} else {
		c.troubled.pushBack(&h.rest)
	}
	c.forget(&c.resting, maxResting, restingAge, now)
	c.forget(&c.troubled, maxTroubled, troubledAge, now)
}

// forget drops, of the webhooks in l, those that are too many or too old: two at most, since one comes at a time.
func (c *core) forget(l *list[*hook], most int, age, now int64) {
	for range 2 {
		e := l.front()
		if e == nil || l.n <= most && now-e.value.busyUntil() <= age {
			return
		}
		l.remove(e)
		c.evict(e.value)
	}
}

// busyUntil is when the last thing that must be remembered of a resting webhook ends.
func (h *hook) busyUntil() int64 {
	return max(h.restAt, h.breaker.until, h.pausedUntil, h.meter.horizon)
}

func (c *core) evict(h *hook) {
	delete(c.hooks, h.meter.ref)
	if h.breaker.state != breakerClosed {
		c.stats.breakers--
	}
	if h.space.hooks--; h.space.hooks > 0 {
		return
	}
	if h.space.meter.throttled() {
		c.throttled.remove(&h.space.meter)
	}
	delete(c.spaces, h.space.meter.ref.WorkspaceID)
}

// wake takes h back to work.
func (c *core) wake(h *hook) {
	if h.calm {
		c.resting.remove(&h.rest)
	} else {
		c.troubled.remove(&h.rest)
	}
}

// take returns an empty waiting.
func (c *core) take() *waiting {
	if n := len(c.spare); n > 0 {
		w := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return w
	}
	w := new(waiting)
	w.age.value, w.inQueue.value = w, w
	return w
}

// give ends holding w and keeps it to be used again.
func (c *core) give(w *waiting) {
	c.hold(w.hook, -w.size)
	w.d, w.hook, w.probe = nil, nil, false
	if len(c.spare) < maxSpare {
		c.spare = append(c.spare, w)
	}
}
