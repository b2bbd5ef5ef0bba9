package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// verdict is what the evidence of a round comes to.
type verdict struct {
	deliveries int
	lost       []string
	missing    []string
	strange    []string
	repeats    repeats
}

// failed says whether a promise was broken.
func (v *verdict) failed() bool {
	return len(v.lost)+len(v.missing)+len(v.strange)+len(v.repeats.unexplained) > 0
}

// judge is a pure function of the evidence.
func judge(ev *evidence) *verdict {
	c := newCase(ev)
	v := &verdict{deliveries: len(ev.deliveries)}
	for _, o := range ev.odd {
		if !o.excused(ev.disturbances) {
			v.strange = append(v.strange, o.text)
		}
	}
	if ev.unsettled != "" {
		v.strange = append(v.strange, "not settled: "+ev.unsettled)
	}
	c.reached(v)
	c.kept(v)
	c.numbered(v)
	c.identical(v)
	v.repeats = countRepeats(ev.requests, ev.disturbances)
	return v
}

// excused says whether the dispatcher ended while it was cut off from Kafka.
func (o oddity) excused(disturbances []disturbance) bool {
	return slices.ContainsFunc(disturbances, func(d disturbance) bool {
		return (d.what == byKafka || d.what == byCommit) && (d.number == 0 || d.number == o.number) &&
			o.from.Before(d.to) && o.to.After(d.from)
	})
}

// eventAtHook is an event for a webhook, by its name in the receiver's URL.
type eventAtHook struct{ event, hook string }

// docket is the evidence with what is looked up in it.
type docket struct {
	*evidence
	hooks     map[string]hook // by webhook id
	events    map[string]published
	delivered map[eventAtHook]bool
	seen      map[attemptKey][]*request
	rows      map[attemptKey][]attemptRow
	ended     map[eventAtHook][]deliveryRow
}

func newCase(ev *evidence) *docket {
	c := &docket{
		evidence: ev, hooks: make(map[string]hook), events: make(map[string]published),
		delivered: make(map[eventAtHook]bool), seen: make(map[attemptKey][]*request),
		rows: make(map[attemptKey][]attemptRow), ended: make(map[eventAtHook][]deliveryRow),
	}
	for _, t := range ev.tenants {
		for _, h := range t.hooks {
			c.hooks[h.id] = h
		}
	}
	for _, e := range ev.acked {
		c.events[e.id] = e
	}
	for i := range ev.requests {
		q := &ev.requests[i]
		c.seen[q.attemptKey] = append(c.seen[q.attemptKey], q)
		if q.status/100 == 2 {
			c.delivered[eventAtHook{q.event, q.hook}] = true
		}
	}
	for _, a := range ev.attempts {
		c.rows[a.attemptKey] = append(c.rows[a.attemptKey], a)
	}
	for _, d := range ev.deliveries {
		at := eventAtHook{d.event, c.hooks[d.hook].name}
		c.ended[at] = append(c.ended[at], d)
	}
	return c
}

// reached: each acknowledged event got a 2xx from each of its webhooks, or history tells its final failure.
func (c *docket) reached(v *verdict) {
	for _, e := range c.acked {
		if c.held[e.id] == 0 {
			v.lost = append(v.lost, fmt.Sprintf("event %s was acknowledged by Kafka and is not in its topic", e.id))
			continue
		}
		for _, t := range c.tenants {
			if t.id != e.workspace {
				continue
			}
			for _, h := range t.hooks {
				at := eventAtHook{e.id, h.name}
				if !c.delivered[at] && !c.failedForGood(at) {
					v.lost = append(v.lost, fmt.Sprintf("event %s for the %s webhook %s: %s", e.id, h.does, h.id, c.whatIsKnown(at)))
				}
			}
		}
	}
}

// failedForGood says whether history tells that a delivery of the event to the webhook ended without success, with the
// attempt that it ended with.
func (c *docket) failedForGood(at eventAtHook) bool {
	return slices.ContainsFunc(c.ended[at], func(d deliveryRow) bool {
		if d.status != "failed" {
			return false
		}
		for n := 1; ; n++ {
			rows := c.rows[attemptKey{d.id, n}]
			if len(rows) == 0 {
				return false
			}
			if rows[0].deliveryStatus == "failed" {
				return true
			}
		}
	})
}

// whatIsKnown tells of a lost event's deliveries.
func (c *docket) whatIsKnown(at eventAtHook) string {
	var known []string
	for _, d := range c.ended[at] {
		known = append(known, fmt.Sprintf("delivery %s is %s", d.id, d.status))
		for n := 1; len(c.rows[attemptKey{d.id, n}]) > 0; n++ {
			a := c.rows[attemptKey{d.id, n}][0]
			known = append(known, fmt.Sprintf("attempt %d %s with %d", n, a.status, a.httpStatus))
		}
	}
	if len(known) == 0 {
		return "history has no delivery"
	}
	return strings.Join(known, ", ")
}

// kept: each attempt that a receiver saw has exactly one row and is on the history topic; each row with a 2xx was seen.
func (c *docket) kept(v *verdict) {
	for key := range c.seen {
		switch n := len(c.rows[key]); {
		case c.recorded[key] == 0:
			v.missing = append(v.missing, fmt.Sprintf("attempt %d of %s is not on the history topic", key.number, key.delivery))
		case n != 1:
			v.missing = append(v.missing, fmt.Sprintf("attempt %d of %s has %d rows", key.number, key.delivery, n))
		}
	}
	for _, a := range c.attempts {
		if a.httpStatus/100 == 2 && len(c.seen[a.attemptKey]) == 0 {
			v.strange = append(v.strange, fmt.Sprintf("attempt %d of %s has a 2xx that no receiver gave", a.number, a.delivery))
		}
	}
}

// numbered: the attempts of a delivery are 1, 2, 3 …, and every delivery ended as one can.
func (c *docket) numbered(v *verdict) {
	last := make(map[string]int)
	count := make(map[string]int)
	for key := range c.rows {
		last[key.delivery] = max(last[key.delivery], key.number)
		count[key.delivery]++
	}
	for id, n := range last {
		if count[id] != n {
			v.strange = append(v.strange, fmt.Sprintf("%s has %d attempts in history, the last of them number %d", id, count[id], n))
		}
	}
	for _, d := range c.deliveries {
		if d.status != "succeeded" && d.status != "failed" {
			v.strange = append(v.strange, fmt.Sprintf("delivery %s of event %s is %s", d.id, d.event, d.status))
		}
	}
}

// identical: every request carried the body of its event to a webhook of its workspace, by a delivery of its own.
func (c *docket) identical(v *verdict) {
	where := make(map[string]eventAtHook)
	for i := range c.requests {
		q := &c.requests[i]
		e, known := c.events[q.event]
		at := eventAtHook{q.event, q.hook}
		if first, ok := where[q.delivery]; ok && first != at {
			v.strange = append(v.strange, fmt.Sprintf("delivery %s came as %v and as %v", q.delivery, first, at))
		}
		where[q.delivery] = at
		switch {
		case !known:
			v.strange = append(v.strange, fmt.Sprintf("webhook %s got event %q, which nobody published", q.hook, q.event))
		case q.bodyHash != e.bodyHash:
			v.strange = append(v.strange, fmt.Sprintf("attempt %d of %s: not the body of event %s", q.number, q.delivery, q.event))
		case !c.belongs(e.workspace, q.hook):
			v.strange = append(v.strange, fmt.Sprintf("event %s of %s came to the foreign webhook %s", e.id, e.workspace, q.hook))
		}
	}
}

func (c *docket) belongs(tenant, hookName string) bool {
	return slices.ContainsFunc(c.tenants, func(t workspace) bool {
		return t.id == tenant && slices.ContainsFunc(t.hooks, func(h hook) bool { return h.name == hookName })
	})
}

// describeRepeat tells of all requests of a delivery who sent them, when, and how they were answered.
func describeRepeat(key attemptKey, same []*request) string {
	parts := make([]string, len(same))
	for i, q := range same {
		answer := http.StatusText(q.status)
		if q.status == 0 {
			answer = "no answer"
		}
		parts[i] = fmt.Sprintf("%d by %s %s to %s (%s)", q.number, q.sender, q.begin.Format("15:04:05.000"), q.end.Format("15:04:05.000"), answer)
	}
	return fmt.Sprintf("attempt %d of %s: %s", key.number, key.delivery, strings.Join(parts, "; "))
}
