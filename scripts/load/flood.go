package main

import (
	"context"
	"errors"
	"fmt"
)

// flood compares runs in which one workspace gets many times what each other gets with runs without it.
func flood(ctx context.Context, o *options) (err error) {
	l, err := newLab(ctx, o, steadyPath, 1, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	most, err := l.maximum(ctx)
	if err != nil {
		return err
	}
	each := most / 2 / float64(len(l.steady))
	t := trial{steady: most / 2, slow: o.slow, span: o.span}
	r := newReport(fmt.Sprintf(
		"flood: one of %d workspaces gets %d times what each other gets and answers within %s; maximum %.0f/s, the others get %.0f/s, it %.0f/s, for %s",
		o.webhooks, o.times, o.slow, most, most/2, each*float64(o.times), o.span))
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
