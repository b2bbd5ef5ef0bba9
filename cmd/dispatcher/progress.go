package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// pace spreads events over time.
type pace struct {
	gap  time.Duration
	next time.Time
}

func newPace(rate float64) *pace {
	if rate <= 0 {
		return &pace{}
	}
	return &pace{gap: time.Duration(float64(time.Second) / rate), next: time.Now()}
}

func (p *pace) wait(ctx context.Context) error {
	if p.gap == 0 {
		return ctx.Err()
	}
	d := time.Until(p.next)
	p.next = p.next.Add(p.gap)
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// progress shows how far a command is, on a terminal only.
type progress struct{ w *os.File }

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return &progress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{w: f}
}

// start shows good and bad until the function that it returns is called.
func (p *progress) start(good, bad *atomic.Int64) (stop func()) {
	if p.w == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		began, tick := time.Now(), time.NewTicker(250*time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				_, _ = fmt.Fprint(p.w, "\r\x1b[K")
				return
			case <-tick.C:
				n := good.Load()
				_, _ = fmt.Fprintf(p.w, "\r\x1b[K%d published, %d refused, %.0f/s", n, bad.Load(), float64(n)/time.Since(began).Seconds())
			}
		}
	}()
	return func() { close(quit); <-done }
}
