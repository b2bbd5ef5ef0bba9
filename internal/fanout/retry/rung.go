package retry

import "time"

// rungs are the ladder's delays, whatever the schedule is. They match the default schedule and its usual variations, so
// that a retry makes few hops.
var rungs = [...]time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
}

// Topics are the names of the ladder's topics, shortest delay first; prefix is their common part, such as
// voxagent.webhook.retry.
func Topics(prefix string) []string {
	names := make([]string, len(rungs))
	for i, r := range rungs {
		names[i] = prefix + "." + short(r)
	}
	return names
}

// slack is what a record may lack for a rung. Due times are often a rung's delay from now (a Retry-After of 30 s, a
// delivery that was parked for the fifth time), and a moment later less than that remains: without slack such a record
// would go down to the next rung and hop up to nine times. It makes the records behind it late by slack at most.
const slack = 500 * time.Millisecond

// rungFor returns the index of the largest rung that fits into what remains; the shortest one for less than that.
func rungFor(remaining time.Duration) int {
	i := 0
	for i+1 < len(rungs) && rungs[i+1] <= remaining+slack {
		i++
	}
	return i
}

// held says whether a record that a rung of delay gives out stays with the reader until it is due, rather than going to
// another rung: what remains is no more than a tenth of the rung, or too little for the shortest one.
func held(remaining, delay time.Duration) bool {
	return remaining <= max(delay/10, rungs[0])
}
