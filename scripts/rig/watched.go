package rig

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// watched is a process's output in which one looks for something.
type watched struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

// after waits for marker and returns what follows it up to a quote.
func (w *watched) after(ctx context.Context, marker string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		w.mu.Lock()
		text := w.buf.String()
		w.mu.Unlock()
		if _, rest, ok := strings.Cut(text, marker); ok {
			if found, _, ok := strings.Cut(rest, `"`); ok {
				return found, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no %s in the output:\n%s", marker, text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
