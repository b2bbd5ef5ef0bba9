package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/scripts/rig"
)

// dispatcherPeer is a running dispatcher, watched by its metrics.
type dispatcherPeer struct {
	cmd    *exec.Cmd
	ops    string
	group  string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	peak figures
}

// figures are what the metrics of a dispatcher say: the most of the gauges since peak was reset, the counters so far.
type figures struct {
	oldest float64 // seconds: the oldest unfinished record of the source topics
	rss    float64 // MiB
	parked float64 // deliveries
}

// watchEvery is how often the metrics are read.
const watchEvery = 500 * time.Millisecond

// startDispatcher starts a dispatcher and returns once it is ready.
func startDispatcher(ctx context.Context, i *rig.Installation, args ...string) (*dispatcherPeer, error) {
	ops, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	args = append([]string{"serve", "--log-level", "error", "--ops-addr", ops}, args...)
	d := &dispatcherPeer{cmd: i.Command(ctx, args...), ops: "http://" + ops, group: i.EventsGroup()}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if err := d.ready(ctx); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	watching, cancel := context.WithCancel(ctx)
	d.cancel = cancel
	d.wg.Go(func() {
		for sleep(watching, watchEvery) == nil {
			_ = d.look(watching) // one look that fails is made up for by the next
		}
	})
	return d, nil
}

// freeAddr is an address on which nobody listens.
func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (d *dispatcherPeer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := rig.Call(ctx, http.MethodGet, d.ops+"/readyz", "", nil)
		if err == nil {
			return nil
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("dispatcher is not ready: %w", err)
		}
	}
}

// look reads the metrics once.
func (d *dispatcherPeer) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	text, err := rig.Call(ctx, http.MethodGet, d.ops+"/metrics", "", nil)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parked := 0.0
	for line := range strings.Lines(string(text)) {
		name, value, ok := sample(line)
		switch {
		case !ok:
		case name == "process_resident_memory_bytes":
			d.peak.rss = max(d.peak.rss, value/(1<<20))
		case strings.HasPrefix(name, "dispatcher_parked_total{"):
			parked += value
		case strings.HasPrefix(name, "dispatcher_consumer_oldest_unfinished_seconds{") &&
			strings.Contains(name, `group="`+d.group+`"`):
			d.peak.oldest = max(d.peak.oldest, value)
		}
	}
	d.peak.parked = parked
	return nil
}

// values reads metrics without labels, in the order of their names.
func (d *dispatcherPeer) values(ctx context.Context, names ...string) ([]float64, error) {
	text, err := rig.Call(ctx, http.MethodGet, d.ops+"/metrics", "", nil)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(names))
	found := 0
	for line := range strings.Lines(string(text)) {
		name, value, ok := sample(line)
		if at := slices.Index(names, name); ok && at >= 0 {
			out[at] = value
			found++
		}
	}
	if found != len(names) {
		return nil, fmt.Errorf("not all of %q are among the metrics", names)
	}
	return out, nil
}

// sample reads a line of the metrics: a name with its labels, and a value.
func sample(line string) (name string, value float64, ok bool) {
	line = strings.TrimSpace(line)
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || strings.HasPrefix(line, "#") {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(line[at+1:], 64)
	return line[:at], value, err == nil
}

// sincePeak returns the figures since the last call and begins anew.
func (d *dispatcherPeer) sincePeak(ctx context.Context) (figures, error) {
	if err := d.look(ctx); err != nil {
		return figures{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.peak
	d.peak = figures{}
	return f, nil
}

// stop ends the dispatcher as a supervisor does, and waits for it.
func (d *dispatcherPeer) stop() error {
	if d.cancel != nil {
		d.cancel()
		d.wg.Wait()
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("dispatcher ended: %w", err)
	}
	return nil
}

// cpu is the processor time that the dispatcher used from start to end; it must have ended.
func (d *dispatcherPeer) cpu() time.Duration {
	return d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime()
}
