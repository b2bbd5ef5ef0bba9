package subscription

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
)

// flight is one load of a workspace, which all who want it share. done is closed once set or failed is final.
type flight struct {
	done chan struct{}
	set  *set // nil: it failed, or what was loaded is older than what is demanded by now
	err  error
}

const (
	queryWorkspaces = 100 // in one statement
	queryTimeout    = 5 * time.Second
	firstPause      = 25 * time.Millisecond
	longestPause    = time.Second
	maxCached       = 4 << 20 // bytes; larger snapshots would only make Redis slow
)

// fill returns the sets of workspaces that the near cache does not have. It tries until it has them all: unknown is not
// none. It fails only when ctx ends.
func (d *Directory) fill(ctx context.Context, workspaces []string) (map[string]*set, error) {
	select {
	case <-d.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := make(map[string]*set, len(workspaces))
	for pause := firstPause; ; {
		failed, err := d.fillOnce(ctx, workspaces, out)
		if len(failed) == 0 {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		workspaces = failed
		if err == nil { // only overtaken by a change
			pause = firstPause
		} else {
			d.metrics.blocked.Inc()
			d.cfg.Log.Warn("webhooks cannot be read: events wait", zap.Int("workspaces", len(failed)), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

// fillOnce loads those that nobody else is loading, waits for the others, and returns what is still missing. err is why;
// nil when they were only overtaken by a change.
func (d *Directory) fillOnce(ctx context.Context, workspaces []string, out map[string]*set) (failed []string, err error) {
	mine, theirs := d.board(workspaces, out)
	if len(mine) > 0 {
		d.load(ctx, mine)
	}
	for _, flights := range []map[string]*flight{mine, theirs} {
		for workspace, f := range flights {
			select {
			case <-f.done:
			case <-ctx.Done():
				return workspaces, ctx.Err()
			}
			if f.set != nil {
				out[workspace] = f.set
				continue
			}
			failed = append(failed, workspace)
			if f.err != nil {
				err = f.err
			}
		}
	}
	return failed, err
}

// board joins the flights that are under way, and opens one for each other workspace.
func (d *Directory) board(workspaces []string, out map[string]*set) (mine, theirs map[string]*flight) {
	mine, theirs = map[string]*flight{}, map[string]*flight{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, workspace := range workspaces {
		if s := d.near.get(workspace); s != nil { // a flight landed since
			out[workspace] = s
			continue
		}
		if f := d.flights[workspace]; f != nil {
			theirs[workspace] = f
			continue
		}
		f := &flight{done: make(chan struct{})}
		d.flights[workspace], mine[workspace] = f, f
	}
	return mine, theirs
}

// load brings flights to their end: from the shared cache, and from SQL what that does not have.
func (d *Directory) load(ctx context.Context, flights map[string]*flight) {
	rest := d.fromCache(ctx, sortedKeys(flights), flights)
	for part := range slices.Chunk(rest, queryWorkspaces) {
		d.fromSQL(ctx, part, flights)
	}
}

// land ends a flight. A set that is older than what is demanded by now is not kept and not handed on.
func (d *Directory) land(workspace string, f *flight, s *set, err error) {
	if s != nil && d.near.put(s) {
		f.set = s
	}
	f.err = err
	d.mu.Lock()
	delete(d.flights, workspace)
	d.mu.Unlock()
	close(f.done)
}

// fromCache lands what the shared cache has and returns the rest.
func (d *Directory) fromCache(ctx context.Context, workspaces []string, flights map[string]*flight) (rest []string) {
	if d.cfg.Cache == nil {
		return workspaces
	}
	prefix := d.cachePrefix()
	keys := make([]string, len(workspaces))
	for i, w := range workspaces {
		keys[i] = prefix + w
	}
	entries, err := d.cfg.Cache.Get(ctx, keys)
	if err != nil {
		d.metrics.cacheFaults.Inc()
		return workspaces
	}
	now := d.store.cfg.Now()
	for i, w := range workspaces {
		s := d.usable(w, entries[i], now)
		if s == nil {
			rest = append(rest, w)
			continue
		}
		d.metrics.cacheHits.Inc()
		d.land(w, flights[w], s, nil)
	}
	return rest
}

// usable returns the entry's set if it is new enough, well formed and can be opened.
func (d *Directory) usable(workspace string, e redis.Versioned, now time.Time) *set {
	if e.Version == 0 || e.Version < d.near.demanded(workspace) {
		return nil
	}
	// What is marked by a key that is gone by now, or was tampered with: SQL knows better.
	raw, ok := d.store.keys.unmark(workspace, e.Version, e.Value)
	if !ok {
		return nil
	}
	snap, err := decodeSnapshot(workspace, e.Version, raw)
	if err != nil || !snap.fresh(now) {
		return nil
	}
	for i := range snap.hooks {
		if d.store.keys.sealerOf(snap.hooks[i].sealed) == nil {
			return nil
		}
	}
	return compile(snap, d.store.keys, d.broken)
}

// broken says that a webhook cannot be opened.
func (d *Directory) broken(ref fanout.Ref) {
	d.metrics.broken.Inc()
	d.cfg.Log.Error("a webhook cannot be opened with the given encryption keys: its deliveries wait",
		zap.String("workspace_id", ref.WorkspaceID), zap.String("webhook_id", ref.WebhookID))
}

// fromSQL lands the workspaces with one query.
func (d *Directory) fromSQL(ctx context.Context, workspaces []string, flights map[string]*flight) {
	snaps, err := d.query(ctx, workspaces)
	if err == nil && len(snaps) != len(workspaces) {
		err = errNoHead
	}
	var entries []redis.Entry
	prefix := d.cachePrefix()
	for _, w := range workspaces {
		snap := snaps[w]
		if snap == nil {
			d.land(w, flights[w], nil, err)
			continue
		}
		d.land(w, flights[w], compile(snap, d.store.keys, d.broken), nil)
		if value := d.store.keys.mark(w, snap.pos, snap.encode()); len(value) <= maxCached {
			// Entries that are written together need not end together.
			ttl := cacheLife - rand.N(cacheLife/5)
			entries = append(entries, redis.Entry{Key: prefix + w, Version: snap.pos, Value: value, TTL: ttl})
		}
	}
	if d.cfg.Cache == nil || len(entries) == 0 {
		return
	}
	select {
	case d.puts <- entries:
	default: // the next process fills it
	}
}

var errNoHead = errors.New("the database's table change_head is empty")

func (d *Directory) query(ctx context.Context, workspaces []string) (map[string]*snapshot, error) {
	select {
	case d.queries <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.queries }()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	d.metrics.queries.Inc()
	return d.store.snapshots(ctx, workspaces)
}

func (d *Directory) cachePrefix() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.prefix
}
