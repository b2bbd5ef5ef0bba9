package retry

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestNext(t *testing.T) {
	const took = 3 * time.Second
	ended := epoch.Add(took)
	at := ended.Add
	pending := func(d time.Duration) fanout.Decision {
		return fanout.Decision{Status: event.Pending, NextAt: at(d)}
	}
	failed := fanout.Decision{Status: event.Failed}
	paused := func(d fanout.Decision, pause time.Duration) fanout.Decision {
		d.Pause = at(pause)
		return d
	}
	for _, tc := range []struct {
		name   string
		step   int
		single bool
		out    fanout.Outcome
		random float64
		want   fanout.Decision
	}{
		{"200", 0, false, fanout.Outcome{HTTPStatus: 200}, 0.5, fanout.Decision{Status: event.Succeeded}},
		{"299 of the last", 7, true, fanout.Outcome{HTTPStatus: 299}, 0.5, fanout.Decision{Status: event.Succeeded}},
		{"300", 0, false, fanout.Outcome{HTTPStatus: 300}, 0, pending(5 * time.Second)},
		{"101", 0, false, fanout.Outcome{HTTPStatus: 101}, 0, pending(5 * time.Second)},
		{"404", 1, false, fanout.Outcome{HTTPStatus: 404}, 0, pending(5 * time.Minute)},
		{"timeout", 2, false, fanout.Outcome{Error: event.ErrTimeout}, 0, pending(30 * time.Minute)},
		{"blocked", 6, false, fanout.Outcome{Error: event.ErrBlocked}, 0, pending(10 * time.Hour)},
		{"jitter is added", 0, false, fanout.Outcome{HTTPStatus: 500}, 0.5, pending(5250 * time.Millisecond)},
		{"jitter below a tenth", 0, false, fanout.Outcome{HTTPStatus: 500}, math.Nextafter(1, 0), pending(5499 * time.Millisecond)},
		{"the last", 7, false, fanout.Outcome{HTTPStatus: 500}, 0, failed},
		{"beyond a shortened schedule", 9, false, fanout.Outcome{HTTPStatus: 500}, 0, failed},
		{"single", 0, true, fanout.Outcome{HTTPStatus: 500}, 0, failed},
		{"410", 0, false, fanout.Outcome{HTTPStatus: 410}, 0, fanout.Decision{Status: event.Failed, Gone: true}},

		{"asks for more", 0, false, fanout.Outcome{HTTPStatus: 429, RetryAfter: time.Minute}, 0.9,
			paused(pending(time.Minute), time.Minute)},
		{"asks for less", 1, false, fanout.Outcome{HTTPStatus: 503, RetryAfter: time.Second}, 0,
			paused(pending(5*time.Minute), time.Second)},
		{"asks for hours", 0, false, fanout.Outcome{HTTPStatus: 503, RetryAfter: 3 * time.Hour}, 0,
			paused(pending(3*time.Hour), time.Hour)},
		{"asks for ever", 0, false, fanout.Outcome{HTTPStatus: 503, RetryAfter: math.MaxInt64}, 0,
			paused(pending(24*time.Hour), time.Hour)},
		{"asks for the past", 0, false, fanout.Outcome{HTTPStatus: 429, RetryAfter: -time.Hour}, 0, pending(5 * time.Second)},
		{"asks after the last", 7, false, fanout.Outcome{HTTPStatus: 429, RetryAfter: time.Minute}, 0,
			paused(failed, time.Minute)},
		{"asks a test", 0, true, fanout.Outcome{HTTPStatus: 429, RetryAfter: time.Minute}, 0, paused(failed, time.Minute)},
		{"asks with 500", 0, false, fanout.Outcome{HTTPStatus: 500, RetryAfter: time.Minute}, 0, pending(5 * time.Second)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := NewPolicy(schedule(t, standard))
			d := &fanout.Delivery{Step: tc.step, Single: tc.single}
			tc.out.Start, tc.out.Duration = epoch, took
			if diff := cmp.Diff(tc.want, p.Next(d, &tc.out, tc.random)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestGoneTest: a test that finds the URL gone does not disable the webhook.
func TestGoneTest(t *testing.T) {
	d := &fanout.Delivery{Single: true, Trigger: event.TriggerTest}
	got := NewPolicy(nil).Next(d, &fanout.Outcome{HTTPStatus: 410}, 0)
	if got.Gone || got.Status != event.Failed {
		t.Fatalf("%+v", got)
	}
}

// TestWait: a rung later each time, up to half an hour; never before the time that was asked for, and never a moment of
// a millisecond, which no record keeps, before it.
func TestWait(t *testing.T) {
	p := NewPolicy(nil)
	for parked, want := range map[int]time.Duration{
		0: 5 * time.Second, 1: 5 * time.Second, 2: 30 * time.Second, 3: 2 * time.Minute, 4: 5 * time.Minute,
		5: 30 * time.Minute, 6: 30 * time.Minute, math.MaxInt: 30 * time.Minute,
	} {
		if got := p.Wait(parked, epoch, time.Time{}).Sub(epoch); got != want {
			t.Errorf("parked %d times: waits %v, want %v", parked, got, want)
		}
	}
	later := epoch.Add(time.Hour + 1)
	if got := p.Wait(1, epoch, later); got.Before(later) || got.Sub(later) >= time.Millisecond || got.UnixMicro()%1000 != 0 {
		t.Errorf("waits until %v, want just after %v", got, later)
	}
}
