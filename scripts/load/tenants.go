package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/voxagent/dispatcher/scripts/rig"
)

// perTenant is how many webhooks each workspace has; an event selects one of them by its type.
const perTenant = 10

// tenants measures what finding webhooks costs among very many: with nothing known, with Redis filled, with memory filled.
func tenants(ctx context.Context, o *options) (err error) {
	t, err := newTenants(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(ctx)) }()
	t.report = newReport(fmt.Sprintf("tenants: %d workspaces with %d webhooks; they were imported in %s", o.tenants, perTenant*o.tenants,
		t.imported.Round(time.Second)))
	_, _ = fmt.Fprintf(t.report.out, "%-34s %8s %8s %8s %10s %12s %14s %8s\n", "phase", "events", "s", "events/s", "CPU µs", "SQL/1000",
		"Redis/1000", "RSS MiB")
	if err := t.measure(ctx); err != nil {
		return err
	}
	return t.report.end()
}

type tenantsRun struct {
	o        *options
	receiver *receiverPeer
	install  *rig.Installation
	redis    *goredis.Client
	report   *report
	imported time.Duration
	rss      float64 // MiB, the most
}

func newTenants(ctx context.Context, o *options) (t *tenantsRun, err error) {
	t = &tenantsRun{o: o}
	options, err := goredis.ParseURL(os.Getenv("DISPATCHER_TEST_REDIS"))
	if err != nil {
		return nil, fmt.Errorf("DISPATCHER_TEST_REDIS: %w", err)
	}
	t.redis = goredis.NewClient(options)
	if t.receiver, err = startReceiver(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close(ctx))
		}
	}()
	if t.install, err = rig.New(o.program, "load"); err != nil {
		return nil, err
	}
	if err := t.install.Prepare(ctx, nil); err != nil {
		return nil, err
	}
	began := time.Now()
	err = t.install.Import(ctx, t.lines)
	t.imported = time.Since(began)
	return t, err
}

// lines writes the webhooks as import reads them. The last one of the first workspace points elsewhere: it is changed later.
func (t *tenantsRun) lines(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	for n := range perTenant * t.o.tenants {
		url := fmt.Sprintf("%s%s%d", t.receiver.steady, steadyPath, n)
		if n%t.o.tenants == 0 && n/t.o.tenants == perTenant-1 {
			url = t.receiver.away + apartPath + "0"
		}
		_, err := fmt.Fprintf(out, `{"id":"wh_%d","workspace_id":"ws_%d","url":%q,"event_types":["Load%d*"],"secret":"secret-of-webhook-%010d"}`+"\n",
			n, n%t.o.tenants, url, n/t.o.tenants, n)
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

func (t *tenantsRun) close(ctx context.Context) error {
	t.receiver.peer.Stop()
	err := t.redis.Close()
	if t.install != nil {
		err = errors.Join(err, t.install.Remove(ctx))
	}
	return err
}

// of returns a webhook of each of the first n workspaces, of all its kinds in turn but the last.
func (t *tenantsRun) of(n int) []target {
	out := make([]target, n)
	for i := range out {
		out[i] = target{hook: rig.Webhook{Workspace: fmt.Sprintf("ws_%d", i)}, event: fmt.Sprintf("Load%d", i%(perTenant-1))}
	}
	return out
}

func (t *tenantsRun) measure(ctx context.Context) error {
	all, hot := t.of(t.o.tenants), t.of(min(t.o.hot, t.o.tenants))
	before, err := t.redisMemory(ctx)
	if err != nil {
		return err
	}
	if _, err := t.phase(ctx, "nothing known (fills Redis)", all, len(all), "0s", nil); err != nil {
		return err
	}
	after, err := t.redisMemory(ctx)
	if err != nil {
		return err
	}
	if _, err := t.phase(ctx, "Redis warm, memory empty", all, len(all), "0s", nil); err != nil {
		return err
	}
	warm, err := t.phase(ctx, "memory warm", hot, len(all), "0s", hot)
	if err != nil {
		return err
	}
	if _, err := t.phase(ctx, "memory warm, with deduplication", hot, len(all), "10m", hot); err != nil {
		return err
	}
	late, err := t.change(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(t.report.out, "\nRedis: %.0f MiB for all of them\n", (after-before)/(1<<20))
	t.report.verdict(
		bound{"SQL queries for 1,000 events, memory warm", warm.queries, false, 1},
		bound{"Redis commands for 1,000 events, memory warm", warm.commands, false, 10},
		bound{"memory of the process, MB", t.rss * 1.048576, false, 400},
		bound{"requests begun more than 1 s after their webhook was disabled", float64(late), false, 0},
	)
	return nil
}

// tally is what a phase cost for each 1,000 events, and in CPU for each.
type tally struct{ queries, commands, micros float64 }

// phase has a fresh dispatcher deliver events to targets in turn: a backlog, or, where warm is given, what is published once
// each of warm has had an event.
func (t *tenantsRun) phase(ctx context.Context, name string, targets []target, events int, dedupe string, warm []target) (cost tally, err error) {
	err = t.on(ctx, func(i *rig.Installation, p *publisher) error {
		backlog := &stream{targets: targets, most: events}
		if warm == nil {
			if err := p.run(ctx, time.Time{}, backlog); err != nil {
				return err
			}
		}
		before := sums{}
		var err error
		if before.commands, err = t.commands(ctx); err != nil {
			return err
		}
		d, err := startDispatcher(ctx, i, "--roles", "consumer,retry", "--dedupe-window", dedupe)
		if err != nil {
			return err
		}
		if warm != nil {
			before, err = t.warmUp(ctx, d, p, warm)
		}
		began := time.Now()
		if warm != nil && err == nil {
			err = p.run(ctx, time.Time{}, backlog)
		}
		if err == nil {
			err = t.receiver.waitFor(ctx, 2*patience, func(n counts) bool { return n.steady >= events+len(warm) })
		}
		if err != nil {
			return errors.Join(err, d.stop())
		}
		cost, err = t.row(ctx, d, name, events, time.Since(began), before)
		return errors.Join(err, d.stop())
	})
	return cost, err
}

// on calls do with topics that nobody used before, a publisher, and a receiver that saw nothing.
func (t *tenantsRun) on(ctx context.Context, do func(*rig.Installation, *publisher) error) error {
	return onFresh(ctx, t.install, t.receiver, 0, func(i *rig.Installation) error {
		p, err := newPublisher(ctx, i, t.o.example)
		if err != nil {
			return err
		}
		return errors.Join(do(i, p), p.close(ctx))
	})
}

// warmUp delivers an event to each target and returns the sums from which on it counts.
func (t *tenantsRun) warmUp(ctx context.Context, d *dispatcherPeer, p *publisher, targets []target) (sums, error) {
	if err := p.run(ctx, time.Time{}, &stream{targets: targets, most: len(targets)}); err != nil {
		return sums{}, err
	}
	if err := t.receiver.waitFor(ctx, patience, func(n counts) bool { return n.steady >= len(targets) }); err != nil {
		return sums{}, err
	}
	return t.sums(ctx, d)
}

// row prints what a phase cost.
func (t *tenantsRun) row(ctx context.Context, d *dispatcherPeer, name string, events int, took time.Duration, before sums) (tally, error) {
	after, err := t.sums(ctx, d)
	if err != nil {
		return tally{}, err
	}
	f, err := d.sincePeak(ctx)
	if err != nil {
		return tally{}, err
	}
	t.rss = max(t.rss, f.rss)
	thousands := float64(events) / 1000
	cost := tally{(after.queries - before.queries) / thousands, (after.commands - before.commands) / thousands,
		(after.cpu - before.cpu) * 1e6 / float64(events)}
	_, _ = fmt.Fprintf(t.report.out, "%-34s %8d %8.1f %8.0f %10.1f %12.2f %14.2f %8.0f\n", name, events, took.Seconds(),
		float64(events)/took.Seconds(), cost.micros, cost.queries, cost.commands, f.rss)
	return cost, nil
}

// sums are counters since the dispatcher's, and the server's, start.
type sums struct{ queries, commands, cpu float64 }

func (t *tenantsRun) sums(ctx context.Context, d *dispatcherPeer) (s sums, err error) {
	values, err := d.values(ctx, "dispatcher_webhooks_queries_total", "process_cpu_seconds_total")
	if err != nil {
		return s, err
	}
	s.queries, s.cpu = values[0], values[1]
	s.commands, err = t.commands(ctx)
	return s, err
}

// commands is how many commands Redis has run but for those that ask for this.
func (t *tenantsRun) commands(ctx context.Context) (float64, error) {
	text, err := t.redis.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":calls=")
		var calls float64
		if _, err := fmt.Sscanf(rest, "%g", &calls); ok && err == nil && name != "cmdstat_info" {
			sum += calls
		}
	}
	return sum, nil
}

func (t *tenantsRun) redisMemory(ctx context.Context) (float64, error) {
	text, err := t.redis.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	var used float64
	_, rest, _ := strings.Cut(text, "used_memory:")
	_, err = fmt.Sscanf(rest, "%g", &used)
	return used, err
}

// change disables a webhook among all of them, while events come, and returns how many requests it got from a second after
// the answer on.
func (t *tenantsRun) change(ctx context.Context) (late int, err error) {
	err = t.on(ctx, func(i *rig.Installation, p *publisher) error {
		api, err := freeAddr(ctx)
		if err != nil {
			return err
		}
		d, err := startDispatcher(ctx, i, "--http-addr", api)
		if err != nil {
			return err
		}
		publishing, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			last := target{hook: rig.Webhook{Workspace: "ws_0"}, event: fmt.Sprintf("Load%d", perTenant-1)}
			// It ends with its context, whose error says nothing.
			_ = p.run(publishing, time.Now().Add(never), &stream{targets: []target{last}, perSecond: 100})
		}()
		late, err = t.disable(ctx, api)
		stop()
		<-ended
		return errors.Join(err, d.stop())
	})
	return late, err
}

// disable disables the webhook apart, once it has got something.
func (t *tenantsRun) disable(ctx context.Context, api string) (late int, err error) {
	if err := t.receiver.waitFor(ctx, 2*patience, func(n counts) bool { return n.apart > 100 }); err != nil {
		return 0, err
	}
	url := fmt.Sprintf("http://%s/v1/workspaces/ws_0/webhooks/wh_%d", api, (perTenant-1)*t.o.tenants)
	if _, err := rig.Call(ctx, http.MethodPatch, url, rig.OperatorKey, []byte(`{"enabled":false}`)); err != nil {
		return 0, err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return 0, err
	}
	before, err := t.receiver.count(ctx)
	if err := errors.Join(err, sleep(ctx, 3*time.Second)); err != nil {
		return 0, err
	}
	after, err := t.receiver.count(ctx)
	return after.apart - before.apart, err
}
