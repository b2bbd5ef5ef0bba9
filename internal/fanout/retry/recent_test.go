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
	d.Parked++
	expect("parked since", true, there)
	d.Parked--
	d.Attempt++
	expect("the next attempt", true, there)
	d.Attempt--
	d.Chain++
	expect("another chain", true, there)
	d.Chain--
	now = now.Add(10 * time.Minute)
	expect("a copy after ten minutes", false, there)
	expect("the same record after ten minutes", true, here)
	now = now.Add(20 * time.Minute)
	r.admits(delivery("dlv_2", epoch), here, now)
	now = now.Add(20 * time.Minute)
	expect("a copy after forty minutes", true, there)
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
