package retry

import (
	"strconv"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

func TestRecent(t *testing.T) {
	r := newRecent(10*time.Minute, 1000)
	here, there := event.Source{Topic: "t", Offset: 1}, event.Source{Topic: "t", Offset: 2}
	d := delivery("dlv_1", epoch)
	now := epoch
	expect := func(what string, want bool, from event.Source) {
		t.Helper()
		if got := r.admits(d, from, now); got != want {
			t.Errorf("%s: admitted %v, want %v", what, got, want)
		}
	}
	expect("first", true, here)
	expect("a copy", false, there)
	expect("the same record again", true, here)
	now = now.Add(10 * time.Minute)
	expect("a copy after ten minutes", false, there)
	expect("the same record after ten minutes", true, here)
	now = now.Add(20 * time.Minute)
	r.admits(delivery("dlv_2", epoch), here, now)
	now = now.Add(20 * time.Minute)
	r.admits(delivery("dlv_2", epoch), here, now)
	expect("a copy after fifty minutes", true, there)
}

// TestRecentStep: of several records of one delivery, only the furthest counts.
func TestRecentStep(t *testing.T) {
	r := newRecent(10*time.Minute, 1000)
	source := event.Source{Topic: "t"}
	admits := func(attempt, parked, chain int) bool {
		source.Offset++
		d := delivery("dlv_1", epoch)
		d.Attempt, d.Parked, d.Chain = attempt, parked, chain
		return r.admits(d, source, epoch)
	}
	for _, c := range []struct {
		attempt, parked, chain int
		want                   bool
	}{
		{2, 0, 1, true}, {2, 1, 1, true}, {2, 0, 1, false}, {3, 0, 1, true}, {2, 5, 1, false}, {3, 0, 1, false},
		{3, 0, 2, true},
	} {
		if got := admits(c.attempt, c.parked, c.chain); got != c.want {
			t.Errorf("attempt %d, parked %d, chain %d: admitted %v", c.attempt, c.parked, c.chain, got)
		}
	}
	d := delivery("dlv_2", epoch)
	r.knows(r.chainOf(d), stepOf(d), epoch)
	if !r.admits(d, source, epoch) {
		t.Error("the first record of a step that is known to exist was dropped")
	}
	d.Attempt--
	if r.admits(d, source, epoch) {
		t.Error("a record whose successor is known to exist was admitted")
	}
}

// TestRecentIsBounded: it forgets early rather than grow.
func TestRecentIsBounded(t *testing.T) {
	r := newRecent(time.Hour, 100)
	for i := range 10_000 {
		r.admits(delivery("dlv_"+strconv.Itoa(i), epoch), event.Source{}, epoch)
	}
	if n := len(r.now) + len(r.old); n > 200 {
		t.Fatalf("remembers %d", n)
	}
}
