package health_test

import (
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/health"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	const day = 24 * time.Hour
	usual := health.Limits{FailingAfter: 5 * time.Minute, DisableAfter: 5 * day}
	never := health.Limits{FailingAfter: 5 * time.Minute}
	at := start.Add
	none := time.Time{}
	for _, tc := range []struct {
		name                   string
		disabled               bool
		failing                time.Time // zero: health is ok
		success, since, failed time.Time // last success, begin of the run, last failure
		limits                 health.Limits
		want                   health.Verdict
	}{
		{"no attempt", false, none, none, none, none, usual, health.Keep},
		{"only successes", false, none, at(day), none, none, usual, health.Keep},
		{"the first failure", false, none, at(0), at(time.Minute), at(time.Minute), usual, health.Keep},
		{"nearly five minutes", false, none, at(0), at(time.Minute), at(6*time.Minute - 1), usual, health.Keep},
		{"five minutes", false, none, at(0), at(time.Minute), at(6 * time.Minute), usual, health.Fail},
		{"never a success", false, none, none, at(0), at(time.Hour), usual, health.Fail},
		{"a run of days begins with failing", false, none, none, at(0), at(9 * day), usual, health.Fail},
		{"the first failure, at once", false, none, at(0), at(1), at(1), health.Limits{}, health.Fail},
		{"no failure, at once", false, none, at(0), none, none, health.Limits{}, health.Keep},
		{"failures from before it was enabled", false, none, none, none, at(0), usual, health.Keep},
		{"disabled", true, none, none, at(0), at(9 * day), usual, health.Keep},

		{"goes on failing", false, at(0), none, at(0), at(5*day - 1), usual, health.Keep},
		{"for its whole limit", false, at(0), none, at(0), at(5 * day), usual, health.Disable},
		{"for its whole limit, which is off", false, at(0), none, at(0), at(50 * day), never, health.Keep},
		{"silence is no failure", false, at(0), none, at(0), at(time.Hour), usual, health.Keep},
		{"history has forgotten how it began", false, at(0), none, at(4 * day), at(5 * day), usual, health.Disable},
		{"history has forgotten all", false, at(0), none, none, none, usual, health.Keep},
		{"a success", false, at(0), at(time.Hour), none, at(time.Minute), usual, health.Recover},
		{"a success before it failed", false, at(0), at(-time.Hour), at(0), at(time.Minute), usual, health.Keep},
		{"a success between failures", false, at(0), at(time.Hour), at(2 * time.Hour), at(9 * day), usual, health.Recover},
		{"disabled while failing", true, at(0), none, at(0), at(9 * day), usual, health.Keep},
		{"disabled while failing, then a success", true, at(0), at(day), none, at(0), usual, health.Keep},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := &subscription.Standing{Enabled: !tc.disabled, Health: subscription.HealthOK, FailingSince: tc.failing}
			if !tc.failing.IsZero() {
				st.Health = subscription.HealthFailing
			}
			h := &store.Health{LastSuccess: tc.success, FailingSince: tc.since, LastFailure: tc.failed}
			if got := health.Judge(st, h, tc.limits); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
