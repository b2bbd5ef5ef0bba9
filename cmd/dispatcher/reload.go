package main

import (
	"bytes"
	"context"
	"os"
	"time"

	"go.uber.org/zap"
)

// settingsFile is a file of the configuration that may change while the program runs.
type settingsFile struct {
	flag, path string
	apply      func(content []byte) error
}

// rereadEvery is how often such files are looked at. A key that was taken out of one is refused within a second.
const rereadEvery = 250 * time.Millisecond

// reread applies each of the settings files again whenever its content changed, until ctx ends. It compares contents, since
// container platforms replace such files by links. What cannot be read or is wrong is told once, and changes nothing.
func (b *base) reread(ctx context.Context) error {
	known := make([][]byte, len(b.files))
	unreadable := make([]bool, len(b.files))
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		for i, f := range b.files {
			content, err := os.ReadFile(f.path)
			if err != nil {
				if !unreadable[i] {
					b.log.Error(f.flag+" cannot be read: what it said before stays", zap.Error(err))
				}
				unreadable[i] = true
				continue
			}
			unreadable[i] = false
			if known[i] != nil && bytes.Equal(content, known[i]) {
				continue
			}
			if err := f.apply(content); err != nil {
				b.log.Error(f.flag+" is wrong: what it said before stays", zap.Error(err))
			} else if known[i] != nil {
				b.log.Info(f.flag + " was read again")
			}
			known[i] = content
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
