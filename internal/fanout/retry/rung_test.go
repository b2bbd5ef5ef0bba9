package retry

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestTopics(t *testing.T) {
	want := []string{"p.1s", "p.5s", "p.30s", "p.2m", "p.5m", "p.30m", "p.2h", "p.5h", "p.10h"}
	if got := Topics("p"); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
}

func TestRungFor(t *testing.T) {
	for remaining, want := range map[time.Duration]time.Duration{
		-time.Hour: time.Second, 0: time.Second, 4 * time.Second: time.Second,
		5*time.Second - time.Millisecond: 5 * time.Second, 5 * time.Second: 5 * time.Second,
		29 * time.Second: 5 * time.Second, 5 * time.Minute: 5 * time.Minute, 10 * time.Hour: 10 * time.Hour,
		1 << 62: 10 * time.Hour,
	} {
		if got := rungs[rungFor(remaining)]; got != want {
			t.Errorf("%v remain: rung %v, want %v", remaining, got, want)
		}
	}
}

// ladder is a model of the ladder's partitions that keeps up: each rung's records leave in order, none before its time.
type ladder struct {
	rules Returns
	names []string
	rungs [len(rungs)][]*parked
	left  [len(rungs)]time.Time // when the last record left
}

// parked is one delivery on the model's ladder.
type parked struct {
	d     *fanout.Delivery
	since time.Time // on this rung
	start time.Time // first parked
	hops  int
}

func newModel() *ladder {
	l := &ladder{names: Topics(prefix)}
	l.rules.delay = map[string]time.Duration{}
	for i, name := range l.names {
		l.rules.delay[name] = rungs[i]
	}
	return l
}

// park puts p onto its rung. The write takes a few milliseconds, and Kafka keeps whole ones.
func (l *ladder) park(p *parked, now time.Time) {
	rung := rungFor(p.d.DueAt.Sub(now))
	p.since = now.Add(3 * time.Millisecond).Truncate(time.Millisecond)
	l.rungs[rung] = append(l.rungs[rung], p)
}

// head says when the first record of a rung leaves it and whether it then hops: not before those that were ahead of it.
func (l *ladder) head(rung int) (at time.Time, hop bool) {
	p := l.rungs[rung][0]
	w := l.rules.plan(&fanout.Record{Source: event.Source{Topic: l.names[rung]}, Time: p.since}, p.d)
	at = w.at
	for _, other := range [...]time.Time{p.since, l.left[rung]} {
		if at.Before(other) {
			at = other
		}
	}
	return at, w.hop
}

// earliest is when the next record leaves any rung.
func (l *ladder) earliest() (first time.Time, some bool) {
	for i := range l.rungs {
		if len(l.rungs[i]) == 0 {
			continue
		}
		if at, _ := l.head(i); !some || at.Before(first) {
			first, some = at, true
		}
	}
	return first, some
}

// leave lets a record leave at a time that earliest returned: to another rung, or, if it is returned, to its attempt.
func (l *ladder) leave(now time.Time) *parked {
	for i := range l.rungs {
		if len(l.rungs[i]) == 0 {
			continue
		}
		at, hop := l.head(i)
		if !at.Equal(now) {
			continue
		}
		p := l.rungs[i][0]
		l.rungs[i], l.left[i] = l.rungs[i][1:], now
		if !hop {
			return p
		}
		p.hops++
		l.park(p, now)
		return nil
	}
	return nil
}

// alone returns the hops of a delivery that has the ladder to itself.
func alone(due, now time.Time) int {
	l := newModel()
	p := &parked{d: &fanout.Delivery{DueAt: due}}
	l.park(p, now)
	for {
		at, some := l.earliest()
		if !some {
			return p.hops
		}
		l.leave(at)
	}
}

// TestInTime: whatever deliveries share the ladder, none is admitted early, and none later than a tenth of its delay and a
// second after its due time.
func TestInTime(t *testing.T) {
	exact := rapid.SampledFrom(rungs[:])
	other := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "delay"))
	})
	rapid.Check(t, func(t *rapid.T) {
		l, now, open := newModel(), epoch, 0
		for range rapid.IntRange(1, 100).Draw(t, "deliveries") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "after")))
			delay := rapid.OneOf(exact, other).Draw(t, "delay")
			delay += time.Duration(float64(delay/10) * rapid.Float64Range(0, 1).Draw(t, "jitter"))
			l.arrive(t, now, &open)
			l.park(&parked{d: &fanout.Delivery{DueAt: now.Add(delay).Truncate(time.Millisecond)}, start: now}, now)
			open++
		}
		l.arrive(t, epoch.Add(24*time.Hour), &open)
		if open != 0 {
			t.Fatalf("%d never came back", open)
		}
	})
}

// arrive lets all leave that leave before a time, and sees that each is in time.
func (l *ladder) arrive(t *rapid.T, before time.Time, open *int) {
	for {
		at, some := l.earliest()
		if !some || !at.Before(before) {
			return
		}
		p := l.leave(at)
		if p == nil {
			continue
		}
		*open--
		delay := p.d.DueAt.Sub(p.start)
		if late := at.Sub(p.d.DueAt); late < 0 || late > delay/10+time.Second {
			t.Fatalf("a delay of %v: admitted %v after its due time, with %d hops", delay, late, p.hops)
		}
	}
}

// TestHops counts what the default schedule costs beyond one write and one read for each retry.
func TestHops(t *testing.T) {
	for _, tc := range []struct {
		schedule string
		most     int // hops of one retry
	}{
		{standard, 0},
		{"1s,1s,1s", 0},
		// Delays that are no rungs go down the ladder; what counts is how seldom that is for how long they are.
		{"10s,1m,10m,1h,4h,12h,24h", 21}, {"15s,3m,45m,8h", 21},
	} {
		p := NewPolicy(schedule(t, tc.schedule))
		most, all := 0, 0
		for step := range p.schedule {
			for i := range 1000 {
				out := &fanout.Outcome{HTTPStatus: 500, Start: epoch.Add(time.Duration(i) * 123456)}
				due := p.Next(&fanout.Delivery{Step: step}, out, float64(i)/1000).NextAt
				hops := alone(due, out.Start.Add(time.Millisecond))
				most = max(most, hops)
				all += hops
			}
		}
		t.Logf("%s: %.2f hops a retry, at most %d", tc.schedule, float64(all)/float64(1000*len(p.schedule)), most)
		if most > tc.most {
			t.Errorf("%s: %d hops of one retry, want at most %d", tc.schedule, most, tc.most)
		}
	}
}

// TestExactDelaysDoNotHop: a delay of exactly a rung (Retry-After, a delivery parked without an attempt) is over a moment
// before it is written, and takes that rung all the same.
func TestExactDelaysDoNotHop(t *testing.T) {
	p := NewPolicy(nil)
	for n := 1; n < 8; n++ {
		now := epoch.Add(987654321)
		if hops := alone(p.Wait(n, now, time.Time{}), now.Add(5*time.Millisecond)); hops > 0 {
			t.Errorf("parked for the %d. time: %d hops", n, hops)
		}
	}
}
