package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// fate is what became of an offered delivery in the model.
type fate int

const (
	held fate = iota
	running
	told
)

// model drives core by random acts and knows of each delivery what must be true of it.
type model struct {
	t     *rapid.T
	c     *core
	now   int64
	fates map[*fanout.Delivery]fate
	since map[*fanout.Delivery]int64
	runs  []*waiting
}

func (m *model) move(d *fanout.Delivery, from, to fate) {
	if m.fates[d] != from {
		m.t.Fatalf("delivery moved from %d to %d but was at %d", from, to, m.fates[d])
	}
	m.fates[d] = to
}

// collect takes answers and starts what may start (invariant once).
func (m *model) collect() {
	for _, a := range m.c.taken() {
		m.move(a.d, held, told)
		if a.notBefore != 0 && a.notBefore < m.now && a.cause != event.CauseBreakerOpen {
			m.t.Fatalf("%s: parked until %v ago", a.cause, time.Duration(m.now-a.notBefore))
		}
	}
	before := m.c.lanes[laneProbation].running
	for {
		w := m.c.next(m.now)
		if w == nil {
			break
		}
		m.move(w.d, held, running)
		if now := m.c.lanes[laneProbation].running; now > before && now > max(1, m.c.cfg.MaxInFlight/2) {
			m.t.Fatalf("%d attempts on probation", now)
		}
		before = m.c.lanes[laneProbation].running
		m.runs = append(m.runs, w)
	}
	m.idleMeansFull()
}

// idleMeansFull: nothing that could start is left while a slot is free.
func (m *model) idleMeansFull() {
	if m.c.stopped || m.c.running >= m.c.cfg.MaxInFlight {
		return
	}
	for l := range m.c.lanes {
		if m.c.lanes[l].shares.n > 0 && m.c.openLane(lane(l)) {
			m.t.Fatalf("lane %d could start something", l)
		}
	}
}

func (m *model) offer(t *rapid.T) {
	d := sized(ref(rapid.IntRange(0, 2).Draw(t, "workspace"), rapid.IntRange(0, 3).Draw(t, "webhook")),
		rapid.SampledFrom([]int{1, 1000, 3000}).Draw(t, "size"))
	d.Trigger = rapid.SampledFrom([]event.Trigger{event.TriggerEvent, event.TriggerTest}).Draw(t, "trigger")
	d.Parked = rapid.IntRange(0, 1).Draw(t, "parked")
	m.fates[d], m.since[d] = held, m.now
	m.c.offer(d, m.now)
}

func (m *model) finish(t *rapid.T) {
	if len(m.runs) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.runs)-1).Draw(t, "which")
	w := m.runs[i]
	m.runs = append(m.runs[:i], m.runs[i+1:]...)
	m.move(w.d, running, told)
	res := rapid.SampledFrom([]fanout.Result{answered, answered, unanswered, {}}).Draw(t, "result")
	pause := rapid.SampledFrom([]int64{0, 0, 0, 0, -sec, 10 * sec}).Draw(t, "pause")
	if pause != 0 {
		pause += m.now
	}
	m.c.finish(w, &res, pause, m.now)
}

func (m *model) pass(t *rapid.T) {
	m.now += rapid.SampledFrom([]int64{1, 10 * ms, 300 * ms, 2 * sec, 7 * sec, 20 * 60 * sec}).Draw(t, "time")
	m.c.tick(m.now)
	for d, f := range m.fates {
		if f != held || m.now-m.since[d] < int64(m.c.cfg.Spill) {
			continue
		}
		for _, a := range m.c.answers {
			if a.d == d {
				f = told
			}
		}
		if f == held {
			m.t.Fatalf("waits for %v", time.Duration(m.now-m.since[d]))
		}
	}
}

func (m *model) purge(t *rapid.T) {
	lost := ref(rapid.IntRange(0, 2).Draw(t, "lost"), 0).WorkspaceID
	m.c.purge(func(d *fanout.Delivery) bool { return d.Ref.WorkspaceID == lost }, m.now)
	for d, f := range m.fates {
		if f == held && d.Ref.WorkspaceID == lost {
			m.move(d, held, held)
		}
	}
}

// TestModel: each delivery is answered once, nothing waits beyond its time, bounds hold and the books balance, whatever
// happens in whatever order.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limited := rapid.Bool().Draw(t, "limited")
		cfg := Config{
			MaxInFlight: rapid.SampledFrom([]int{1, 4, 100}).Draw(t, "slots"), MaxQueue: 4, MaxQueueBytes: 4000,
			MaxBurst: 8, MaxBurstBytes: 8000, Seed: 1,
		}
		if limited {
			cfg.Limits = func(r fanout.Ref) Limits {
				return Limits{Webhook: float64(r.WebhookID[3]-'0') / 2, Workspace: float64(r.WorkspaceID[3]-'0') * 2}
			}
		}
		m := &model{
			t: t, c: testCore(cfg), now: 1,
			fates: map[*fanout.Delivery]fate{}, since: map[*fanout.Delivery]int64{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"offer": m.offer, "offer2": m.offer, "finish": m.finish, "pass": m.pass, "purge": m.purge,
			"": func(t *rapid.T) {
				m.collect()
				verify(t, m.c, m.now)
			},
		})
		m.end()
	})
}

// end stops and sees that every delivery was answered.
func (m *model) end() {
	m.c.stop(m.now)
	m.collect()
	for _, w := range m.runs {
		m.move(w.d, running, told)
		m.c.finish(w, &answered, 0, m.now)
	}
	m.collect()
	verify(m.t, m.c, m.now)
	for _, f := range m.fates {
		if f != told {
			m.t.Fatalf("a delivery was never answered: %d", f)
		}
	}
}
