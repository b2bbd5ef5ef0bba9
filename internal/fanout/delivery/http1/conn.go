package http1

import (
	"net"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// key says which requests may share a connection.
type key struct {
	host string // as the URL has it, with the port if it has one
	tls  bool
}

// conn is an open connection. It belongs to one exchange, or to the pool while idle.
type conn struct {
	net.Conn
	raw *net.TCPConn
	key key

	// Made once, so that no exchange allocates them.
	cancel func() // ends all reading and writing at once; may be called from any goroutine
	socket syscall.RawConn
	peek   func(fd uintptr) bool
	open   bool      // what the last peek found
	parts  [2][]byte // head and body, and what is left of them while they are written
	left   net.Buffers

	maxIdle time.Duration // what the receiver's last answer allows; 0: no limit of its own

	// The pool's, under its lock.
	since          time.Time // idle since
	newer, older   *conn     // of all idle connections
	above, beneath *conn     // of those with the same key
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func newConn(link dial.Link, k key) *conn {
	c := &conn{Conn: link.Conn, raw: link.Raw, key: k}
	c.cancel = func() { c.Conn.SetDeadline(past) }
	c.preparePeek()
	return c
}

// stale says whether the receiver announced that it closes the connection about now.
func (c *conn) stale() bool { return c.maxIdle != 0 && time.Since(c.since) > c.maxIdle }

// plainTCP says whether what is written goes to the socket as it is.
func (c *conn) plainTCP() bool {
	_, ok := c.Conn.(*net.TCPConn)
	return ok
}

// abort closes without ceremony: TLS would send a last alert, and wait seconds for a receiver that takes nothing.
func (c *conn) abort() { _ = c.raw.Close() }
