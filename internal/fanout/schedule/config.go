package schedule

import (
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// Config bounds the scheduler. The zero value of each field means its default.
type Config struct {
	// MaxInFlight is how many attempts run at once. Default 1024. A tenth of it, at least 1 and at most 64, is the most
	// that one webhook gets; half of it is the most that webhooks on probation get together.
	MaxInFlight int
	// Spill is how long a delivery may wait for its start before it is parked. Default 5 s.
	Spill time.Duration
	// MaxQueue and MaxQueueBytes bound what waits for one webhook, a delivery counting as its body and 1 KiB. Defaults
	// 256 and 3.2 MiB (5 % of 64 MiB); one delivery may always wait. On probation it is a quarter of MaxQueue; before
	// that, while a new webhook's first answer is due, half of MaxQueueBytes.
	MaxQueue      int
	MaxQueueBytes int
	// MaxBurst and MaxBurstBytes bound it instead while the webhook keeps up so well that all of it will start within
	// half of Spill. Defaults 8192 and 16 MiB.
	MaxBurst      int
	MaxBurstBytes int
	// MaxUnprovenBytes bounds what is held for all webhooks on probation together. Default 16 MiB.
	MaxUnprovenBytes int
	// Grace is how long running attempts may go on once Run's context has ended. Default 7 s: a request's deadline of
	// 5 s and 2 s for what follows.
	Grace time.Duration
	// Limits returns a webhook's rate limits at this moment. It is called under the scheduler's lock, at most 4 times a
	// second for each busy webhook: it must answer from memory. Nil: nobody has a limit.
	Limits func(fanout.Ref) Limits
	// Limiter keeps the rates. Nil: token buckets of this process.
	Limiter Limiter
	// Seed makes the jitter of the breakers repeatable.
	Seed uint64
}

// Limits are starts per second; 0 means no limit.
type Limits struct {
	Webhook   float64 // of the webhook
	Workspace float64 // of its whole workspace
}

// Limiter hands out starts under a rate. One that is shared by several processes fetches starts ahead of time: Take is
// called under the scheduler's lock and must neither block nor wait for a network.
type Limiter interface {
	// Take asks for one start of a webhook, or of a whole workspace where ref.WebhookID is empty, at perSecond > 0 with
	// bursts of one second. It returns 0 when the start is granted, which counts it, or how long to wait before asking
	// again.
	Take(ref fanout.Ref, perSecond float64, now time.Time) time.Duration
}

const (
	defaultMaxInFlight   = 1024
	defaultSpill         = 5 * time.Second
	defaultMaxQueue      = 256
	defaultMaxQueueBytes = 64 << 20 / 20
	defaultMaxBurst      = 8192
	defaultMaxBurstBytes = 64 << 20 / 4
	defaultGrace         = 7 * time.Second

	// overhead is what a delivery costs beside its body.
	overhead = 1 << 10

	// firstConcurrency is as many as open the breaker: a webhook that is dead is found out by its first round of attempts,
	// and what waits for it does not begin a second one, which would hold its offsets for another deadline.
	firstConcurrency = breakerFails
	mostConcurrency  = 64
	concurrencyShare = 10 // of MaxInFlight, the part that one webhook may hold

	// stall is how long a webhook may hold slots without ending any attempt before it is on probation.
	stall = int64(time.Second)
	// limitsAge is how long a look-up of limits holds.
	limitsAge = int64(250 * time.Millisecond)
	// latencyWeight is the share of the newest attempt in a webhook's mean latency: 1/8.
	latencyWeight = 8

	// What is kept of webhooks without work: of healthy ones their latency and that they are proven, of others their
	// breaker, pause and reserved starts.
	maxResting  = 16_384
	restingAge  = int64(time.Minute)
	maxTroubled = 65_536
	troubledAge = int64(10 * time.Minute)
	// farthest is how far ahead starts under a rate limit are reserved.
	farthest = int64(24 * time.Hour)
)

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	fill := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	fill(&c.MaxInFlight, defaultMaxInFlight)
	fill(&c.MaxQueue, defaultMaxQueue)
	fill(&c.MaxQueueBytes, defaultMaxQueueBytes)
	fill(&c.MaxBurst, max(defaultMaxBurst, c.MaxQueue))
	fill(&c.MaxBurstBytes, max(defaultMaxBurstBytes, c.MaxQueueBytes))
	fill(&c.MaxUnprovenBytes, defaultMaxBurstBytes)
	if c.Spill == 0 {
		c.Spill = defaultSpill
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.Limits == nil {
		c.Limits = func(fanout.Ref) Limits { return Limits{} }
	}
	if c.Limiter == nil {
		c.Limiter = NewBuckets()
	}
	return c
}

// Validate joins all complaints about c.
func (c Config) Validate() error {
	var errs []error
	positive := func(name string, n int64) {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative", name, n))
		}
	}
	positive("max in flight", int64(c.MaxInFlight))
	positive("max queue", int64(c.MaxQueue))
	positive("max queue bytes", int64(c.MaxQueueBytes))
	positive("max burst", int64(c.MaxBurst))
	positive("max burst bytes", int64(c.MaxBurstBytes))
	positive("max unproven bytes", int64(c.MaxUnprovenBytes))
	positive("spill", int64(c.Spill))
	positive("grace", int64(c.Grace))
	return errors.Join(errs...)
}

// concurrency returns the most attempts of one webhook at once.
func (c Config) concurrency() int {
	return max(1, min(mostConcurrency, c.MaxInFlight/concurrencyShare))
}
