package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// table prints a line a round, and what it came to at the end.
type table struct {
	out     io.Writer
	repeats io.Writer // takes a line for each repeat that a fault explains
	results []*result
}

func newTable(out, repeats io.Writer) *table { return &table{out: out, repeats: repeats} }

func (t *table) note(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, "chaos: "+format+"\n", args...)
}

func (t *table) head() {
	_, _ = fmt.Fprintf(t.out, "%8s %7s %10s %9s %12s %12s %12s %12s %9s %11s %5s %8s %8s %9s %6s  %s\n", "seed", "events", "deliveries", "requests",
		"rep. kill", "rep. freeze", "rep. kafka", "rep. commit", "rep. copy", "unexplained", "lost", "missing", "strange", "settled s", "took s", "faults")
}

// of returns the repeats by a cause as "seen/allowed".
func (r *result) of(c cause) string {
	t := r.verdict.repeats.by[c]
	if t.times == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", t.seen, t.allowed)
}

// worst is how many findings of a kind are shown of a round.
const worst = 5

func (t *table) line(r *result) {
	t.results = append(t.results, r)
	v := r.verdict
	_, _ = fmt.Fprintf(t.out, "%8d %7d %10d %9d %12s %12s %12s %12s %9s %11d %5d %8d %8d %9.1f %6.0f  %s\n", r.seed, r.events, v.deliveries,
		r.requests, r.of(byKill), r.of(byFreeze), r.of(byKafka), r.of(byCommit), r.of(byCopy), len(v.repeats.unexplained), len(v.lost), len(v.missing),
		len(v.strange), r.settled.Seconds(), r.took.Seconds(), describe(r.faults))
	t.findings("lost", v.lost)
	t.findings("missing", v.missing)
	t.findings("strange", v.strange)
	t.findings("unexplained repeat", v.repeats.unexplained)
	for _, line := range v.repeats.explained {
		_, _ = fmt.Fprintf(t.repeats, "seed %d: %s\n", r.seed, line)
	}
	v.repeats.explained = nil
	if v.failed() {
		t.note("  again: CHAOS_SEED=%d CHAOS_ROUNDS=1 make chaos", r.seed)
	}
}

func (t *table) findings(kind string, found []string) {
	for _, f := range found[:min(worst, len(found))] {
		t.note("  %s: %s", kind, f)
	}
	if more := len(found) - worst; more > 0 {
		t.note("  %s: %d more", kind, more)
	}
}

func (t *table) failed() bool {
	return slices.ContainsFunc(t.results, func(r *result) bool { return r.verdict.failed() })
}

// foot is the sum over all rounds.
func (t *table) foot(took time.Duration) {
	var events, deliveries, requests, lost, missing, strange, unexplained int
	var slowest time.Duration
	var sums [causes]tally
	for _, r := range t.results {
		v := r.verdict
		events, deliveries, requests = events+r.events, deliveries+v.deliveries, requests+r.requests
		lost, missing, strange = lost+len(v.lost), missing+len(v.missing), strange+len(v.strange)
		unexplained += len(v.repeats.unexplained)
		slowest = max(slowest, r.settled)
		for c := range sums {
			sums[c].merge(v.repeats.by[c])
		}
	}
	t.note("%d rounds in %.0f s: %d events, %d deliveries, %d requests; settled within %.1f s", len(t.results), took.Seconds(),
		events, deliveries, requests, slowest.Seconds())
	for c, sum := range sums {
		if sum.times > 0 {
			t.note("repeats by %s: %s", causeNames[c], &sum)
		}
	}
	t.note("%d lost, %d missing in history, %d strange, %d repeats unexplained", lost, missing, strange, unexplained)
}

// String tells sums and the most of one fault.
func (t *tally) String() string {
	return fmt.Sprintf("%d times, %d repeats of %d allowed; at most %d at once, of at most %d", t.times, t.seen, t.allowed, t.most, t.mostAllowed)
}
