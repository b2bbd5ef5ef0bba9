package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// result is one round's line.
type result struct {
	seed     uint64
	faults   []fault
	evidence *evidence // until the round was judged: a long run has millions of rows
	verdict  *verdict
	events   int // that Kafka acknowledged
	requests int
	settled  time.Duration // from the end of the faults
	took     time.Duration
}

// round makes webhooks, publishes under faults, waits until all has ended and judges. Round 0 has no faults: it shows that
// nothing is repeated then, and warms up the brokers.
func (w *world) round(ctx context.Context, n int, seed uint64) (*result, error) {
	begun := time.Now()
	if err := w.allReady(ctx); err != nil {
		return nil, err
	}
	name := prefixOf(n, seed)
	tenants, err := w.makeWebhooks(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("make webhooks: %w", err)
	}
	wait(ctx, time.Second) // from then on an event matches them
	from, err := w.ends(ctx)
	if err != nil {
		return nil, err
	}
	w.takeDisturbances()
	r := &result{seed: seed}
	if n > 0 {
		r.faults = schedule(seed, w.opts.load)
	}
	acked, err := w.underFaults(ctx, r, name, tenants)
	if err != nil {
		return nil, err
	}
	mended := time.Now()
	ev := &evidence{tenants: tenants, acked: acked}
	if err := w.settle(ctx, tenants, expected(tenants, acked)); err != nil {
		ev.unsettled = err.Error()
	}
	r.settled = time.Since(mended)
	ev.requests = w.receiver.take(names(tenants))
	ev.disturbances = w.takeDisturbances()
	for _, d := range w.dispatchers {
		found, err := d.complained()
		if err != nil {
			return nil, err
		}
		ev.disturbances = append(ev.disturbances, found...)
		ev.odd = append(ev.odd, d.takeOdd()...)
	}
	if err := w.readTopics(ctx, ev, from); err != nil {
		return nil, err
	}
	if err := w.readStore(ctx, ev); err != nil {
		return nil, err
	}
	r.evidence, r.verdict = ev, judge(ev)
	r.events, r.requests, r.took = len(ev.acked), len(ev.requests), time.Since(begun)
	return r, ctx.Err()
}

// underFaults publishes while the faults are applied; it returns what Kafka acknowledged, once all is mended.
func (w *world) underFaults(ctx context.Context, r *result, name string, tenants []workspace) ([]published, error) {
	begun := time.Now()
	faults := make(chan error, 1)
	go func() { faults <- w.disturb(ctx, begun, r.faults) }()
	p := &publisher{topics: sourceTopics, producer: w.producer}
	rng := rand.New(rand.NewPCG(r.seed, 1)) //nolint:gosec // repeatable, nobody gains by guessing
	acked, err := p.publish(ctx, rng, name, tenants, w.opts)
	if faultErr := <-faults; faultErr != nil {
		return nil, fmt.Errorf("apply the faults: %w", faultErr)
	}
	if err != nil {
		return nil, err
	}
	return acked, w.allReady(ctx)
}
