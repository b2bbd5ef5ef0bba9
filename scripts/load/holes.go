package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of the promises.
const (
	fewHoles          = 10   // up to so many, the stricter bounds hold
	throughputFew     = 0.95 // of what it is without black holes
	throughputMany    = 0.90
	p99Few            = 1.5 // times what it is without
	oldestUnfinished  = 15  // seconds
	holeEvents        = 10  // times the in-flight limit
	mostShareOfHoles  = 0.2 // of all events; a run is longer rather than that it is exceeded
	p99WithFlood      = 2   // times what it is without
	growthWhilePended = 50  // MB
)

// holes compares runs with receivers that never answer with runs in which all answer, of the same events.
func holes(ctx context.Context, o *options) error {
	for _, n := range o.holes {
		if err := holesOf(ctx, o, n); err != nil {
			return err
		}
	}
	return nil
}

func holesOf(ctx context.Context, o *options, n int) (err error) {
	l, err := newLab(ctx, o, steadyPath, kinds, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	most, err := l.maximum(ctx, 2)
	if err != nil {
		return err
	}
	rate, events := most/2, holeEvents*o.inFlight
	span := max(o.span, time.Duration(float64(events)/(mostShareOfHoles*rate)*float64(time.Second)))
	aside := float64(events) / span.Seconds()
	t := trial{steady: rate - aside, apart: aside, most: events, span: span}
	r := newReport(fmt.Sprintf("holes: %d of %d webhooks never answer; maximum %.0f/s, published %.0f/s for %s, %d of them for black holes",
		n, o.webhooks, most, rate, span.Round(time.Second), events))
	answering, silent, err := l.alternate(ctx, r, t, func(t *trial) { t.slow = never }, "answering", "silent")
	if err != nil {
		return err
	}
	bounds := []bound{
		{"throughput of the others, silent / answering", middle(silent, perSecond) / middle(answering, perSecond), true, throughputMany},
		{"oldest unfinished offset, s", worst(silent, oldest), false, oldestUnfinished},
		{"events of the others that did not arrive", worst(append(silent, answering...), missing), false, 0},
	}
	if n <= fewHoles {
		bounds[0].limit = throughputFew
		bounds = append(bounds, bound{"p99 of the others, silent / answering", middle(silent, p99) / middle(answering, p99), false, p99Few})
	}
	r.verdict(bounds...)
	return r.end()
}

// alternate measures t as it is and as change makes it, in turn.
func (l *lab) alternate(ctx context.Context, r *report, t trial, change func(*trial), without, with string) (a, b []outcome, err error) {
	changed := t
	change(&changed)
	r.runHeader()
	for n := range l.o.rounds {
		for _, one := range []struct {
			name string
			t    trial
			outs *[]outcome
		}{{without, t, &a}, {with, changed, &b}} {
			out, err := l.measure(ctx, one.t)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", one.name, err)
			}
			r.runRow(fmt.Sprintf("%s %d", one.name, n+1), &out)
			*one.outs = append(*one.outs, out)
		}
	}
	return a, b, nil
}
