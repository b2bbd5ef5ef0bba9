package redis

import (
	"context"
	"math"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/voxagent/dispatcher/internal/fanout"
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
	client *Client
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
	leaseShare  = 0.1 // seconds of starts that are fetched at a time
	leaseLife   = time.Second
	leaseIdle   = time.Minute
	fetchWait   = 5 * time.Millisecond // about a round trip
	fetchLimit  = 256                  // buckets in one round trip
	burstMicros = 1e6
)

// NewLimiter returns a limiter; Run must run for it to use Redis.
func NewLimiter(client *Client, local Local) *Limiter {
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
			for refs := l.next(); len(refs) > 0; refs = l.next() {
				l.fetch(ctx, refs)
			}
		}
	}
}

// want is one bucket of a fetch.
type want struct {
	ref  fanout.Ref
	rate float64
	n    int
}

func (l *Limiter) next() []want {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.wanted), fetchLimit)
	out := make([]want, 0, n)
	for _, ref := range l.wanted[:n] {
		s := l.leases[ref]
		out = append(out, want{ref, s.rate, max(1, int(s.rate*leaseShare))})
	}
	l.wanted = append(l.wanted[:0], l.wanted[n:]...)
	return out
}

// takeScript takes up to ARGV[2] starts, each worth ARGV[1] microseconds, from a bucket of ARGV[3] microseconds. The key
// holds when the bucket will be full again. It returns how many, and after how many microseconds there will be one more.
var takeScript = goredis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local each, most, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', KEYS[1]) or '') or 0
full = math.min(math.max(full, now), now + burst)
local n = math.min(most, math.floor((now + burst - full) / each + 0.000001))
if n > 0 then
  full = full + n * each
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
return {n, math.ceil(math.max(0, full + each - now - burst))}`)

func (l *Limiter) fetch(ctx context.Context, wants []want) {
	var answers []any
	err := l.client.call(ctx, "take", func(ctx context.Context) (err error) {
		answers, err = l.client.scripts(ctx, takeScript, len(wants), func(i int) (string, []any) {
			w := &wants[i]
			each := burstMicros / w.rate
			return "rate:" + w.ref.WorkspaceID + ":" + w.ref.WebhookID, []any{each, w.n, math.Max(burstMicros, each)}
		})
		return err
	})
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range wants {
		s := l.leases[w.ref]
		s.wanted = false
		if err != nil || s.rate != w.rate {
			continue
		}
		n, wait, ok := takeAnswer(answers[i])
		if !ok {
			// The key holds something that is not ours: slow rather than without limit.
			n, wait = 0, time.Duration(float64(time.Second)/w.rate)
		}
		s.starts, s.expires, s.retry = n, now.Add(leaseLife), time.Time{}
		if n < w.n {
			s.retry = now.Add(wait)
		}
	}
}

func takeAnswer(answer any) (n int, wait time.Duration, ok bool) {
	pair, ok := answer.([]any)
	if !ok || len(pair) != 2 {
		return 0, 0, false
	}
	starts, ok1 := pair[0].(int64)
	micros, ok2 := pair[1].(int64)
	return int(starts), time.Duration(micros) * time.Microsecond, ok1 && ok2
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
