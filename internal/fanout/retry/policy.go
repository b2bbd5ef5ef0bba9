package retry

import (
	"net/http"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

const (
	// jitterShare: up to a tenth of a delay is added at random, so that what failed together does not return together.
	jitterShare = 10
	// maxRetryAfter bounds what a receiver may ask for, maxPause how long it may stop its whole webhook by that.
	maxRetryAfter = 24 * time.Hour
	maxPause      = time.Hour
	// grace is how long after its schedule a delivery that had to wait may still be tried.
	grace = 24 * time.Hour
)

// Policy is the rules of retrying; it is pure and implements fanout.Policy.
type Policy struct{ schedule Schedule }

// NewPolicy returns the policy that follows schedule.
func NewPolicy(schedule Schedule) *Policy { return &Policy{schedule} }

// Next implements fanout.Policy. The delay counts from the end of the attempt. Due times are whole milliseconds, as
// history shows them, so that what is shown is what is kept.
func (p *Policy) Next(d *fanout.Delivery, out *fanout.Outcome, random float64) fanout.Decision {
	if out.Succeeded() {
		return fanout.Decision{Status: event.Succeeded}
	}
	if out.HTTPStatus == http.StatusGone {
		return fanout.Decision{Status: event.Failed, Gone: d.Trigger != event.TriggerTest}
	}
	ended := out.Start.Add(out.Duration).Truncate(time.Millisecond)
	asked := retryAfter(out)
	var pause time.Time
	if asked > 0 {
		pause = ended.Add(min(asked, maxPause))
	}
	if d.Single || d.Step >= len(p.schedule) {
		return fanout.Decision{Status: event.Failed, Pause: pause}
	}
	delay := p.schedule[d.Step]
	if asked > delay {
		return fanout.Decision{Status: event.Pending, NextAt: ended.Add(asked), Pause: pause}
	}
	jitter := time.Duration(random * float64(delay/jitterShare)).Truncate(time.Millisecond)
	return fanout.Decision{Status: event.Pending, NextAt: ended.Add(delay + jitter), Pause: pause}
}

// retryAfter is what the receiver asked for, as far as it counts.
func retryAfter(out *fanout.Outcome) time.Duration {
	if out.HTTPStatus != http.StatusTooManyRequests && out.HTTPStatus != http.StatusServiceUnavailable {
		return 0
	}
	return min(max(out.RetryAfter, 0), maxRetryAfter)
}

// Wait implements fanout.Policy: the first time a delivery comes back after the second rung, each further time a rung
// later, up to half an hour.
func (p *Policy) Wait(parked int, now, notBefore time.Time) time.Time {
	const first, last = 1, 5 // 5s and 30m in rungs
	at := now.Truncate(time.Millisecond).Add(rungs[min(first+max(parked-1, 0), last)])
	if at.Before(notBefore) {
		// Up to a whole millisecond, as a record keeps it: back a moment too early, it would be parked once more.
		return notBefore.Add(time.Millisecond - 1).Truncate(time.Millisecond)
	}
	return at
}

// Expires implements fanout.Policy.
func (p *Policy) Expires(created time.Time) time.Time {
	return created.Add(p.schedule.Sum() + grace)
}
