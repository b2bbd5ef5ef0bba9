package api

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

// operatorQuota is how much more an operator's key may ask than a workspace's: it works for all of them.
const operatorQuota = 10

// quotas bounds how often each key may call, with a burst of two seconds' worth. Each process counts by itself, so that
// counting needs nothing that may be away. It is safe for concurrent use.
type quotas struct {
	perSecond float64 // of a workspace's key; 0: no bound

	mu   sync.Mutex
	keys map[quotaKey]*rate.Limiter
}

type quotaKey struct {
	operator bool
	id       string
}

// maxQuotas is how many keys are counted before those that rest are forgotten; a full bucket and a new one are the same.
const maxQuotas = 10_000

func newQuotas(perSecond float64) *quotas {
	return &quotas{perSecond: perSecond, keys: map[quotaKey]*rate.Limiter{}}
}

// spend takes one call from the key's quota and tells the client how it stands; false: there is none left.
func (q *quotas) spend(p *auth.Principal, h http.Header, now time.Time) bool {
	if q.perSecond == 0 {
		return true
	}
	l := q.limiter(p, now)
	allowed := l.AllowN(now, 1)
	left := max(0, l.TokensAt(now))
	// The names and meanings of draft-ietf-httpapi-ratelimit-headers before it had one structured field: clients know them.
	h.Set("RateLimit-Limit", strconv.Itoa(l.Burst()))
	h.Set("RateLimit-Remaining", strconv.Itoa(int(left)))
	h.Set("RateLimit-Reset", seconds((float64(l.Burst())-left)/float64(l.Limit())))
	if !allowed {
		h.Set("Retry-After", seconds(max(1, (1-left)/float64(l.Limit()))))
	}
	return allowed
}

func seconds(s float64) string { return strconv.Itoa(int(math.Ceil(s))) }

func (q *quotas) limiter(p *auth.Principal, now time.Time) *rate.Limiter {
	key, perSecond := quotaKey{p.Operator, p.KeyID}, q.perSecond
	if p.Operator {
		perSecond *= operatorQuota
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.keys[key]; l != nil {
		return l
	}
	if len(q.keys) >= maxQuotas {
		for k, l := range q.keys {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(q.keys, k)
			}
		}
	}
	l := rate.NewLimiter(rate.Limit(perSecond), int(math.Ceil(2*perSecond)))
	q.keys[key] = l
	return l
}

// documentQuotas writes the headers into the document: they are on every answer to a good key.
func documentQuotas(doc *huma.OpenAPI) {
	header := func(what string) *huma.Param {
		return &huma.Param{Description: what, Schema: &huma.Schema{Type: huma.TypeInteger}}
	}
	for _, o := range operations(doc) {
		for status, response := range o.Responses {
			if status == strconv.Itoa(http.StatusUnauthorized) {
				continue
			}
			if response.Headers == nil {
				response.Headers = map[string]*huma.Param{}
			}
			response.Headers["RateLimit-Limit"] = header("How many calls the key may make at once.")
			response.Headers["RateLimit-Remaining"] = header("How many of them are left.")
			response.Headers["RateLimit-Reset"] = header("Seconds until all of them are left again.")
			if status == strconv.Itoa(http.StatusTooManyRequests) {
				response.Headers["Retry-After"] = header("Seconds until the next call may be made.")
			}
		}
	}
}
