package retry

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// road is a model of one delivery's way over the ladder, by records that crashes and repeated writes multiply.
type road struct {
	t      *rapid.T
	recent *recent // of the process that owns the partitions at the moment
	other  *recent // of another one, which owned them or will
	log    []*milestone
	rows   map[int]bool // attempts that history has
	made   map[int]int  // requests by attempt
}

// milestone is one record on the ladder.
type milestone struct {
	source event.Source
	d      *fanout.Delivery
	held   *noted // admitted and not done
	done   bool   // committed
}

// Done and the others implement fanout.Ticket: a milestone is its own.
func (m *milestone) Done()                 { m.done, m.held = true, nil }
func (m *milestone) Abandon()              { m.d, m.held = at(m.d.Attempt, int(m.held.at.parked)), nil }
func (*milestone) Abandoned() bool         { return false }
func (*milestone) PartDone(uint64)         {}
func (*milestone) PartWasDone(uint64) bool { return false }

const lastAttempt = 4

var roadTopics = []string{"1s", "5s"}

func at(attempt, parked int) *fanout.Delivery {
	return &fanout.Delivery{ID: "dlv", Chain: 1, Attempt: attempt, Parked: parked}
}

// write puts a record on the ladder, perhaps several times; acked says whether the process hears of it.
func (r *road) write(attempt, parked int, acked bool) {
	topic := rapid.SampledFrom(roadTopics).Draw(r.t, "topic")
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(r.t, "copies") {
		r.log = append(r.log, &milestone{source: event.Source{Topic: topic, Offset: int64(len(r.log))}, d: at(attempt, parked)})
	}
	if acked {
		d := at(attempt, parked)
		r.recent.exists(r.recent.chainOf(d), stepOf(d), epoch)
	}
}

// some returns one of the milestones for which of answers true.
func (r *road) some(of func(*milestone) bool) *milestone {
	var all []*milestone
	for _, m := range r.log {
		if of(m) {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(r.t, "record")
}

// read lets the owner read some record that is not committed, as Returns does.
func (r *road) read() {
	if m := r.some(func(m *milestone) bool { return !m.done && m.held == nil }); m != nil {
		r.recent.exists(r.recent.chainOf(m.d), stepOf(m.d), epoch)
	}
}

// release admits or drops the next record of some topic.
func (r *road) release() bool {
	next := map[string]bool{}
	m := r.some(func(m *milestone) bool {
		if m.done || m.held != nil || next[m.source.Topic] {
			return false
		}
		next[m.source.Topic] = true
		return true
	})
	if m == nil {
		return false
	}
	if !r.recent.admits(m.d, m.source, epoch) {
		m.Done()
		return true
	}
	m.held = &noted{m, r.recent, m.d, m.source, r.recent.chainOf(m.d), stepOf(m.d)}
	return true
}

// finish brings some admitted record to its end: parked, or attempted with what follows. A crash may come before all of
// that is durable, or before the process hears of it.
func (r *road) finish(faults bool) bool {
	m := r.some(func(m *milestone) bool { return m.held != nil })
	if m == nil {
		return false
	}
	fault := func(what string) bool { return faults && rapid.IntRange(0, 3).Draw(r.t, what) == 0 }
	heard := !fault("unheard")
	if m.d.Parked < 3 && rapid.Bool().Draw(r.t, "park") {
		m.d.Parked++
		r.write(m.d.Attempt, m.d.Parked, heard)
	} else {
		heard = r.attempt(m.d.Attempt, fault) && heard
	}
	if !heard {
		r.crash()
		return true
	}
	m.held.Done()
	return true
}

// attempt makes a request and says whether everything that follows from it is durable.
func (r *road) attempt(n int, fault func(string) bool) bool {
	r.made[n]++
	durable := true
	if fault("unrecorded") {
		durable = false
	} else {
		r.rows[n] = true
	}
	switch {
	case n == lastAttempt:
	case fault("unwritten"):
		durable = false
	default:
		r.write(n+1, 0, durable)
	}
	return durable
}

// crash gives everything to a process that knows nothing.
func (r *road) crash() {
	r.recent = newRecent(time.Hour, 1000, roadTopics)
	for _, m := range r.log {
		if m.held != nil {
			m.Abandon()
		}
	}
}

// move gives everything to the other process: what has not started is abandoned.
func (r *road) move() {
	for _, m := range r.log {
		if m.held != nil {
			m.held.Abandon()
		}
	}
	r.recent, r.other = r.other, r.recent
}

// TestRoad: whatever is dropped, the delivery comes to its end and each request has its row; without faults nothing is
// made twice.
func TestRoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &road{t: t, rows: map[int]bool{}, made: map[int]int{}, recent: newRecent(time.Hour, 1000, roadTopics), other: newRecent(time.Hour, 1000, roadTopics)}
		faults := rapid.Bool().Draw(t, "faults")
		r.write(1, 0, true)
		for range rapid.IntRange(0, 60).Draw(t, "acts") {
			switch act := rapid.IntRange(0, 9).Draw(t, "act"); {
			case act == 0 && faults:
				r.crash()
			case act == 1 && faults:
				r.move()
			case act < 4:
				r.read()
			case act < 7:
				r.release()
			default:
				r.finish(faults)
			}
		}
		for r.release() || r.finish(false) {
		}
		if !r.rows[lastAttempt] {
			t.Errorf("lost: requests %v, rows %v", r.made, r.rows)
		}
		for attempt, n := range r.made {
			if !r.rows[attempt] {
				t.Errorf("attempt %d has no row", attempt)
			}
			if !faults && n > 1 {
				t.Errorf("attempt %d was made %d times", attempt, n)
			}
		}
	})
}
