package main

import (
	"fmt"
	"slices"
)

// selfCheck judges the evidence once more without two deliveries, as if the dispatcher had lost them, and without two rows
// of history, as if its writer had. Exactly those must be found beside what was found before.
func selfCheck(ev *evidence, before *verdict) error {
	v := judge(takeAway(ev))
	lost, missing := len(v.lost)-len(before.lost), len(v.missing)-len(before.missing)
	if lost != 2 || missing != 2 {
		return fmt.Errorf("self-check: 2 deliveries and 2 rows were taken away; %d and %d were found", lost, missing)
	}
	return nil
}

// takeAway returns a copy of the evidence without all traces of two deliveries that succeeded, and without the rows of two
// other requests.
func takeAway(ev *evidence) *evidence {
	c := newCase(ev)
	gone := make(map[eventAtHook]bool)
	rows := make(map[attemptKey]bool)
	for i := range ev.requests {
		q := &ev.requests[i]
		if len(gone) < 2 && q.status/100 == 2 {
			gone[eventAtHook{q.event, q.hook}] = true
		}
	}
	for i := range ev.requests {
		q := &ev.requests[i]
		at := eventAtHook{q.event, q.hook}
		if len(rows) < 2 && !gone[at] && c.delivered[at] && len(c.rows[q.attemptKey]) == 1 {
			rows[q.attemptKey] = true
		}
	}
	less := *ev
	less.requests = slices.DeleteFunc(slices.Clone(ev.requests), func(q request) bool { return gone[eventAtHook{q.event, q.hook}] })
	less.deliveries = slices.DeleteFunc(slices.Clone(ev.deliveries), func(d deliveryRow) bool {
		return gone[eventAtHook{d.event, c.hooks[d.hook].name}]
	})
	kept := make(map[string]bool)
	for _, d := range less.deliveries {
		kept[d.id] = true
	}
	less.attempts = slices.DeleteFunc(slices.Clone(ev.attempts), func(a attemptRow) bool { return rows[a.attemptKey] || !kept[a.delivery] })
	return &less
}
