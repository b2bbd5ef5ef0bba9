package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// ErrAway says that Redis failed a moment ago and was not asked.
var ErrAway = errors.New("redis is away")

// Client talks to Redis. It is safe for concurrent use.
type Client struct {
	rdb     goredis.UniversalClient
	prefix  string
	timeout time.Duration
	breaker breaker
	absence absence
}

// New returns a client for cfg. It makes no connection: Redis may be away.
func New(cfg Config) (*Client, error) {
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	pause := or(cfg.Pause, defaultPause)
	c := &Client{
		rdb: goredis.NewUniversalClient(options), prefix: cfg.Prefix, timeout: or(cfg.CallTimeout, defaultTimeout),
		breaker: breaker{pause: pause, now: time.Now}, absence: absence{log: cfg.Log, patience: pause, now: time.Now},
	}
	if c.absence.log == nil {
		c.absence.log = zap.NewNop()
	}
	if cfg.Metrics != nil {
		c.absence.register(cfg.Metrics)
	}
	return c, nil
}

// Close ends all connections.
func (c *Client) Close() error { return c.rdb.Close() }

// Ping asks Redis for an answer, also while it is taken to be away. When there is none it says so in the log.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	err := c.rdb.Ping(ctx).Err()
	c.breaker.report(err)
	c.absence.note(err, true)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Away tells whether a call would fail at once.
func (c *Client) Away() bool { return c.breaker.open() }

// call runs fn within the time of one call, unless Redis failed a moment ago. A caller that gave up says nothing about
// Redis.
func (c *Client) call(ctx context.Context, what string, fn func(ctx context.Context) error) error {
	if !c.breaker.admit() {
		return ErrAway
	}
	inner, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := fn(inner)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	c.breaker.report(err)
	c.absence.note(err, false)
	if err != nil {
		c.lookAround(ctx)
		return fmt.Errorf("redis %s: %w", what, err)
	}
	return nil
}

// pipelined sends the n commands that add adds in one round trip, or, in a cluster, in one to each server. An error means
// that none of them has an answer; else each has its own, or its own error.
func (c *Client) pipelined(ctx context.Context, n int, add func(p goredis.Pipeliner)) ([]goredis.Cmder, error) {
	cmds, err := c.rdb.Pipelined(ctx, func(p goredis.Pipeliner) error {
		add(p)
		return nil
	})
	if len(cmds) != n {
		return nil, errors.Join(err, fmt.Errorf("%d answers for %d commands", len(cmds), n))
	}
	// When a server refuses a new connection (a wrong password, a database that it does not have), the library's error
	// is in none of the commands, and each looks like one that was answered by nothing.
	if err != nil && !slices.ContainsFunc(cmds, func(cmd goredis.Cmder) bool { return cmd.Err() != nil }) {
		return nil, err
	}
	return cmds, nil
}

// lookAround has a cluster's client ask again who serves what. By itself it does so once a minute, or when a server names
// another one; one that is dead names none.
func (c *Client) lookAround(ctx context.Context) {
	if cluster, ok := c.rdb.(*goredis.ClusterClient); ok {
		cluster.ReloadState(ctx) // soon, in the background
	}
}

// breaker keeps callers from waiting for a Redis that does not answer.
type breaker struct {
	pause time.Duration
	now   func() time.Time
	until atomic.Int64 // Unix nanoseconds; 0: closed
}

func (b *breaker) open() bool {
	until := b.until.Load()
	return until != 0 && b.now().UnixNano() < until
}

// admit says whether to ask Redis. Once the pause is over, one caller may, and the others wait for another pause.
func (b *breaker) admit() bool {
	until := b.until.Load()
	if until == 0 {
		return true
	}
	now := b.now()
	return now.UnixNano() >= until && b.until.CompareAndSwap(until, now.Add(b.pause).UnixNano())
}

func (b *breaker) report(err error) {
	if err == nil {
		b.until.Store(0)
		return
	}
	b.until.Store(b.now().Add(b.pause).UnixNano())
}

// wrongType tells whether a single key holds something that is not ours. Redis itself is well then. From a script the
// word may stand within the text.
func wrongType(err error) bool {
	return err != nil && strings.Contains(err.Error(), "WRONGTYPE")
}

// LogTo has the client library's own messages, such as a lost connection, given to log instead of written to the
// standard error. It is for the whole process; call it once, before New.
func LogTo(log func(text string)) { goredis.SetLogger(logger(log)) }

type logger func(text string)

// Printf implements the library's logger.
func (l logger) Printf(_ context.Context, format string, v ...any) { l(fmt.Sprintf(format, v...)) }
