package http1

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// Config says how a Transport connects and what it keeps.
type Config struct {
	// Dial opens a connection. Required.
	Dial func(context.Context, dial.Dest) (dial.Link, error)
	// MaxHeadBytes bounds all heads of one answer together, 1xx included. 0: 64 KiB.
	MaxHeadBytes int
	// MaxConns bounds open connections, in use and idle. 0: 16384.
	MaxConns int
	// MaxIdle and MaxIdlePerHost bound connections kept for reuse. 0: 8192, and 256 for a host and port.
	MaxIdle, MaxIdlePerHost int
	// IdleTimeout is how long a connection is kept without use. 0: 60s.
	IdleTimeout time.Duration
}

// Transport is an http.RoundTripper. It is safe for concurrent use and owns no goroutine between exchanges.
type Transport struct {
	dial    func(context.Context, dial.Dest) (dial.Link, error)
	maxHead int
	pool    pool

	scratches sync.Pool // of *scratch
}

// New returns a Transport.
func New(c Config) (*Transport, error) {
	if c.Dial == nil {
		return nil, errors.New("http1: Dial is missing")
	}
	if min(c.MaxHeadBytes, c.MaxConns, c.MaxIdle, c.MaxIdlePerHost) < 0 || c.IdleTimeout < 0 {
		return nil, errors.New("http1: limits must not be negative")
	}
	orElse := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return n
	}
	t := &Transport{dial: c.Dial, maxHead: orElse(c.MaxHeadBytes, 64<<10)}
	t.pool = pool{
		maxOpen: orElse(c.MaxConns, 16384), maxIdle: orElse(c.MaxIdle, 8192),
		maxPerHost: orElse(c.MaxIdlePerHost, 256), maxAge: c.IdleTimeout, hosts: map[key]chain{},
	}
	if t.pool.maxAge == 0 {
		t.pool.maxAge = time.Minute
	}
	return t, nil
}

// Close closes idle connections, now and as the exchanges in flight end.
func (t *Transport) Close() { t.pool.close() }

// Stats says how many connections are open, and how many of them are idle.
func (t *Transport) Stats() (open, idle int) { return t.pool.stats() }

// RoundTrip implements http.RoundTripper. The whole body of the request is written even when the answer comes early
// with a status of 2xx; else writing stops at the answer.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ex, err := exchangeOf(req)
	if err != nil {
		return nil, err
	}
	defer ex.Close()
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	a := &answer{transport: t, deadline: ex.Deadline()}
	err = t.roundTrip(req, ex, a)
	ex.SetTimes(a.times)
	if err != nil {
		return nil, err
	}
	a.Request = req
	if p, ok := ex.(*plain); ok {
		a.Header = p.fields
	}
	return &a.Response, nil
}

func (t *Transport) roundTrip(req *http.Request, ex Exchange, a *answer) error {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := t.connect(ctx, req.URL, a)
	if err != nil {
		return err
	}
	a.conn, a.scratch = c, t.takeScratch(c)
	a.stop = context.AfterFunc(ctx, c.cancel)
	if err := a.exchange(req, ex); err != nil {
		a.drop()
		if ctx.Err() != nil {
			// The context's end is why the connection failed.
			return ctx.Err()
		}
		return err
	}
	return nil
}

// connect returns a connection to u with the deadline set: an idle one that is still open, or a new one.
func (t *Transport) connect(ctx context.Context, u *url.URL, a *answer) (*conn, error) {
	k := key{host: u.Host, tls: u.Scheme == "https"}
	for c := t.pool.take(k); c != nil; c = t.pool.take(k) {
		if !c.stale() && c.SetDeadline(a.deadline) == nil && c.alive() {
			a.times.Reused = true
			return c, nil
		}
		t.pool.discard(c)
	}
	dest, err := dial.DestOf(u)
	if err != nil {
		return nil, &RequestError{"the URL " + err.Error()}
	}
	if !t.pool.reserve() {
		return nil, ErrTooManyConns
	}
	if !a.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, a.deadline)
		defer cancel()
	}
	link, err := t.dial(ctx, dest)
	a.times = Times{DNS: link.DNS, Connect: link.Connect, TLS: link.TLS}
	if err != nil {
		t.pool.release()
		return nil, err
	}
	c := newConn(link, k)
	if err := c.SetDeadline(a.deadline); err != nil {
		t.pool.discard(c)
		return nil, err
	}
	return c, nil
}
