package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const syscallContinue = syscall.SIGCONT

// disturb applies the faults at their times, each undone after its own, and returns when all are over.
func (w *world) disturb(ctx context.Context, begun time.Time, faults []fault) error {
	errs := make(chan error)
	for _, f := range faults {
		go func() {
			wait(ctx, time.Until(begun.Add(f.at)))
			if err := w.apply(ctx, f); err != nil {
				errs <- fmt.Errorf("%s: %w", f, err)
				return
			}
			errs <- nil
		}()
	}
	var all []error
	for range faults {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// apply does one fault and undoes it.
func (w *world) apply(ctx context.Context, f fault) error {
	switch f.kind {
	case killDispatcher, endDispatcher, freezeDispatcher:
		return w.applyToDispatcher(ctx, f)
	case killBroker:
		return w.applyToBroker(ctx, f)
	case killRedis:
		return w.restart(ctx, serviceRedis, f.lasts)
	case flushRedis:
		return flush(ctx, w.addresses.redis)
	case killPostgres:
		return w.restart(ctx, servicePostgres, f.lasts)
	case delayNet, throttleNet, stallNet, resetNet, refuseNet:
	}
	return w.applyToNet(ctx, f)
}

func (w *world) applyToDispatcher(ctx context.Context, f fault) error {
	d := w.dispatchers[f.target-1]
	if f.kind == freezeDispatcher {
		return w.freeze(ctx, f, d)
	}
	var err error
	if f.kind == endDispatcher {
		err = d.end()
	} else {
		err = w.kill(ctx, d)
	}
	if err != nil {
		return err
	}
	wait(ctx, f.lasts)
	if err := d.start(); err != nil {
		return err
	}
	return poll(ctx, recovery, "the dispatcher to be ready", func() error { return d.ready(ctx) })
}

func (w *world) freeze(ctx context.Context, f fault, d *dispatcher) error {
	begun := time.Now()
	name, _, err := d.signal(syscall.SIGSTOP, true)
	if err != nil {
		return err
	}
	wait(ctx, f.lasts)
	if _, _, err = d.signal(syscall.SIGCONT, true); err != nil {
		return err
	}
	w.disturbed(disturbance{what: byFreeze, sender: name, from: begun, to: time.Now(), allowed: -1})
	return poll(ctx, recovery, "the dispatcher to be ready", func() error { return d.ready(ctx) })
}

func (w *world) applyToBroker(ctx context.Context, f fault) error {
	begun := time.Now()
	if err := w.restart(ctx, fmt.Sprintf("kafka-%d", f.target), f.lasts); err != nil {
		return err
	}
	err := poll(ctx, recovery, "all copies to be in sync", func() error { return w.inSync(ctx) })
	w.disturbed(disturbance{what: byKafka, from: begun, to: time.Now(), allowed: -1})
	return err
}

// restart kills a service and starts it again after a pause.
func (w *world) restart(ctx context.Context, name string, pause time.Duration) error {
	if err := w.service(ctx, "kill", name); err != nil {
		return err
	}
	wait(ctx, pause)
	return w.service(ctx, "start", name)
}

// applyToNet makes a dispatcher's connections to a service suffer.
func (w *world) applyToNet(ctx context.Context, f fault) error {
	begun := time.Now()
	var errs []error
	for _, p := range proxiesOf(f.target, f.service) {
		errs = append(errs, w.poison(ctx, f.kind, p))
	}
	wait(ctx, f.lasts)
	for _, p := range proxiesOf(f.target, f.service) {
		if f.kind == refuseNet {
			errs = append(errs, w.proxies.enable(ctx, p, true))
		} else {
			errs = append(errs, w.proxies.cure(ctx, p))
		}
	}
	if f.service == serviceKafka {
		w.disturbed(disturbance{what: byKafka, number: f.target, from: begun, to: time.Now(), allowed: -1})
	}
	return errors.Join(errs...)
}

func (w *world) poison(ctx context.Context, k kind, proxy string) error {
	switch k {
	case delayNet:
		return w.proxies.poison(ctx, proxy, "latency", map[string]any{"latency": 150, "jitter": 100})
	case throttleNet:
		return w.proxies.poison(ctx, proxy, "bandwidth", map[string]any{"rate": 200}) // KB/s
	case stallNet:
		return w.proxies.poison(ctx, proxy, "timeout", map[string]any{"timeout": 0})
	case resetNet:
		return w.proxies.poison(ctx, proxy, "reset_peer", map[string]any{"timeout": 20})
	case refuseNet:
		return w.proxies.enable(ctx, proxy, false)
	case killDispatcher, endDispatcher, freezeDispatcher, killBroker, killRedis, flushRedis, killPostgres:
	}
	return nil
}

// disturbed notes a disturbance of this round.
func (w *world) disturbed(d disturbance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbances = append(w.disturbances, d)
}

func (w *world) takeDisturbances() []disturbance {
	w.mu.Lock()
	defer w.mu.Unlock()
	noted := w.disturbances
	w.disturbances = nil
	return noted
}

// flush empties Redis. It may be away, by another fault: then it comes back empty anyway.
func flush(ctx context.Context, raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	password, _ := u.User.Password()
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nFLUSHALL\r\nQUIT\r\n", password); err != nil {
		return fmt.Errorf("flush Redis: %w", err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || strings.Count(string(answer), "+OK") != 3 {
		return fmt.Errorf("flush Redis: %q: %w", answer, err)
	}
	return nil
}

// inSync asks whether every partition has as many copies in sync as there are brokers.
func (w *world) inSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "kcat", "-b", w.addresses.kafka, "-L", "-m", "5").Output() //nolint:gosec // our brokers
	if err != nil {
		return fmt.Errorf("ask for the copies in sync: %w", err)
	}
	for line := range bytes.Lines(out) {
		_, isrs, ok := strings.Cut(string(line), "isrs: ")
		if ok && strings.Count(isrs, ",") != brokers-1 {
			return fmt.Errorf("not all in sync: %s", bytes.TrimSpace(line))
		}
	}
	return nil
}
