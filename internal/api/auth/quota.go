package auth

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// operatorQuota is how much more an operator's key may ask than a workspace's: it works for all of them.
	operatorQuota = 10
	// maxOpen is how many calls of a workspace's key may be open at once. An answer may be a few megabytes, and stays in memory
	// until the client has read it.
	maxOpen = 32
	// maxQuotas is how many keys are counted before those that rest are forgotten; a full bucket and a new one are the same.
	maxQuotas = 10_000
)

// Quotas bounds how often each key may call, with a burst of two seconds' worth, and how many of its calls may be open. Each
// process counts by itself, so that counting needs nothing that may be away. It is safe for concurrent use; nil bounds
// nothing.
type Quotas struct {
	perSecond float64 // of a workspace's key

	mu   sync.Mutex
	keys map[quotaKey]*account
}

type quotaKey struct {
	operator bool
	id       string
}

// account is one key's. open is the quotas' to guard.
type account struct {
	limiter *rate.Limiter
	open    int
	maxOpen int
}

// NewQuotas lets each workspace's key make perSecond calls a second, and an operator's ten times that. 0 bounds nothing: nil.
func NewQuotas(perSecond float64) *Quotas {
	if perSecond <= 0 {
		return nil
	}
	return &Quotas{perSecond: perSecond, keys: map[quotaKey]*account{}}
}

// Quota is how a key stands.
type Quota struct {
	Limit, Left int // calls that may be made at once, and how many of them are left
	Reset       int // seconds until all of them are left again
	RetryAfter  int // seconds until one may be made, when the call is refused
}

// Begin takes one call from the key's quota; false: it is refused. end must be called once the answer is written; it is never
// nil.
func (q *Quotas) Begin(p *Principal, now time.Time) (stands Quota, end func(), ok bool) {
	if q == nil {
		return Quota{}, func() {}, true
	}
	a, free := q.take(p, now)
	end = func() {}
	if free {
		end = func() { q.release(a) }
	}
	ok = a.limiter.AllowN(now, 1)
	left := max(0, a.limiter.TokensAt(now))
	stands = Quota{
		Limit: a.limiter.Burst(), Left: int(left),
		Reset: seconds((float64(a.limiter.Burst()) - left) / float64(a.limiter.Limit())),
	}
	if !ok {
		stands.RetryAfter = max(1, seconds((1-left)/float64(a.limiter.Limit())))
	} else if !free {
		stands.RetryAfter = 1
	}
	return stands, end, ok && free
}

func seconds(s float64) int { return int(math.Ceil(s)) }

// take returns the key's account, with a place for one more open call if there is one.
func (q *Quotas) take(p *Principal, now time.Time) (a *account, free bool) {
	key := quotaKey{p.Operator, p.KeyID}
	q.mu.Lock()
	defer q.mu.Unlock()
	if a = q.keys[key]; a == nil {
		q.forget(now)
		perSecond, open := q.perSecond, maxOpen
		if p.Operator {
			perSecond, open = perSecond*operatorQuota, open*operatorQuota
		}
		a = &account{limiter: rate.NewLimiter(rate.Limit(perSecond), int(math.Ceil(2*perSecond))), maxOpen: open}
		q.keys[key] = a
	}
	if a.open >= a.maxOpen {
		return a, false
	}
	a.open++
	return a, true
}

func (q *Quotas) release(a *account) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a.open--
}

// forget makes room for another account.
func (q *Quotas) forget(now time.Time) {
	if len(q.keys) < maxQuotas {
		return
	}
	for key, a := range q.keys {
		if a.open == 0 && a.limiter.TokensAt(now) >= float64(a.limiter.Burst()) {
			delete(q.keys, key)
		}
	}
}
