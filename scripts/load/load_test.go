package main

import (
	"testing"
	"time"
)

func TestEventIDCarriesNumberAndMoment(t *testing.T) {
	due := time.UnixMicro(1_700_000_000_123_456)
	number, at, err := parseID(eventID(42, due))
	if err != nil || number != 42 || at != due.UnixMicro() {
		t.Errorf("parseID = %d, %d, %v; want 42, %d", number, at, err, due.UnixMicro())
	}
	for _, foreign := range []string{"", "evt_1", "load-1", "load-x-1", "load-1-x", "load-1-2-3"} {
		if _, _, err := parseID(foreign); err == nil {
			t.Errorf("parseID(%q) found no fault", foreign)
		}
	}
}

func TestArrivalsAreSummedUpBySpanAndClass(t *testing.T) {
	var a arrivals
	// 100 events, one due each millisecond from 1 s on; the n-th takes n ms.
	for n := range 100 {
		due := int64(1_000_000 + 1000*n)
		a.add(steady, n, due, due+int64(1000*n))
	}
	a.add(steady, 10, 1_010_000, 3_000_000)
	a.add(steady, 11, 1_011_000, 4_000_000)
	a.add(steady, 11, 1_011_000, 5_000_000)
	a.add(apart, 100, 1_000_000, 9_000_000)

	s := a.of(steady, 1_000_000, 1_100_000)
	want := Seen{
		Due: 100, Arrived: 50, P50: 50_000, P99: 99_000, Max: 99_000, Middle: s.Middle,
		Twice: 1, More: 1, Soonest: 1_980_000, Latest: 2_978_000,
	}
	if s != want {
		t.Errorf("of = %+v\nwant %+v", s, want)
	}
	// From 5 % to 95 %, one arrives each 2 ms.
	if s.Middle < 495 || s.Middle > 505 {
		t.Errorf("Middle = %v, want 500", s.Middle)
	}
	if part := a.of(steady, 1_000_000, 1_010_000); part.Due != 10 {
		t.Errorf("due in the first 10 ms: %d, want 10", part.Due)
	}
	if none := a.of(apart, 0, 1); none != (Seen{}) {
		t.Errorf("outside of the span: %+v", none)
	}
}

func TestStreamsAreServedInTheOrderOfTheirTimes(t *testing.T) {
	start := time.UnixMicro(1)
	one := []target{{}}
	slow := &stream{targets: one, perSecond: 10, start: start}
	quick := &stream{targets: one, perSecond: 100, most: 5, start: start}
	idle := &stream{perSecond: 1000, start: start}
	var took []time.Duration
	for range 7 {
		s, at := earliest([]*stream{slow, quick, idle})
		took = append(took, at.Sub(start))
		s.sent++
	}
	want := []int64{0, 0, 10, 20, 30, 40, 100} // ms
	for i := range want {
		if took[i].Milliseconds() != want[i] {
			t.Fatalf("due after %v, want %v ms", took, want)
		}
	}
}

func TestBoundsAreInclusive(t *testing.T) {
	for _, c := range []struct {
		b    bound
		kept bool
	}{
		{bound{value: 0.95, atLeast: true, limit: 0.95}, true},
		{bound{value: 0.94, atLeast: true, limit: 0.95}, false},
		{bound{value: 1.5, limit: 1.5}, true},
		{bound{value: 1.51, limit: 1.5}, false},
	} {
		if c.b.kept() != c.kept {
			t.Errorf("%+v: kept = %v", c.b, c.b.kept())
		}
	}
}
