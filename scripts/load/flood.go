package main

import (
	"context"
	"errors"
	"fmt"
)

// calmShare is the part of the maximum that the others get together: a quarter. The flood is a tenth of that, but each of
// its events is read, parked, and some seconds later read and parked again, and what publishes and receives runs on the
// same machine. With half of the maximum nothing of it would be left, and the wait be that for a processor.
const calmShare = 4

// flood compares runs in which one workspace gets many times what each other gets with runs without it.
func flood(ctx context.Context, o *options) (err error) {
	l, err := newLab(ctx, o, steadyPath, 1, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	most, err := l.maximum(ctx, calmShare)
	if err != nil {
		return err
	}
	others := most / calmShare
	each := others / float64(len(l.steady))
	t := trial{steady: others, slow: o.slow, span: o.span}
	r := newReport(fmt.Sprintf(
		"flood: one of %d workspaces gets %d times what each other gets and answers within %s; maximum %.0f/s, the others get %.0f/s, it %.0f/s, for %s",
		o.webhooks, o.times, o.slow, most, others, each*float64(o.times), o.span))
	calm, flooded, err := l.alternate(ctx, r, t, func(t *trial) { t.apart = each * float64(o.times) }, "calm", "flooded")
	if err != nil {
		return err
	}
	r.verdict(
		bound{"p99 of the others, flooded / calm", middle(flooded, p99) / middle(calm, p99), false, p99WithFlood},
		bound{"events of the others that did not arrive", worst(append(flooded, calm...), missing), false, 0},
	)
	return r.end()
}
