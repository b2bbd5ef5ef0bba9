package schedule

import "time"

// Breaker figures: it opens after breakerFails attempts in a row without an HTTP answer, and then lets one attempt try
// every breakerFirst…breakerLast, twice as long after each that fails. A try comes after 75–100 % of the pause, so
// that many breakers that opened together do not try together.
const (
	breakerFails = 10
	breakerFirst = 7 * time.Second
	breakerLast  = 60 * time.Second
)

type breakerState uint8

const (
	breakerClosed  breakerState = iota // all may start
	breakerOpen                        // none may start before until
	breakerProbing                     // one may, and it was let in
)

// breaker keeps a webhook that gives no HTTP answers from being tried. An answer of any status closes it: a receiver
// that says 500 is alive.
type breaker struct {
	state breakerState
	fails int           // attempts without an answer in a row
	pause time.Duration // the present one
	until int64         // no probe before this
}

// admit says whether a delivery may be let in; as a probe where probe is true. urgent is a delivery that a person waits
// for: it may probe before its time.
func (b *breaker) admit(now int64, urgent bool) (ok, probe bool) {
	switch b.state {
	case breakerClosed:
		return true, false
	case breakerOpen:
		if now < b.until && !urgent {
			return false, false
		}
		b.state = breakerProbing
		return true, true
	case breakerProbing:
	}
	return false, false
}

// retryAt is when a delivery that was not let in may be let in: from the next probe on, within half of the pause; random
// is in [0, 1). If all that was parked meanwhile came at the probe's moment, all but one would be parked again at once, and
// that burst is what neighbours would feel of a dead webhook.
func (b *breaker) retryAt(now int64, random float64) int64 {
	spread := int64(random * float64(b.pause/2))
	if b.state == breakerProbing {
		return now + int64(b.pause) + spread
	}
	return b.until + spread
}

// answered is told of an attempt that got an HTTP answer.
func (b *breaker) answered() { *b = breaker{} }

// unanswered is told of an attempt without one; random is in [0, 1). It reports whether that opened the breaker.
func (b *breaker) unanswered(now int64, probe bool, random float64) bool {
	b.fails++
	switch b.state {
	case breakerClosed:
		if b.fails < breakerFails {
			return false
		}
	case breakerOpen:
		return false // it started before the breaker opened
	case breakerProbing:
		if !probe {
			return false
		}
	}
	b.state = breakerOpen
	b.pause = min(max(2*b.pause, breakerFirst), breakerLast)
	b.until = now + int64(float64(b.pause)*(0.75+0.25*random))
	return true
}

// unused is told that the probe was not made: the next delivery may be one.
func (b *breaker) unused(now int64) {
	if b.state == breakerProbing {
		b.state, b.until = breakerOpen, now
	}
}
