package retry

import (
	"strconv"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestRecent(t *testing.T) {
	r := newRecent(10*time.Minute, 1000, nil)
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

// TestRecentStep: of several records of one delivery, only the furthest of each attempt counts, and none of a settled one.
func TestRecentStep(t *testing.T) {
	r := newRecent(10*time.Minute, 1000, nil)
	source := event.Source{Topic: "t"}
	at := func(attempt, parked int) *fanout.Delivery {
		d := delivery("dlv_1", epoch)
		d.Attempt, d.Parked = attempt, parked
		return d
	}
	admits := func(what string, attempt, parked int, want bool) {
		t.Helper()
		source.Offset++
		if got := r.admits(at(attempt, parked), source, epoch); got != want {
			t.Errorf("%s: attempt %d, parked %d: admitted %v", what, attempt, parked, got)
		}
	}
	exists := func(attempt, parked int) { r.exists(r.chainOf(at(1, 1)), stepOf(at(attempt, parked)), epoch) }
	settles := func(attempt uint32) { r.settles(r.chainOf(at(1, 1)), attempt, epoch) }

	admits("first", 2, 0, true)
	exists(2, 1)
	admits("parked since", 2, 0, false)
	admits("the parked one", 2, 1, true)
	exists(3, 0)
	admits("its row may be missing", 2, 2, true)
	admits("first record of a step that was known to exist", 3, 0, true)
	admits("a copy", 3, 0, false)
	exists(4, 0)
	admits("a copy of a record that is not settled", 3, 0, false)
	settles(2)
	admits("settled", 2, 3, false)
	settles(3)
	admits("ended", 3, 1, false)
	admits("the next attempt", 4, 0, true)
	other := at(2, 0)
	other.Chain++
	if !r.admits(other, source, epoch) {
		t.Error("another chain was not admitted")
	}
}

// TestRecentIsBounded: it forgets early rather than grow.
func TestRecentIsBounded(t *testing.T) {
	r := newRecent(time.Hour, 100, nil)
	for i := range 10_000 {
		r.admits(delivery("dlv_"+strconv.Itoa(i), epoch), event.Source{}, epoch)
	}
	if n := len(r.now) + len(r.old); n > 200 {
		t.Fatalf("remembers %d", n)
	}
}
