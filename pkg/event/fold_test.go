package event_test

import (
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

func TestEventRecordSupersedes(t *testing.T) {
	older, newer, late := eventRecord(), eventRecord(), eventRecord()
	newer.Generation++
	late.ReceivedAt = late.ReceivedAt.Add(time.Second)
	if !newer.Supersedes(older) || older.Supersedes(newer) || !older.Supersedes(late) || late.Supersedes(older) || older.Supersedes(older) {
		t.Error("the order is not: greater generation, then earlier")
	}
}

func TestAttemptRecordSupersedes(t *testing.T) {
	failed, success, late := attemptRecord(), attemptRecord(), attemptRecord()
	success.Status, success.Timestamp = event.Succeeded, success.Timestamp.Add(time.Hour)
	late.Timestamp = late.Timestamp.Add(time.Second)
	if !success.Supersedes(failed) || failed.Supersedes(success) || !failed.Supersedes(late) || late.Supersedes(failed) || failed.Supersedes(failed) {
		t.Error("the order is not: success, then earlier")
	}
}

func TestWebhookRecordSupersedes(t *testing.T) {
	early, late, other := webhookRecord(), webhookRecord(), webhookRecord()
	late.At, other.Cause = late.At.Add(time.Second), event.CauseDeleted
	if !early.Supersedes(late) || late.Supersedes(early) || early.Supersedes(other) == other.Supersedes(early) || early.Supersedes(early) {
		t.Error("the order is not: earlier, then by cause")
	}
}

// Any two different states are ordered one way, and the order is transitive: so a fold gives the
// same result for any sequence with any repetition.
func TestStateOrder(t *testing.T) {
	var all []event.State
	for _, status := range []event.Status{event.Pending, event.Succeeded, event.Failed, event.Cancelled} {
		for _, cause := range []event.Cause{"", event.CauseDisabled} {
			for n := range 16 {
				s := event.State{Status: status, Cause: cause, Chain: 1 + n&1, Attempts: n >> 1 & 1, At: recordTime.Add(time.Duration(n>>2&1) * time.Second)}
				if n>>3 != 0 {
					s.NextAttemptAt = recordTime.Add(time.Minute)
				}
				all = append(all, s)
			}
		}
	}
	for _, a := range all {
		for _, b := range all {
			if a.Supersedes(b) == b.Supersedes(a) && a != b {
				t.Fatalf("no order between %+v and %+v", a, b)
			}
			for _, c := range all {
				if a.Supersedes(b) && b.Supersedes(c) && !a.Supersedes(c) {
					t.Fatalf("not transitive: %+v, %+v, %+v", a, b, c)
				}
			}
		}
	}
}

func TestStateSupersedes(t *testing.T) {
	at := func(s int) time.Time { return recordTime.Add(time.Duration(s) * time.Second) }
	attempt := func(n int, status event.Status, s int) event.State {
		return event.State{Status: status, Chain: 1, Attempts: n, At: at(s)}
	}
	for _, tc := range []struct {
		name     string
		win, los event.State
	}{
		{"a success that is told late", attempt(1, event.Succeeded, 0), attempt(3, event.Failed, 9)},
		{"more attempts", attempt(2, event.Pending, 0), attempt(1, event.Pending, 9)},
		{"an end against a wait with a clock ahead", event.State{Status: event.Cancelled, Chain: 1, Attempts: 1, At: at(0)}, event.State{Status: event.Pending, Chain: 1, Attempts: 1, At: at(9)}},
		{"the earlier end", event.State{Status: event.Cancelled, Chain: 1, At: at(0)}, event.State{Status: event.Failed, Chain: 1, At: at(1)}},
		{"the later wait", event.State{Status: event.Pending, Chain: 1, At: at(1)}, event.State{Status: event.Pending, Chain: 1, At: at(0)}},
		{"a new chain", event.State{Status: event.Pending, Chain: 2, Attempts: 3, At: at(0)}, event.State{Status: event.Cancelled, Chain: 1, Attempts: 3, At: at(0)}},
	} {
		if !tc.win.Supersedes(tc.los) || tc.los.Supersedes(tc.win) {
			t.Error(tc.name)
		}
	}
	a := attemptRecord()
	if got, want := a.State(), (event.State{Status: event.Pending, Chain: 1, Attempts: 3, At: recordTime.Add(182 * time.Millisecond), NextAttemptAt: a.NextAttemptAt}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	d := deliveryRecord()
	if got, want := d.State(), (event.State{Status: event.Pending, Cause: event.CauseRateLimited, Chain: 2, Attempts: 3, At: d.At, NextAttemptAt: d.NextAttemptAt}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !event.CauseRateLimited.Waiting() || event.CauseResend.Waiting() || event.CauseDisabled.Waiting() {
		t.Error("Waiting is wrong")
	}
}
