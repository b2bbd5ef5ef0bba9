package health

import (
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// Limits are how long a run of only failures may be.
type Limits struct {
	// FailingAfter makes a webhook failing; 0: the first failure does.
	FailingAfter time.Duration
	// DisableAfter disables a failing webhook; 0: never.
	DisableAfter time.Duration
}

// Verdict is what follows from how a webhook fares.
type Verdict uint8

// The verdicts.
const (
	Keep    Verdict = iota // nothing changes
	Fail                   // it is failing from now on
	Recover                // it is ok again
	Disable                // it has failed for too long
)

// String returns the word that logs and metrics use.
func (v Verdict) String() string {
	switch v {
	case Keep:
		return "kept"
	case Fail:
		return "failing"
	case Recover:
		return "recovered"
	case Disable:
		return "disabled"
	}
	return "unknown"
}

// Judge says what follows for a webhook that stands as st and whose attempts since st.From came to h. It is pure, and
// asks no clock: a run lasts to its last failure.
func Judge(st *subscription.Standing, h *store.Health, l Limits) Verdict {
	if !st.Enabled {
		return Keep
	}
	if st.Health == subscription.HealthFailing {
		return judgeFailing(st, h, l)
	}
	if h.FailingSince.IsZero() || h.LastFailure.Sub(h.FailingSince) < l.FailingAfter {
		return Keep
	}
	return Fail
}

// judgeFailing judges a webhook that is failing: since when, its row knows, also when history has forgotten.
func judgeFailing(st *subscription.Standing, h *store.Health, l Limits) Verdict {
	switch {
	case h.LastSuccess.After(st.FailingSince):
		return Recover
	case l.DisableAfter > 0 && h.LastFailure.Sub(st.FailingSince) >= l.DisableAfter:
		return Disable
	}
	return Keep
}
