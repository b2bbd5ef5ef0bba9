package shared

import (
	"context"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
)

// Local is a limiter of this process alone; it decides while Redis is away. It is only called under Limiter's lock.
type Local interface {
	// Take asks for one start: 0 when it is granted, else how long to wait before asking again.
	Take(ref fanout.Ref, perSecond float64, now time.Time) time.Duration
}

// Limiter keeps rates over all processes: for each webhook, or workspace, a bucket of one second's starts in Redis. A
// process fetches a tenth of a second's starts at a time, so that Take answers from memory. With Redis away each process
// keeps the rate by itself. It is safe for concurrent use.
type Limiter struct {
	client *redis.Client
	local  Local
	wake   chan struct{} // size 1: "there is something to fetch"

	mu     sync.Mutex
	leases map[fanout.Ref]*lease // guarded by mu
	wanted []fanout.Ref          // to fetch; each has lease.wanted set
}

// lease is what this process holds of a bucket.
type lease struct {
	rate    float64
	starts  int
	expires time.Time // starts that were not used by then are lost
	retry   time.Time // Redis has none before
	wanted  bool
	used    time.Time
}

const (
	leaseShare = 0.1 // seconds of starts that are fetched at a time
	leaseLife  = time.Second
	leaseIdle  = time.Minute
	fetchWait  = 5 * time.Millisecond // about a round trip
	fetchLimit = 256                  // buckets in one round trip
)

// NewLimiter returns a limiter; Run must run for it to use Redis.
func NewLimiter(client *redis.Client, local Local) *Limiter {
	return &Limiter{client: client, local: local, wake: make(chan struct{}, 1), leases: map[fanout.Ref]*lease{}}
}

// Take asks for one start of a webhook, or of a whole workspace where ref.WebhookID is empty, at perSecond > 0 with bursts
// of one second. It returns 0 when the start is granted, which counts it, or how long to wait before asking again. It
// never waits for Redis.
func (l *Limiter) Take(ref fanout.Ref, perSecond float64, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client.Away() {
		return l.local.Take(ref, perSecond, now)
	}
	s := l.leases[ref]
	if s == nil {
		s = &lease{}
		l.leases[ref] = s
	}
	if s.rate != perSecond { // what was fetched at another rate is not worth keeping
		*s = lease{rate: perSecond, wanted: s.wanted}
	}
	s.used = now
	if s.starts > 0 && now.Before(s.expires) {
		s.starts--
		return 0
	}
	if wait := s.retry.Sub(now); wait > 0 {
		return wait
	}
	if !s.wanted {
		s.wanted = true
		l.wanted = append(l.wanted, ref)
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return fetchWait
}

// Run fetches what Take wants until ctx ends.
func (l *Limiter) Run(ctx context.Context) error {
	sweep := time.NewTicker(leaseIdle)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-sweep.C:
			l.forget(now)
		case <-l.wake:
			for refs, list := l.next(); len(refs) > 0; refs, list = l.next() {
				l.fetch(ctx, refs, list)
			}
		}
	}
}

// next takes what is wanted off the list.
func (l *Limiter) next() (refs []fanout.Ref, list []redis.Withdrawal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.wanted), fetchLimit)
	for _, ref := range l.wanted[:n] {
		rate := l.leases[ref].rate
		refs = append(refs, ref)
		list = append(list, redis.Withdrawal{
			Key: "rate:" + ref.WorkspaceID + ":" + ref.WebhookID, PerSecond: rate, Most: max(1, int(rate*leaseShare)),
		})
	}
	l.wanted = append(l.wanted[:0], l.wanted[n:]...)
	return refs, list
}

// fetch asks Redis for starts. When that fails, Take wants them again, or decides by itself.
func (l *Limiter) fetch(ctx context.Context, refs []fanout.Ref, list []redis.Withdrawal) {
	grants, err := l.client.Withdraw(ctx, list)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, ref := range refs {
		s := l.leases[ref]
		s.wanted = false
		if err != nil || s.rate != list[i].PerSecond {
			continue
		}
		s.starts, s.expires, s.retry = grants[i].Starts, now.Add(leaseLife), time.Time{}
		if grants[i].Starts < list[i].Most {
			s.retry = now.Add(grants[i].Wait)
		}
	}
}

// forget drops what was not asked for lately.
func (l *Limiter) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, s := range l.leases {
		if !s.wanted && now.Sub(s.used) > leaseIdle {
			delete(l.leases, ref)
		}
	}
}
