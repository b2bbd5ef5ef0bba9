package schedule

import "time"

// lane says which slots a webhook may use; see openLane.
type lane uint8

const (
	laneProven    lane = iota // answers
	laneFirst                 // on probation, without a running attempt
	laneProbation             // on probation, with some
)

// lanes is how many there are.
const lanes = 3

// laneAt returns where the webhook belongs.
func (h *hook) laneAt(now int64) lane {
	switch {
	case h.proven(now):
		return laneProven
	case h.running == 0:
		return laneFirst
	default:
		return laneProbation
	}
}

// openLane says whether a lane has a slot. Webhooks on probation get half of all slots for their first attempts and a
// quarter for others, so that those that have something to prove do not wait for those that hold slots and are silent.
func (c *core) openLane(l lane) bool {
	switch l {
	case laneProven:
	case laneFirst:
		return c.lanes[laneProbation].running < max(1, c.cfg.MaxInFlight/2)
	case laneProbation:
		return c.lanes[laneProbation].running < c.cfg.MaxInFlight/4
	}
	return c.running < c.cfg.MaxInFlight
}

// Costs: a turn gives quantum, the least that a start costs. What a start costs more is paid by passing turns, at most
// maxCost-1 of them, which bounds the turns that are passed for each start.
const (
	quantum     = 1024
	maxCost     = 16 * quantum
	bytesPerOne = 16 << 10    // bytes that cost one quantum
	nanosPerOne = 100_000_000 // slot time that costs one: 100 ms
)

// cost is the charge of starting size bytes for h: bytes, and the time that its slots are held, which is what others go
// without. An attempt that has been silent for longer than the mean counts as that long.
func cost(h *hook, size int, now int64) int64 {
	took := h.latency
	if h.running > 0 {
		took = max(took, now-h.progress)
	}
	slots := min(took, 64*nanosPerOne) * int64(h.running+1) / (nanosPerOne / quantum)
	return min(maxCost, quantum+int64(size)/(bytesPerOne/quantum)+slots)
}

// turns is one lane: the workspaces that could start something, in turn.
type turns struct {
	shares  list[*share]
	waiting int // deliveries of all webhooks in all shares
	running int
}

// enter gives h its place among those that could start.
func (c *core) enter(h *hook) {
	s := &h.space.shares[h.lane]
	s.turns.pushBack(&h.turn)
	s.waiting += h.queue.n
	if s.turn.listed() {
		c.lanes[h.lane].waiting += h.queue.n
		return
	}
	c.open(s, h.lane)
}

// leave takes h out of them.
func (c *core) leave(h *hook) {
	s := &h.space.shares[h.lane]
	s.turns.remove(&h.turn)
	s.waiting -= h.queue.n
	if !s.turn.listed() {
		return
	}
	c.lanes[h.lane].waiting -= h.queue.n
	if s.turns.n == 0 {
		c.shut(s, h.lane)
	}
}

// counted tells the sums that h's queue changed by n.
func (c *core) counted(h *hook, n int) {
	h.space.waiting += n
	if !h.turn.listed() {
		return
	}
	s := &h.space.shares[h.lane]
	s.waiting += n
	if s.turn.listed() {
		c.lanes[h.lane].waiting += n
	}
}

// open gives a workspace its place in a lane, if it has anything to start.
func (c *core) open(s *share, l lane) {
	if s.turns.n == 0 || s.turn.listed() || s.space.meter.throttled() {
		return
	}
	c.lanes[l].shares.pushBack(&s.turn)
	c.lanes[l].waiting += s.waiting
}

// shut takes it away.
func (c *core) shut(s *share, l lane) {
	if !s.turn.listed() {
		return
	}
	c.lanes[l].shares.remove(&s.turn)
	c.lanes[l].waiting -= s.waiting
}

// place puts h where it belongs: into the right lane, among those that could start or out of them.
func (c *core) place(h *hook, now int64) {
	if want := h.laneAt(now); want != h.lane {
		if h.turn.listed() {
			c.leave(h)
		}
		if h.lane == laneProven {
			c.unproven += h.held
		} else if want == laneProven {
			c.unproven -= h.held
		}
		c.lanes[h.lane].running -= h.running
		c.lanes[want].running += h.running
		h.lane = want
	}
	if can := h.startable(); can != h.turn.listed() {
		if can {
			c.enter(h)
		} else {
			c.leave(h)
		}
	}
}

// next takes the delivery whose turn it is out of its queue; nil when none may start.
func (c *core) next(now int64) *waiting {
	if c.stopped || c.running >= c.cfg.MaxInFlight {
		return nil
	}
	for range 2 * lanes { // twice: a webhook that fell silent may go to a lane that was asked before
		l := c.turn
		c.turn = (c.turn + 1) % lanes
		if c.lanes[l].shares.n == 0 || !c.openLane(l) {
			continue
		}
		if w := c.pick(l, now); w != nil {
			return w
		}
	}
	return nil
}

// pick lets workspaces pass until one may start something.
func (c *core) pick(l lane, now int64) *waiting {
	ring := &c.lanes[l].shares
	for e := ring.front(); e != nil; e = ring.front() {
		s := e.value
		if !earn(&s.deficit) {
			ring.rotate(e)
			continue
		}
		if !c.pay(&s.space.meter, now) {
			for l := range s.space.shares {
				c.shut(&s.space.shares[l], lane(l))
			}
			continue
		}
		h := c.pickHook(s, l, now)
		if h == nil {
			continue // whoever was left could not start, and the share has left the ring
		}
		charge := cost(h, h.queue.front().value.size, now)
		h.deficit -= charge
		s.deficit -= charge
		if s.deficit <= 0 {
			ring.rotate(e)
		}
		if h.deficit <= 0 {
			s.turns.rotate(&h.turn)
		}
		return c.start(h, now)
	}
	return nil
}

// pickHook lets webhooks of s pass until one may start.
func (c *core) pickHook(s *share, l lane, now int64) *hook {
	for e := s.turns.front(); e != nil; e = s.turns.front() {
		h := e.value
		if h.laneAt(now) != l {
			c.place(h, now) // fell silent since it got its place
			continue
		}
		if !earn(&h.deficit) {
			s.turns.rotate(e)
			continue
		}
		c.refresh(h, now)
		if !c.pay(&h.meter, now) {
			c.leave(h)
			continue
		}
		return h
	}
	return nil
}

// earn gives a turn and says whether it may be used: not while what was spent before is unpaid.
func earn(deficit *int64) bool {
	if *deficit <= 0 {
		*deficit += quantum
	}
	return *deficit > 0
}

// askAgain is the longest that a limiter's answer is relied on: limits are changed and removed.
const askAgain = int64(time.Second)

// pay takes a start from m's rate, or throttles m until there is one.
func (c *core) pay(m *meter, now int64) bool {
	if m.rate <= 0 || m.paid {
		return true
	}
	wait := c.cfg.Limiter.Take(m.ref, m.rate, c.base.Add(nanos(now)))
	if wait > 0 {
		m.until = now + min(int64(wait), askAgain)
		c.throttled.push(m)
		return false
	}
	m.paid = true
	return true
}
