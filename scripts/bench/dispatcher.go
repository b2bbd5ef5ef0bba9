package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// workspaces that the events of a round are spread over, each with one webhook.
const workspaces = 16

const operatorKey = "operator-key-of-the-benchmark"

// round is what one run of the dispatcher came to.
type round struct {
	micros    float64 // CPU of each delivery
	perSecond float64
	rss       float64 // most memory in MiB
}

// dispatcherRound publishes n events and lets a fresh dispatcher deliver them.
func dispatcherRound(ctx context.Context, o *options, rc *receiverProcess, example string, n int) (round, error) {
	env, err := environment()
	if err != nil {
		return round{}, err
	}
	d := &installation{program: o.program, env: env}
	if err := d.prepare(ctx, rc.url); err != nil {
		return round{}, err
	}
	if err := d.publish(ctx, example, n); err != nil {
		return round{}, err
	}
	if err := rc.reset(ctx); err != nil {
		return round{}, err
	}
	return d.deliver(ctx, o, rc, n)
}

// environment names the services and a set of topics and keys of this round's own.
func environment() ([]string, error) {
	var missing []error
	service := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			missing = append(missing, fmt.Errorf("%s is not set: use make bench", name))
		}
		return v
	}
	prefix := "bench-" + strings.ToLower(rand.Text()[:10])
	database := service("DISPATCHER_TEST_DATABASE")
	sep := "?"
	if strings.Contains(database, "?") {
		sep = "&"
	}
	env := append(os.Environ(),
		"DISPATCHER_KAFKA_BROKERS="+service("DISPATCHER_TEST_KAFKA"), "DISPATCHER_KAFKA_PREFIX="+prefix,
		"DISPATCHER_REDIS_URL="+service("DISPATCHER_TEST_REDIS"), "DISPATCHER_REDIS_PREFIX="+prefix,
		"DISPATCHER_DATABASE_URL="+database+sep+"search_path="+strings.ReplaceAll(prefix, "-", "_"),
		"DISPATCHER_ENCRYPTION_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"DISPATCHER_OPERATOR_KEY="+operatorKey, "DISPATCHER_KAFKA_START=earliest",
		"DISPATCHER_ALLOWED_NETWORKS=127.0.0.0/8", "DISPATCHER_HTTP_ADDR=127.0.0.1:0", "DISPATCHER_OPS_ADDR=127.0.0.1:0",
	)
	return env, errors.Join(missing...)
}

// installation is one round's topics, schema and webhooks.
type installation struct {
	program string
	env     []string
}

func (d *installation) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Env = d.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

func (d *installation) run(ctx context.Context, stdin []byte, args ...string) error {
	cmd := d.command(ctx, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("dispatcher %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// prepare makes schema, topics and webhooks.
func (d *installation) prepare(ctx context.Context, receiver string) error {
	if err := d.run(ctx, nil, "migrate"); err != nil {
		return err
	}
	if err := d.run(ctx, nil, "topics", "create", "--with-sources"); err != nil {
		return err
	}
	api := d.command(ctx, "serve", "--roles", "api")
	out := &watched{}
	api.Stdout, api.Stderr = out, out
	if err := api.Start(); err != nil {
		return err
	}
	defer func() {
		_ = api.Process.Signal(syscall.SIGTERM)
		_ = api.Wait()
	}()
	addr, err := out.after(ctx, `"api":"`)
	if err != nil {
		return err
	}
	for i := range workspaces {
		body := fmt.Appendf(nil, `{"url":"%s/%d","event_types":["*"]}`, receiver, i)
		if _, err := call(ctx, "POST", fmt.Sprintf("http://%s/v1/workspaces/ws_%d/webhooks", addr, i), operatorKey, body); err != nil {
			return err
		}
	}
	return nil
}

// publish puts n events into the topic, spread over the workspaces and over 500 sessions.
func (d *installation) publish(ctx context.Context, example string, n int) error {
	var doc struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(event.Example(example), &doc); err != nil {
		return err
	}
	cmd := d.command(ctx, "publish", "-")
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
func (d *installation) deliver(ctx context.Context, o *options, rc *receiverProcess, n int) (round, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	serve := d.command(ctx, "serve", "--roles", "consumer,retry", "--max-in-flight", fmt.Sprint(o.inFlight), "--log-level", "warn")
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
