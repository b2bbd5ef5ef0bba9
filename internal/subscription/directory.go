package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
)

// Cache is the store of snapshots that processes share; *redis.Client is one. An error means "go on without".
type Cache interface {
	// Get returns for each key what Put wrote, or the zero Versioned.
	Get(ctx context.Context, keys []string) ([]redis.Versioned, error)
	// Put writes entries, each only if it is of a higher version than what is there.
	Put(ctx context.Context, entries []redis.Entry) error
}

// DirectoryConfig tunes a Directory. The zero value is good.
type DirectoryConfig struct {
	// MaxBytes bounds the cache in the process, by estimate; 0: 96 MiB.
	MaxBytes int64
	// Poll is how often the feed is read; 0: 250 ms. A change takes effect everywhere within this and a query.
	Poll time.Duration
	// Cache is shared with other processes; nil: SQL alone.
	Cache Cache
	// Metrics registers the directory's metrics; nil keeps them unregistered.
	Metrics prometheus.Registerer
	// Log gets what an operator should know; nil: nowhere.
	Log *zap.Logger
}

// Directory answers the hot path from memory: who wants an event, and what a webhook is now. It implements
// fanout.Subscriptions and fanout.Overrides. It is safe for concurrent use; nothing is answered before Run has read the
// feed for the first time.
type Directory struct {
	store   *Store
	cfg     DirectoryConfig
	near    *near
	metrics *metrics
	hint    chan struct{}      // size 1: "look at the feed now"
	puts    chan []redis.Entry // for Run to write; more than that is not worth waiting for
	queries chan struct{}      // a place for each query that may run at once

	ready chan struct{} // closed once the feed was read
	once  sync.Once

	mu      sync.Mutex
	flights map[string]*flight // workspaces that are being loaded
	prefix  string             // of keys in the cache; set before ready is closed, and when the database is another one
	seen    time.Time          // when the feed was last read
	heard   chan struct{}      // closed, and made anew, when the feed has been read to its end
	failing bool               // the last look at the feed failed
}

var (
	_ fanout.Subscriptions = (*Directory)(nil)
	_ fanout.Overrides     = (*Directory)(nil)
)

const (
	defaultMaxBytes = 96 << 20
	defaultPoll     = 250 * time.Millisecond
	hintPause       = 20 * time.Millisecond // hints cannot make the feed be read more often
	pollTimeout     = 2 * time.Second
	lookupTimeout   = time.Second
	purgeEvery      = 10 * time.Minute
	maxFences       = 50_000
	queuedPuts      = 64
	maxQueries      = 2 // with Redis away or empty, this and queryWorkspaces bound the load on SQL
)

// NewDirectory returns a Directory over store. It reads nothing before Run.
func NewDirectory(store *Store, cfg DirectoryConfig) *Directory {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.Poll <= 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	d := &Directory{
		store: store, cfg: cfg, near: newNear(cfg.MaxBytes), hint: make(chan struct{}, 1),
		puts: make(chan []redis.Entry, queuedPuts), queries: make(chan struct{}, maxQueries),
		ready: make(chan struct{}), flights: map[string]*flight{}, seen: time.Now(), heard: make(chan struct{}),
	}
	d.metrics = newMetrics(d, cfg.Metrics)
	return d
}

// Hint has the feed read soon. It never blocks; it may be called for every rumour of a change.
func (d *Directory) Hint() {
	select {
	case d.hint <- struct{}{}:
	default:
	}
}

// Stale is how long ago the feed was last read: changes of that time may not be known yet.
func (d *Directory) Stale() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.seen)
}

// Match implements fanout.Subscriptions. Its answers are shared and must not be changed.
func (d *Directory) Match(ctx context.Context, events []*fanout.Event) ([]*fanout.Match, error) {
	out := make([]*fanout.Match, len(events))
	sets := make([]*set, len(events))
	missing := d.near.lookup(events, sets)
	d.metrics.looked(len(events), len(missing))
	var filled map[string]*set
	if len(missing) > 0 {
		var err error
		if filled, err = d.fill(ctx, missing); err != nil {
			return nil, err
		}
	}
	failed := 0
	for i, e := range events {
		s := sets[i]
		if s == nil {
			s = filled[e.WorkspaceID]
		}
		var n int
		out[i], n = s.match(e)
		failed += n
	}
	if failed > 0 {
		d.metrics.filterErrors.Add(float64(failed))
	}
	return out, nil
}

// lookup puts each event's set into sets and returns the workspaces whose set is not here, each once.
func (n *near) lookup(events []*fanout.Event, sets []*set) (missing []string) {
	tick := n.tick.Load()
	n.mu.RLock()
	defer n.mu.RUnlock()
	var last *set
	for i, e := range events {
		if last == nil || last.workspace != e.WorkspaceID { // records of a partition come in runs
			last = n.current(e.WorkspaceID)
		}
		if last == nil {
			missing = append(missing, e.WorkspaceID)
			continue
		}
		n.touch(last, tick)
		sets[i] = last
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// Target implements fanout.Subscriptions. A webhook whose secret cannot be opened has no Signer: no attempt can be made.
func (d *Directory) Target(ctx context.Context, ref fanout.Ref, fresh bool) (*fanout.Target, error) {
	if fresh {
		if err := d.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	s := d.near.get(ref.WorkspaceID)
	if s == nil {
		filled, err := d.fill(ctx, []string{ref.WorkspaceID})
		if err != nil {
			return nil, err
		}
		s = filled[ref.WorkspaceID]
	}
	if h := s.hook(ref.WebhookID); h != nil {
		return s.open(h), nil
	}
	return nil, fmt.Errorf("webhook %s: %w", ref.WebhookID, fanout.ErrNoWebhook)
}

// Rates returns the limits, in requests a second, of a webhook and of its workspace, as far as memory knows; 0: none.
func (d *Directory) Rates(ref fanout.Ref) (ofWebhook, ofWorkspace float64) {
	s := d.near.get(ref.WorkspaceID)
	if s == nil {
		return 0, 0
	}
	if h := s.hook(ref.WebhookID); h != nil {
		ofWebhook = h.state.rate
	}
	return ofWebhook, s.rate
}

// DisableGone implements fanout.Subscriptions. The store hints at the change, as at any.
func (d *Directory) DisableGone(ctx context.Context, target *fanout.Target, deliveryID string) error {
	_, err := d.store.DisableGone(ctx, target.WorkspaceID, target.WebhookID, target.URL.String(), deliveryID)
	return err
}

var errNoSQL = errors.New("the database does not answer")

// Lookup implements fanout.Overrides: one query for the batch. While the database is known to be away it fails at once.
func (d *Directory) Lookup(ctx context.Context, ids []string) (map[string]int, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	d.mu.Lock()
	failing := d.failing
	d.mu.Unlock()
	if failing {
		return nil, errNoSQL
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	return d.store.lookupOverrides(ctx, ids)
}
