package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// eventID names an event by its number and the moment, in microseconds, at which it was due to be published.
func eventID(number int, due time.Time) string {
	return fmt.Sprintf("load-%d-%d", number, due.UnixMicro())
}

// parseID reads what eventID wrote.
func parseID(id string) (number int, due int64, err error) {
	parts := strings.Split(id, "-")
	if len(parts) != 3 {
		return 0, 0, fmt.Errorf("event id %q is not of this program", id)
	}
	if number, err = strconv.Atoi(parts[1]); err != nil {
		return 0, 0, fmt.Errorf("event id %q: %w", id, err)
	}
	if due, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
		return 0, 0, fmt.Errorf("event id %q: %w", id, err)
	}
	return number, due, nil
}

// class is which receivers an event goes to.
type class uint8

const (
	steady class = iota + 1 // those that are judged
	apart                   // those whose effect on the others is
)

// arrival is what the receiver saw of one event. Times are microseconds of the epoch.
type arrival struct {
	due, first, second int64 // second: of the second request; 0: there was none
	requests           uint16
	class              class
}

// arrivals are all that the receiver saw since it was reset, by the events' numbers.
type arrivals struct {
	mu   sync.Mutex
	seen []arrival
	// first and more count first and further requests by class.
	first, more [apart + 1]int
}

func (a *arrivals) add(c class, number int, due, now int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if missing := number + 1 - len(a.seen); missing > 0 {
		a.seen = append(a.seen, make([]arrival, missing)...)
	}
	s := &a.seen[number]
	s.requests++
	switch s.requests {
	case 1:
		s.class, s.due, s.first = c, due, now
		a.first[c]++
		return
	case 2:
		s.second = now
	}
	a.more[c]++
}

// Seen is what the receiver tells about a class of events that were due in a span of time.
type Seen struct {
	// Due and Arrived count events: those that were due in the span and came at all, and those that came in it.
	Due, Arrived int
	// P50, P99 and Max are of the time from due to arrival, in microseconds; Middle is the events a second between
	// the first and the last twentieth of arrivals.
	P50, P99, Max int64
	Middle        float64
	// Twice and More count events that came exactly two times and oftener; Soonest and Latest are the least and the
	// most time between the first two requests, in microseconds.
	Twice, More     int
	Soonest, Latest int64
}

// of sums up the events of a class that were due from from to to, in microseconds of the epoch.
func (a *arrivals) of(c class, from, to int64) Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	var s Seen
	var took, at []int64
	for i := range a.seen {
		one := &a.seen[i]
		if one.class != c || one.requests == 0 {
			continue
		}
		if one.first >= from && one.first < to {
			s.Arrived++
		}
		if one.due < from || one.due >= to {
			continue
		}
		took, at = append(took, one.first-one.due), append(at, one.first)
		s.again(one)
	}
	s.Due = len(took)
	if s.Due == 0 {
		return s
	}
	slices.Sort(took)
	slices.Sort(at)
	s.P50, s.P99, s.Max = quantile(took, 0.5), quantile(took, 0.99), took[len(took)-1]
	early, late := len(at)/20, len(at)-1-len(at)/20
	if span := at[late] - at[early]; span > 0 {
		s.Middle = float64(late-early) / (float64(span) / 1e6)
	}
	return s
}

// again notes an event's further requests.
func (s *Seen) again(one *arrival) {
	switch {
	case one.requests == 2:
		s.Twice++
	case one.requests > 2:
		s.More++
	}
	if one.requests < 2 {
		return
	}
	gap := one.second - one.first
	if s.Soonest == 0 || gap < s.Soonest {
		s.Soonest = gap
	}
	s.Latest = max(s.Latest, gap)
}

// quantile of sorted values, of which there is one at least: the least one that a share q of them does not exceed.
func quantile(sorted []int64, q float64) int64 {
	i := int(q * float64(len(sorted)))
	return sorted[min(i, len(sorted)-1)]
}
