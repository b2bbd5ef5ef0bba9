package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/scripts/rig"
)

// lab is one installation with its webhooks, and the receiver that they point to.
type lab struct {
	o        *options
	receiver *receiverPeer
	install  *rig.Installation
	steady   []target
	apart    []target
}

// kinds is how many event types a workspace's webhooks share out between them, where they have neighbours.
const kinds = 10

// newLab prepares the webhooks: perWorkspace of them in each workspace, each for a type of its own, the first apart of
// them in different workspaces as far as there are any. path is what the steady ones point to.
func newLab(ctx context.Context, o *options, path string, perWorkspace, apart int) (l *lab, err error) {
	l = &lab{o: o}
	if l.receiver, err = startReceiver(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(ctx))
		}
	}()
	if l.install, err = rig.New(o.program, "load"); err != nil {
		return l, err
	}
	workspaces := (o.webhooks + perWorkspace - 1) / perWorkspace
	hooks := make([]rig.Webhook, o.webhooks)
	for n := range hooks {
		kind := fmt.Sprintf("Load%d", n/workspaces)
		url := l.receiver.steady + path
		if n < apart {
			url = l.receiver.away + apartPath
		}
		hooks[n] = rig.Webhook{
			Workspace: fmt.Sprintf("ws_%d", n%workspaces), URL: fmt.Sprintf("%s%d", url, n), Types: kind + "*",
		}
		t := target{hook: hooks[n], event: kind}
		if n < apart {
			l.apart = append(l.apart, t)
		} else {
			l.steady = append(l.steady, t)
		}
	}
	return l, l.install.Prepare(ctx, hooks)
}

func (l *lab) close(ctx context.Context) error {
	l.receiver.peer.Stop()
	if l.install == nil {
		return nil
	}
	return l.install.Remove(ctx)
}

// maximum is how many deliveries a second the dispatcher makes of a backlog, to all webhooks, none of which is silent. Where
// a rate is given it is not measured: it is share times that rate.
func (l *lab) maximum(ctx context.Context, share float64) (perSecond float64, err error) {
	if l.o.rate > 0 {
		return share * l.o.rate, nil
	}
	err = l.on(ctx, 0, func(i *rig.Installation) error {
		began := time.Now()
		if err := l.publish(ctx, i, time.Time{}, &stream{targets: l.steady, most: l.o.backlog}); err != nil {
			return err
		}
		d, err := l.dispatcher(ctx, i)
		if err != nil {
			return err
		}
		err = l.receiver.waitFor(ctx, 30*time.Second, func(n counts) bool { return n.steady >= l.o.backlog })
		if err := errors.Join(err, d.stop()); err != nil {
			return err
		}
		seen, err := l.receiver.of(ctx, steady, began, time.Now())
		perSecond = seen.Middle
		return err
	})
	return perSecond, err
}

// dispatcher starts one.
func (l *lab) dispatcher(ctx context.Context, i *rig.Installation, more ...string) (*dispatcherPeer, error) {
	args := append([]string{"--roles", l.o.roles, "--max-in-flight", fmt.Sprint(l.o.inFlight)}, more...)
	return startDispatcher(ctx, i, args...)
}

// on calls do with topics that nobody used before and a receiver that saw nothing, in which those apart are so slow.
func (l *lab) on(ctx context.Context, slow time.Duration, do func(*rig.Installation) error) error {
	return onFresh(ctx, l.install, l.receiver, slow, do)
}

// onFresh is lab.on of an installation and a receiver.
func onFresh(ctx context.Context, of *rig.Installation, r *receiverPeer, slow time.Duration, do func(*rig.Installation) error) (err error) {
	i := of.WithTopics(rig.Name())
	defer func() { err = errors.Join(err, i.RemoveTopics(ctx)) }()
	if err := i.Topics(ctx); err != nil {
		return err
	}
	if err := r.reset(ctx, slow); err != nil {
		return err
	}
	return do(i)
}

// publish publishes streams by themselves.
func (l *lab) publish(ctx context.Context, i *rig.Installation, to time.Time, streams ...*stream) error {
	p, err := newPublisher(ctx, i, l.o.example)
	if err != nil {
		return err
	}
	return errors.Join(p.run(ctx, to, streams...), p.close(ctx))
}

// trial is one measured run.
type trial struct {
	steady, apart float64       // events a second
	slow          time.Duration // that those apart take for an answer
	most          int           // events apart; 0: for as long as it takes
	span          time.Duration
}

// outcome is what it came to.
type outcome struct {
	perSecond     float64 // of the steady ones
	p50, p99, max float64 // ms
	missing       int     // events of the steady ones that did not come
	again         int     // requests beyond the first for an event of the steady ones
	figures
	micros float64 // CPU for each request
}

// measure publishes at the trial's rates and watches what becomes of it.
func (l *lab) measure(ctx context.Context, t trial) (out outcome, err error) {
	err = l.on(ctx, t.slow, func(i *rig.Installation) error {
		d, err := l.dispatcher(ctx, i)
		if err != nil {
			return err
		}
		out, err = l.watch(ctx, i, d, t)
		if err := errors.Join(err, d.stop()); err != nil {
			return err
		}
		n, err := l.receiver.count(ctx)
		out.micros = float64(d.cpu().Microseconds()) / float64(max(1, n.steady+n.apart+n.steadyMore+n.apartMore))
		return err
	})
	return out, err
}

// patience is how long nothing may arrive before a run is given up.
const patience = 15 * time.Second

// mostWarmUps bounds how often the warm-up is repeated while the dispatcher has not caught up with it.
const mostWarmUps = 6

// warmUp publishes the stream until the dispatcher keeps up with it: what it has to learn at its start is not what is
// measured. It returns how many events that took.
func (l *lab) warmUp(ctx context.Context, p *publisher, s *stream) (sent int, err error) {
	for range mostWarmUps {
		if err := p.run(ctx, time.Now().Add(l.o.warmUp), s); err != nil {
			return sent, err
		}
		sent += s.sent
		n, err := l.receiver.count(ctx)
		if err != nil {
			return sent, err
		}
		if behind := float64(sent - n.steady); behind < s.perSecond/2 {
			return sent, nil
		}
	}
	return sent, errors.New("the dispatcher does not keep up with half of the rate that was measured: the machine is busy")
}

func (l *lab) watch(ctx context.Context, i *rig.Installation, d *dispatcherPeer, t trial) (out outcome, err error) {
	p, err := newPublisher(ctx, i, l.o.example)
	if err != nil {
		return out, err
	}
	calm, aside := &stream{targets: l.steady, perSecond: t.steady}, &stream{perSecond: t.apart, most: t.most}
	if t.apart > 0 {
		aside.targets = l.apart
	}
	before, err := l.warmUp(ctx, p, calm)
	if err == nil {
		_, err = d.sincePeak(ctx)
	}
	from := time.Now()
	to := from.Add(t.span)
	if err == nil {
		err = p.run(ctx, to, calm, aside)
	}
	if err := errors.Join(err, p.close(ctx)); err != nil {
		return out, err
	}
	expected := before + calm.sent
	// What is missing shows in the table: it is no reason to give up.
	waitErr := l.receiver.waitFor(ctx, patience, func(n counts) bool { return n.steady >= expected })
	if ctx.Err() != nil {
		return out, waitErr
	}
	if out.figures, err = d.sincePeak(ctx); err != nil {
		return out, err
	}
	seen, err := l.receiver.of(ctx, steady, from, to)
	if err != nil {
		return out, err
	}
	n, err := l.receiver.count(ctx)
	out.missing, out.again = expected-n.steady, n.steadyMore
	out.perSecond = float64(seen.Arrived) / t.span.Seconds()
	out.p50, out.p99, out.max = float64(seen.P50)/1e3, float64(seen.P99)/1e3, float64(seen.Max)/1e3
	return out, err
}
