package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/scripts/rig"
)

// pending lets many deliveries wait for their retry at once and starts the dispatcher anew meanwhile.
func pending(ctx context.Context, o *options) (err error) {
	l, err := newLab(ctx, o, retryPath, kinds, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	r := newReport(fmt.Sprintf("pending: %d deliveries wait %s for their retry", o.pending, o.schedule))
	return l.on(ctx, 0, func(i *rig.Installation) error {
		p := &pendingRun{lab: l, install: i}
		if err := p.measure(ctx); err != nil {
			return err
		}
		p.report(r)
		return r.end()
	})
}

// pendingRun is one run with what it found.
type pendingRun struct {
	*lab
	install *rig.Installation

	idle, first, waiting, retries figures
	filled, returned              time.Duration // how long first attempts and retries took
	seen                          Seen
}

func (p *pendingRun) start(ctx context.Context) (*dispatcherPeer, error) {
	return p.dispatcher(ctx, p.install, "--retry-schedule", p.o.schedule.String())
}

// settled is how long a fresh dispatcher is left alone before its memory counts.
const settled = 10 * time.Second

func (p *pendingRun) measure(ctx context.Context) error {
	began := time.Now()
	d, err := p.start(ctx)
	if err != nil {
		return err
	}
	err = p.fill(ctx, d)
	if err := errors.Join(err, d.stop()); err != nil {
		return err
	}
	n, err := p.receiver.count(ctx)
	if err != nil {
		return err
	}
	if n.steadyMore > 0 || time.Since(began) > p.o.schedule {
		return fmt.Errorf("the first retry was due before all had been tried (%s): give a longer -schedule", p.filled)
	}
	if d, err = p.start(ctx); err != nil {
		return err
	}
	err = p.await(ctx, d, began.Add(p.o.schedule))
	if err := errors.Join(err, d.stop()); err != nil {
		return err
	}
	p.seen, err = p.receiver.of(ctx, steady, began, time.Now())
	return err
}

// fill has every delivery tried once, in a hurry.
func (p *pendingRun) fill(ctx context.Context, d *dispatcherPeer) (err error) {
	if err := sleep(ctx, settled); err != nil {
		return err
	}
	if p.idle, err = d.sincePeak(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := p.publish(ctx, p.install, time.Time{}, &stream{targets: p.steady, most: p.o.pending}); err != nil {
		return err
	}
	if err := p.receiver.waitFor(ctx, patience, func(n counts) bool { return n.steady >= p.o.pending }); err != nil {
		return err
	}
	p.filled = time.Since(began)
	p.first, err = d.sincePeak(ctx)
	return err
}

// await watches a fresh dispatcher until the first retry is due, and until the last was made.
func (p *pendingRun) await(ctx context.Context, d *dispatcherPeer, due time.Time) (err error) {
	if err := sleep(ctx, time.Until(due)-time.Second); err != nil {
		return err
	}
	if p.waiting, err = d.sincePeak(ctx); err != nil {
		return err
	}
	began := time.Now()
	enough := func(n counts) bool { return n.steadyMore >= p.o.pending }
	if err := p.receiver.waitFor(ctx, settled+2*patience, enough); err != nil {
		return err
	}
	p.returned = time.Since(began)
	if err := sleep(ctx, settled); err != nil { // for one that is made twice
		return err
	}
	p.retries, err = d.sincePeak(ctx)
	return err
}

func (p *pendingRun) report(r *report) {
	_, _ = fmt.Fprintf(r.out, "%-34s %8s %10s %8s\n", "phase", "RSS MiB", "deliveries", "s")
	row := func(phase string, f figures, n int, took time.Duration) {
		_, _ = fmt.Fprintf(r.out, "%-34s %8.0f %10d %8.0f\n", phase, f.rss, n, took.Seconds())
	}
	row("idle, nothing pending", p.idle, 0, settled)
	row("first attempts", p.first, p.seen.Due, p.filled)
	row("started anew, all pending", p.waiting, 0, p.o.schedule-p.filled)
	row("retries", p.retries, p.seen.Twice+p.seen.More, p.returned)

	// A retry is due after the delay and up to a tenth of it, and may begin a tenth of the delay and 1 s later.
	delay := p.o.schedule.Seconds()
	r.verdict(
		bound{"memory while all wait, beyond that of nothing pending, MB", (p.waiting.rss - p.idle.rss) * 1.048576, false, growthWhilePended},
		bound{"memory while they return, beyond that of first attempts, MB", (p.retries.rss - p.first.rss) * 1.048576, false, growthWhilePended},
		bound{"deliveries tried", float64(p.seen.Due), true, float64(p.o.pending)},
		bound{"retries made", float64(p.seen.Twice + p.seen.More), true, float64(p.o.pending)},
		bound{"made twice", float64(p.seen.More), false, 0},
		bound{"soonest retry, s after its first attempt", float64(p.seen.Soonest) / 1e6, true, delay},
		bound{"latest retry, s after its first attempt", float64(p.seen.Latest) / 1e6, false, 1.2*delay + 1},
	)
}
