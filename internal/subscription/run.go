package subscription

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Run reads the feed, drops what changed from memory, and writes to the shared cache, until ctx ends. It returns after
// its goroutines ended, with ctx's error.
func (d *Directory) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { d.writeCache(ctx) })
	wg.Go(func() { d.purge(ctx) })
	d.follow(ctx)
	wg.Wait()
	return ctx.Err()
}

// follow polls the feed: at its interval, and after a hint.
func (d *Directory) follow(ctx context.Context) {
	f := &feed{store: d.store}
	tick := time.NewTicker(d.cfg.Poll)
	defer tick.Stop()
	for {
		d.look(ctx, f)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.hint:
			// What comes in the next moments is read along.
			select {
			case <-ctx.Done():
				return
			case <-time.After(hintPause):
			}
		}
	}
}

// forgetEvery is how many looks at the feed pass between two walks over the fences: about a minute's.
const forgetEvery = 256

// look reads all that is new.
func (d *Directory) look(ctx context.Context, f *feed) {
	for {
		n, err := d.pollOnce(ctx, f)
		if ctx.Err() != nil {
			return
		}
		d.polled(err)
		if err == nil && !n.more {
			d.mu.Lock()
			close(d.heard)
			d.heard = make(chan struct{})
			d.mu.Unlock()
		}
		if err != nil || !n.more {
			return
		}
	}
}

// catchUp returns once the feed was read from after the call on. It fails only when ctx ends.
func (d *Directory) catchUp(ctx context.Context) error {
	for range 2 { // the first of them may have begun before
		d.mu.Lock()
		heard := d.heard
		d.mu.Unlock()
		d.Hint()
		select {
		case <-heard:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pollOnce takes one batch of the feed into account. When it fails, the feed is read from the same place again.
func (d *Directory) pollOnce(ctx context.Context, f *feed) (news, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	before := *f
	n, err := f.poll(ctx)
	if err != nil {
		return n, err
	}
	now := time.Now()
	if n.lost {
		if err := d.startOver(ctx, f, n.position, now); err != nil {
			*f = before
			return n, err
		}
	}
	for _, c := range n.changes {
		if c.kind == changeWorkspace {
			d.near.invalidate(c.workspace, c.seq, now)
		}
	}
	if d.near.tick.Add(1)%forgetEvery == 0 {
		d.near.forget(now.Add(-fenceLife))
	}
	return n, nil
}

// startOver begins without knowing what changed before: memory is dropped, and entries of the shared cache count only
// if they are not behind the changes that the table still has.
func (d *Directory) startOver(ctx context.Context, f *feed, position int64, now time.Time) error {
	recent, complete, err := d.store.recent(ctx, d.store.now().Add(-fenceLife), maxFences)
	if err != nil {
		return err
	}
	floor := int64(0)
	if !complete {
		floor, recent = position, nil
	}
	d.near.reset(floor)
	for workspace, seq := range recent {
		d.near.invalidate(workspace, seq, now)
	}
	d.mu.Lock()
	// Two databases may share a Redis; positions mean something in one of them only.
	d.prefix = "webhooks:" + f.incarnation[:min(8, len(f.incarnation))] + ":"
	d.mu.Unlock()
	d.once.Do(func() { close(d.ready) })
	return nil
}

// polled notes how the feed is doing, and tells the log when that changes.
func (d *Directory) polled(err error) {
	d.mu.Lock()
	was, since := d.failing, time.Since(d.seen)
	d.failing = err != nil
	if err == nil {
		d.seen = time.Now()
	}
	d.mu.Unlock()
	switch {
	case err != nil && !was:
		d.metrics.pollFaults.Inc()
		d.cfg.Log.Warn("changes of webhooks cannot be read: deliveries go on by what is known", zap.Error(err))
	case err != nil:
		d.metrics.pollFaults.Inc()
	case was:
		d.cfg.Log.Info("changes of webhooks are read again", zap.Duration("away", since))
	}
}

// writeCache writes what was read from SQL to the shared cache.
func (d *Directory) writeCache(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case entries := <-d.puts:
			if err := d.cfg.Cache.Put(ctx, entries); err != nil {
				d.metrics.cacheFaults.Inc()
			}
		}
	}
}

func (d *Directory) purge(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.store.Purge(ctx); err != nil && ctx.Err() == nil {
				d.cfg.Log.Warn("old rows stay", zap.Error(err))
			}
		}
	}
}
