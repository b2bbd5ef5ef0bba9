package http1

import (
	"sync"
	"time"
)

// pool keeps idle connections and counts all open ones. The newest of a host is used first, so that the others can
// grow old and be closed. What is closed is closed outside of the lock.
type pool struct {
	maxOpen, maxIdle, maxPerHost int
	maxAge                       time.Duration

	mu             sync.Mutex
	hosts          map[key]chain
	newest, oldest *conn // all idle connections by age
	open, idle     int
	reaper         *time.Timer // armed while something is idle
	armed          bool
	closed         bool
}

// chain is the idle connections of one key.
type chain struct {
	top *conn
	n   int
}

// take returns the newest idle connection, or nil.
func (p *pool) take(k key) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.hosts[k].top
	if c != nil {
		p.unlink(c)
	}
	return c
}

// put makes c idle, or closes it when there is no room.
func (p *pool) put(c *conn) {
	if surplus := p.insert(c); surplus != nil {
		p.release()
		surplus.Close()
	}
}

// insert returns the connection that has to go for it: c itself, the oldest one, or none.
func (p *pool) insert(c *conn) (surplus *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.hosts[c.key]
	if p.closed || host.n >= p.maxPerHost {
		return c
	}
	if p.idle >= p.maxIdle {
		surplus = p.oldest
		p.unlink(surplus)
		host = p.hosts[c.key] // the oldest may have been one of them
	}
	c.since = time.Now()
	c.beneath = host.top
	if host.top != nil {
		host.top.above = c
	}
	p.hosts[c.key] = chain{c, host.n + 1}
	c.older = p.newest
	if p.newest != nil {
		p.newest.newer = c
	} else {
		p.oldest = c
	}
	p.newest = c
	p.idle++
	p.arm(p.maxAge)
	return surplus
}

// unlink takes c out of both lists. The lock is held.
func (p *pool) unlink(c *conn) {
	host := p.hosts[c.key]
	if host.n--; host.n == 0 {
		delete(p.hosts, c.key)
	} else {
		if host.top == c {
			host.top = c.beneath
		}
		p.hosts[c.key] = host
	}
	if c.above != nil {
		c.above.beneath = c.beneath
	}
	if c.beneath != nil {
		c.beneath.above = c.above
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		p.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		p.oldest = c.newer
	}
	c.above, c.beneath, c.newer, c.older = nil, nil, nil, nil
	p.idle--
}

// reserve makes room for one more open connection, if need be by closing the oldest idle one.
func (p *pool) reserve() bool {
	p.mu.Lock()
	if p.open < p.maxOpen {
		p.open++
		p.mu.Unlock()
		return true
	}
	c := p.oldest
	if c != nil {
		p.unlink(c)
	}
	p.mu.Unlock()
	if c != nil {
		c.Close()
	}
	return c != nil
}

// release gives back what reserve took.
func (p *pool) release() {
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
}

// discard closes a connection that is not to be used again.
func (p *pool) discard(c *conn) {
	c.abort()
	p.release()
}

// arm sets the timer unless it is set. The lock is held.
func (p *pool) arm(after time.Duration) {
	if p.armed {
		return
	}
	p.armed = true
	if p.reaper == nil {
		p.reaper = time.AfterFunc(after, p.reap)
		return
	}
	p.reaper.Reset(after)
}

// reap closes what has been idle for too long, and comes back for the next.
func (p *pool) reap() {
	for _, c := range p.expired() {
		c.Close()
		p.release()
	}
}

func (p *pool) expired() (old []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	for p.oldest != nil {
		if left := p.maxAge - time.Since(p.oldest.since); left > 0 && !p.closed {
			p.arm(left)
			return old
		}
		old = append(old, p.oldest)
		p.unlink(p.oldest)
	}
	return old
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	p.reap()
}

func (p *pool) stats() (open, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.idle
}
