package simulation

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// behaviours of receivers; each webhook's id ends with its own.
var behaviours = []string{"good", "broken", "flaky", "hanging"}

const requestTimeout = 5 * time.Second

// receivers answers requests: a function of seed, webhook, event and attempt, and of whether all hang at the moment.
type receivers struct {
	seed   uint64
	ledger *ledger

	mu        sync.Mutex
	hangUntil time.Time
}

func (r *receivers) hang(until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hangUntil = until
}

func (r *receivers) hanging() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.hangUntil)
}

// answer is what a receiver does with one request.
type answer struct {
	after      time.Duration
	status     int // 0: none before the deadline
	reset      bool
	retryAfter time.Duration
}

func (r *receivers) answer(d *fanout.Delivery) answer {
	if r.hanging() {
		return answer{after: requestTimeout}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(d.ID + strconv.Itoa(d.Attempt)))
	rnd := rand.New(rand.NewPCG(r.seed, h.Sum64()))
	quick := time.Duration(20+rnd.IntN(400)) * time.Millisecond
	switch kind := d.Ref.WebhookID[strings.LastIndexByte(d.Ref.WebhookID, '_')+1:]; kind {
	case "good":
		return answer{after: quick, status: 200}
	case "broken":
		return answer{after: quick, status: 500}
	case "hanging":
		if rnd.IntN(12) == 0 {
			return answer{after: quick, status: 204}
		}
		return answer{after: requestTimeout}
	}
	switch rnd.IntN(10) {
	case 0, 1, 2:
		return answer{after: quick, status: 200}
	case 3:
		return answer{after: time.Duration(rnd.IntN(4900)) * time.Millisecond, status: 503}
	case 4:
		return answer{after: quick, status: 429, retryAfter: time.Duration(1+rnd.IntN(600)) * time.Second}
	case 5:
		return answer{after: quick, reset: true}
	case 6:
		return answer{after: requestTimeout}
	default:
		return answer{after: quick, status: 502}
	}
}

var errCrashed = errors.New("the process is gone")

// sender is one instance's way to the receivers.
type sender struct {
	*receivers
	life *life
}

// Send implements fanout.Sender.
func (s *sender) Send(ctx context.Context, target *fanout.Target, d *fanout.Delivery) (fanout.Outcome, error) {
	if s.life.over() {
		return fanout.Outcome{}, errCrashed
	}
	a := s.answer(d)
	out := fanout.Outcome{Start: time.Now(), RequestURL: target.URL.String()}
	req := s.ledger.requested(s.life, d)
	timer := time.NewTimer(a.after)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.life.dead:
		s.ledger.ended(req)
		return fanout.Outcome{}, errCrashed
	case <-ctx.Done():
		s.ledger.ended(req)
		return fanout.Outcome{}, ctx.Err()
	}
	s.ledger.ended(req)
	out.Duration, out.HTTPStatus, out.RetryAfter = time.Since(out.Start), a.status, a.retryAfter
	switch {
	case a.reset:
		out.Error = event.ErrConnectionReset
	case a.status == 0:
		out.Error = event.ErrTimeout
	}
	return out, nil
}
