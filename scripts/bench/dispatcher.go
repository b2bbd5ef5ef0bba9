package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/scripts/rig"
)

// workspaces that the events of a round are spread over, each with one webhook.
const workspaces = 16

// round is what one run of the dispatcher came to.
type round struct {
	micros    float64 // CPU of each delivery
	perSecond float64
	rss       float64 // most memory in MiB
}

// dispatcherRound publishes n events and lets a fresh dispatcher deliver them.
func dispatcherRound(ctx context.Context, o *options, rc *receiverProcess, example string, n int) (r round, err error) {
	d, err := rig.New(o.program, "bench")
	if err != nil {
		return round{}, err
	}
	hooks := make([]rig.Webhook, workspaces)
	for i := range hooks {
		hooks[i] = rig.Webhook{Workspace: fmt.Sprintf("ws_%d", i), URL: fmt.Sprintf("%s/%d", rc.url, i), Types: "*"}
	}
	defer func() { err = errors.Join(err, d.Remove(ctx)) }()
	if err := d.Prepare(ctx, hooks); err != nil {
		return round{}, err
	}
	if err := publish(ctx, d, example, n); err != nil {
		return round{}, err
	}
	if err := rc.reset(ctx); err != nil {
		return round{}, err
	}
	return deliver(ctx, d, o, rc, n)
}

// publish puts n events into the topic, spread over the workspaces and over 500 sessions.
func publish(ctx context.Context, d *rig.Installation, example string, n int) error {
	var doc struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(event.Example(example), &doc); err != nil {
		return err
	}
	cmd := d.Command(ctx, "publish", "-")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for i := range n {
		data := bytes.Replace(doc.Data, []byte(`"session_id":"`), fmt.Appendf(nil, `"session_id":"s%d-`, i%500), 1)
		if _, err = fmt.Fprintf(in, `{"id":"evt_%d","event":%q,"workspace_id":"ws_%d","data":%s}`+"\n", i, doc.Event, i%workspaces, data); err != nil {
			break
		}
	}
	return errors.Join(err, in.Close(), cmd.Wait())
}

// deliver runs the dispatcher until the receiver has seen all events, then ends it and reads what it used.
func deliver(ctx context.Context, d *rig.Installation, o *options, rc *receiverProcess, n int) (round, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	serve := d.Command(ctx, "serve", "--roles", "consumer,retry", "--max-in-flight", fmt.Sprint(o.inFlight), "--log-level", "warn")
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		return round{}, err
	}
	var span time.Duration
	for seen := 0; seen < n; {
		select {
		case <-ctx.Done():
			return round{}, errors.Join(fmt.Errorf("%d of %d deliveries", seen, n), serve.Wait())
		case <-time.After(50 * time.Millisecond):
		}
		var err error
		if seen, span, err = rc.seen(ctx); err != nil {
			return round{}, err
		}
	}
	_ = serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		return round{}, fmt.Errorf("dispatcher ended: %w", err)
	}
	usage, ok := serve.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return round{}, errors.New("no resource usage on this system")
	}
	used := serve.ProcessState.UserTime() + serve.ProcessState.SystemTime()
	return round{
		micros:    float64(used.Microseconds()) / float64(n),
		perSecond: float64(n) / span.Seconds(),
		rss:       float64(usage.Maxrss) / 1024,
	}, nil
}
