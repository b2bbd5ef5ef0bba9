package main

import (
	"cmp"
	"slices"
	"time"
)

// disturbance is a time in which the work of dispatchers may be repeated: by others, or by themselves later.
type disturbance struct {
	what   cause
	sender string // the process that suffers; empty: see number
	number int    // the dispatcher that suffers, where sender is empty; 0: all
	from   time.Time
	to     time.Time
	// allowed is how many requests may be repeated, where the process was asked before it was killed; -1: those that it had
	// open in this time or ended shortly before.
	allowed int
}

// cause of repeats.
type cause uint8

const (
	byKill   cause = iota // a dispatcher died
	byFreeze              // a dispatcher stood still for longer than its session, then went on
	byKafka               // Kafka, or the way to it, was broken on purpose
	byCommit              // a dispatcher says that it could not commit or join in time: the machine is too slow
	byCopy                // the attempt before was repeated, and each of its requests asked the ladder for this one
	causes
)

var causeNames = [causes]string{
	byKill: "kill -9", byFreeze: "freezing", byKafka: "broken Kafka", byCommit: "commits that failed by themselves",
	byCopy: "an attempt before that was repeated",
}

const (
	// commitSlack is how long before the disturbance a request may have ended without its end being committed: its record
	// must be acknowledged, the commit interval of 250 ms passes, and the commit itself be acknowledged. All of that is
	// milliseconds on an idle machine, and the disturbance may have begun in the midst of it.
	commitSlack = 3 * time.Second
	// arrivalSlack is how long after a process was killed its last requests may still arrive at a receiver.
	arrivalSlack = 500 * time.Millisecond
)

// repeats are the requests that receivers saw more than once, by cause.
type repeats struct {
	by          [causes]tally
	unexplained []string
	explained   []string
}

// tally counts disturbances of one cause, what they repeated and what they may have repeated.
type tally struct{ times, seen, most, allowed, mostAllowed int }

func (t *tally) add(seen, allowed int) {
	t.times++
	t.seen += seen
	t.allowed += allowed
	t.most, t.mostAllowed = max(t.most, seen), max(t.mostAllowed, allowed)
}

func (t *tally) merge(o tally) {
	t.times, t.seen, t.allowed = t.times+o.times, t.seen+o.seen, t.allowed+o.allowed
	t.most, t.mostAllowed = max(t.most, o.most), max(t.mostAllowed, o.mostAllowed)
}

// account is a disturbance with what it repeated so far and what it may.
type account struct {
	disturbance
	seen, allowed int
}

// countRepeats finds what was requested twice and explains it. A repeat of an attempt whose predecessor was repeated as
// often follows from that; the others are explained by the disturbances, each up to what it allows, those with the narrowest
// bounds first.
func countRepeats(requests []request, disturbances []disturbance) repeats {
	accounts := make([]account, len(disturbances))
	for i, d := range disturbances {
		accounts[i] = account{disturbance: d, allowed: d.bound(requests)}
	}
	slices.SortStableFunc(accounts, func(a, b account) int { return cmp.Compare(a.what, b.what) })
	deliveries := make(map[string][]*request)
	for i := range requests {
		deliveries[requests[i].delivery] = append(deliveries[requests[i].delivery], &requests[i])
	}
	var r repeats
	for _, all := range deliveries {
		slices.SortFunc(all, func(a, b *request) int { return a.begin.Compare(b.begin) })
		for n, again := range all {
			before := all[:n]
			switch times := count(before, again.number); {
			case times == 0:
			case times < count(before, again.number-1):
				r.by[byCopy].add(1, 1)
				r.note(byCopy, again, all)
			default:
				r.explain(accounts, again, all, n)
			}
		}
	}
	for _, a := range accounts {
		r.by[a.what].add(a.seen, a.allowed)
	}
	return r
}

// explain charges the n-th request of a delivery, a repeat, to the first account that takes it.
func (r *repeats) explain(accounts []account, again *request, all []*request, n int) {
	at := slices.IndexFunc(accounts, func(a account) bool { return a.seen < a.allowed && a.explains(again, all[:n]) })
	if at < 0 {
		r.unexplained = append(r.unexplained, describeRepeat(again.attemptKey, all))
		return
	}
	accounts[at].seen++
	r.note(accounts[at].what, again, all)
}

func (r *repeats) note(what cause, again *request, all []*request) {
	r.explained = append(r.explained, causeNames[what]+": "+describeRepeat(again.attemptKey, all))
}

func count(requests []*request, number int) int {
	n := 0
	for _, q := range requests {
		if q.number == number {
			n++
		}
	}
	return n
}

// bound is how many requests may be repeated.
func (d *disturbance) bound(requests []request) int {
	if d.allowed >= 0 {
		return d.allowed
	}
	n := 0
	for i := range requests {
		if d.touches(&requests[i]) {
			n++
		}
	}
	return n
}

// explains says whether the repeated request may be on account of the disturbance: an earlier one of the same delivery was
// touched by it. It need not be of the same attempt: the record that asks for the next attempt may have been written twice,
// when Kafka's acknowledgement of the first was lost.
func (d *disturbance) explains(again *request, before []*request) bool {
	return slices.ContainsFunc(before, func(q *request) bool {
		return d.touches(q) && (q.number == again.number || d.what != byKill && q.number < again.number)
	})
}

// touches says whether the request was open in the disturbance, or had ended shortly before.
func (d *disturbance) touches(q *request) bool {
	if d.sender != "" && d.sender != q.sender {
		return false
	}
	if d.number != 0 && d.number != senderNumber(q.sender) {
		return false
	}
	if q.begin.After(d.to.Add(arrivalSlack)) {
		return false
	}
	return q.end.IsZero() || !q.end.Before(d.from.Add(-commitSlack))
}

// senderNumber is the dispatcher's number in the name of its process.
func senderNumber(sender string) int {
	n := 0
	for _, c := range sender {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}
