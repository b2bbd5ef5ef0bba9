package schedule

import (
	"math/rand/v2"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// core holds every rule of the scheduler and nothing else: no clock, no goroutine, no lock, no log. Times are
// nanoseconds since base. Its owner calls it from one goroutine at a time, takes what next returns to be started and
// what answers holds to be told.
type core struct {
	cfg  Config
	rand *rand.Rand
	base time.Time

	hooks     map[fanout.Ref]*hook
	spaces    map[string]*space
	waiting   list[*waiting] // all, oldest first
	throttled heap
	resting   list[*hook] // healthy ones without work, the longest first
	troubled  list[*hook] // others without work

	lanes    [lanes]turns
	turn     lane // whose turn it is
	running  int
	unproven int // bytes held for webhooks on probation
	stopped  bool

	answers []answer   // not told yet
	spare   []*waiting // to be used again
	stats   stats
}

// answer is a delivery that does not start: parked, or dropped where cause is empty.
type answer struct {
	d         *fanout.Delivery
	cause     event.Cause
	notBefore int64 // 0: at once
}

const maxSpare = 4096

func nanos(n int64) time.Duration { return time.Duration(n) }

func newCore(cfg Config, base time.Time) *core {
	c := &core{
		cfg:  cfg,
		rand: rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
		base: base, hooks: make(map[fanout.Ref]*hook), spaces: make(map[string]*space),
	}
	return c
}

// offer takes a delivery over: it waits from now on, or is among answers.
func (c *core) offer(d *fanout.Delivery, now int64) {
	if c.stopped {
		c.drop(d)
		return
	}
	h := c.hook(d.Ref)
	c.refresh(h, now)
	c.place(h, now)
	w, cause, notBefore := c.admit(h, d, now)
	if w == nil {
		c.park(d, cause, notBefore)
		c.settle(h, now)
		return
	}
	if h.rest.listed() {
		c.wake(h)
	}
	c.waiting.pushBack(&w.age)
	h.queue.pushBack(&w.inQueue)
	c.hold(h, w.size)
	h.bytes += w.size
	c.counted(h, 1)
	c.place(h, now)
}

// admit says why d may not wait here, or returns it as one that does.
func (c *core) admit(h *hook, d *fanout.Delivery, now int64) (*waiting, event.Cause, int64) {
	if now < h.pausedUntil {
		return nil, event.CauseRetryAfter, h.pausedUntil
	}
	for _, m := range [...]*meter{&h.meter, &h.space.meter} {
		if at, ok := c.beyondRate(m, d, now); ok {
			return nil, event.CauseRateLimited, at
		}
	}
	size := d.Size() + overhead
	if c.full(h, size, now) {
		return nil, event.CauseQueueFull, 0
	}
	ok, probe := h.breaker.admit(now, urgent(d))
	if !ok {
		return nil, event.CauseBreakerOpen, h.breaker.retryAt(now, c.rand.Float64())
	}
	w := c.take()
	w.d, w.hook, w.size, w.since, w.probe = d, h, size, now, probe
	return w, "", 0
}

// full says whether another delivery of size bytes is too much for h's queue. A webhook on probation gets a quarter of
// the usual queue (a burst, while it is about to answer for the first time), and all of those together MaxUnprovenBytes,
// so that what black holes hold leaves room for others. One that keeps up may hold a burst that clears within half of
// Spill.
func (c *core) full(h *hook, size int, now int64) bool {
	n, bytes := h.queue.n+1, h.bytes+size
	if h.lane != laneProven {
		if n == 1 {
			return c.unproven+size > 2*c.cfg.MaxUnprovenBytes
		}
		most, mostBytes := max(1, c.cfg.MaxQueue/4), c.cfg.MaxQueueBytes
		if h.introduced(now) {
			most, mostBytes = c.cfg.MaxBurst, mostBytes/2
		}
		return n > most || bytes > mostBytes || c.unproven+size > c.cfg.MaxUnprovenBytes
	}
	if n == 1 || n <= c.cfg.MaxQueue && bytes <= c.cfg.MaxQueueBytes {
		return false
	}
	if n > c.cfg.MaxBurst || bytes > c.cfg.MaxBurstBytes {
		return true
	}
	return float64(n)*float64(h.latency)/h.limit > float64(c.cfg.Spill/2)
}

// beyondRate says whether d could not start within Spill at m's rate, and when it could. One that was not parked before
// goes behind those that were and hold a promise.
func (c *core) beyondRate(m *meter, d *fanout.Delivery, now int64) (int64, bool) {
	if m.rate <= 0 {
		return 0, false
	}
	behind := m.horizon > now+int64(c.cfg.Spill) && d.Parked == 0 && !urgent(d)
	if !behind && m.waiting() < m.room(int64(c.cfg.Spill)) {
		return 0, false
	}
	return m.reserve(now, m.waiting()), true
}

// waiting is how many deliveries wait under the meter.
func (m *meter) waiting() int {
	if m.hook != nil {
		return m.hook.queue.n
	}
	return m.space.waiting
}

// refresh looks up the limits, unless that was done just now.
func (c *core) refresh(h *hook, now int64) {
	if h.limitsAt != 0 && now-h.limitsAt < limitsAge {
		return
	}
	limits := c.cfg.Limits(h.meter.ref)
	h.limitsAt = max(now, 1)
	h.meter.rate, h.space.meter.rate = limits.Webhook, limits.Workspace
}

// start takes the oldest delivery out of h's queue to be attempted.
func (c *core) start(h *hook, now int64) *waiting {
	w := h.queue.front().value
	c.unqueue(w)
	if h.running == 0 {
		h.progress = now
	}
	h.running++
	c.running++
	c.lanes[h.lane].running++
	h.meter.paid, h.space.meter.paid = false, false
	c.stats.start(now - w.since)
	w.since = now
	c.place(h, now)
	return w
}

// hold counts bytes that are held for h from offer to answer.
func (c *core) hold(h *hook, bytes int) {
	h.held += bytes
	if h.lane != laneProven {
		c.unproven += bytes
	}
}

// unqueue takes w out of what waits.
func (c *core) unqueue(w *waiting) {
	h := w.hook
	c.waiting.remove(&w.age)
	c.counted(h, -1)
	h.queue.remove(&w.inQueue)
	h.bytes -= w.size
}

// finish is told how the attempt of w ended; pause is res.PauseUntil, or 0.
func (c *core) finish(w *waiting, res *fanout.Result, pause, now int64) {
	h := w.hook
	h.running--
	c.running--
	c.lanes[h.lane].running--
	h.progress = now
	c.judge(w, res, now)
	if pause > now && pause > h.pausedUntil {
		h.pausedUntil = pause
		c.parkAll(h, event.CauseRetryAfter, func() int64 { return pause })
	}
	c.give(w)
	c.place(h, now)
	c.settle(h, now)
}

// judge lets h's concurrency and breaker learn from the attempt.
func (c *core) judge(w *waiting, res *fanout.Result, now int64) {
	h := w.hook
	if !res.Attempted {
		if w.probe {
			h.breaker.unused(now)
		}
		return
	}
	h.learn(w.since, now, res, float64(c.cfg.concurrency()))
	was := h.breaker.state
	switch {
	case res.Answered:
		h.breaker.answered()
		if was != breakerClosed {
			c.stats.breakers--
		}
	case h.breaker.unanswered(now, w.probe, c.rand.Float64()):
		if was == breakerClosed {
			c.stats.breakers++
		}
		c.parkAll(h, event.CauseBreakerOpen, func() int64 { return h.breaker.retryAt(now, c.rand.Float64()) })
	}
}

// tick does what the time asks for: at most some hundred things, so that the lock is never held for long. The owner
// asks wakeAt when to call again.
func (c *core) tick(now int64) {
	const most = 512
	for range most {
		e := c.waiting.front()
		if e == nil || e.value.since+int64(c.cfg.Spill) > now {
			break
		}
		c.spill(e.value, now)
	}
	for n := 0; n < most && len(c.throttled) > 0 && c.throttled[0].until <= now; n++ {
		c.release(c.throttled[0], now)
	}
}

// wakeAt is when tick has something to do; false: nothing waits for a time.
func (c *core) wakeAt() (int64, bool) {
	at, some := int64(0), false
	if e := c.waiting.front(); e != nil {
		at, some = e.value.since+int64(c.cfg.Spill), true
	}
	if len(c.throttled) > 0 && (!some || c.throttled[0].until < at) {
		at, some = c.throttled[0].until, true
	}
	return at, some
}

// spill parks a delivery that could not start in time, and says what kept it.
func (c *core) spill(w *waiting, now int64) {
	h := w.hook
	cause, notBefore := event.CauseQueueFull, int64(0)
	for _, m := range [...]*meter{&h.meter, &h.space.meter} {
		if m.throttled() {
			cause, notBefore = event.CauseRateLimited, m.reserve(now, m.waiting())
			break
		}
	}
	c.remove(w, now)
	c.park(w.d, cause, notBefore)
	c.give(w)
	c.place(h, now)
	c.settle(h, now)
}

// release lets a throttled webhook or workspace ask for a start again.
func (c *core) release(m *meter, now int64) {
	c.throttled.remove(m)
	if m.hook != nil {
		c.place(m.hook, now)
		c.settle(m.hook, now)
		return
	}
	for l := range m.space.shares {
		c.open(&m.space.shares[l], lane(l))
	}
}

// remove takes w out of the queue without a start.
func (c *core) remove(w *waiting, now int64) {
	c.unqueue(w)
	if w.probe {
		w.hook.breaker.unused(now)
	}
}

// purge drops what waits and is lost.
func (c *core) purge(lost func(*fanout.Delivery) bool, now int64) {
	for e := c.waiting.front(); e != nil; {
		w := e.value
		e = c.waiting.after(e)
		if !lost(w.d) {
			continue
		}
		c.remove(w, now)
		c.drop(w.d)
		h := w.hook
		c.give(w)
		c.place(h, now)
		c.settle(h, now)
	}
}

// stop ends starting for good and drops all that waits.
func (c *core) stop(now int64) {
	c.stopped = true
	c.purge(func(*fanout.Delivery) bool { return true }, now)
}

// parkAll parks whatever waits for h, each delivery until what notBefore says.
func (c *core) parkAll(h *hook, cause event.Cause, notBefore func() int64) {
	for e := h.queue.front(); e != nil; e = h.queue.front() {
		w := e.value
		c.unqueue(w)
		at := notBefore()
		if w.probe {
			h.breaker.unused(at)
		}
		c.park(w.d, cause, at)
		c.give(w)
	}
}

func (c *core) park(d *fanout.Delivery, cause event.Cause, notBefore int64) {
	c.stats.park(cause)
	c.answers = append(c.answers, answer{d, cause, notBefore})
}

func (c *core) drop(d *fanout.Delivery) {
	c.stats.dropped++
	c.answers = append(c.answers, answer{d: d})
}
