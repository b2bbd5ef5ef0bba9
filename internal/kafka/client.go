package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Client is the one connection pool to the cluster, shared by everything in the process. All methods may be called
// from any goroutine; each has a deadline of its own besides ctx.
type Client struct {
	cfg       Config
	log       *zap.Logger
	addr      net.Addr
	transport *kafkago.Transport
	conns     *connSet
	routes    routes

	metaVersion versionCache
}

// New validates the configuration and allocates; nothing is dialled before the first call.
func New(cfg Config, log *zap.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if log == nil {
		log = zap.NewNop()
	}
	c := &Client{cfg: cfg, log: log, addr: kafkago.TCP(cfg.Brokers...), conns: newConnSet(cfg.Dial)}
	c.transport = c.newTransport(cfg.Topics)
	return c, nil
}

// newTransport makes a transport that keeps the metadata of these topics.
func (c *Client) newTransport(topics []string) *kafkago.Transport {
	mechanism, _ := c.cfg.SASL.mechanism() // validated by New
	names := slices.Clone(topics)
	if len(names) == 0 {
		// An empty list would mean all topics of the cluster; a name that no topic can have means none.
		names = []string{"-"}
	}
	return &kafkago.Transport{
		Dial:           c.conns.dial,
		DialTimeout:    c.cfg.DialTimeout,
		IdleTimeout:    c.cfg.IdleTimeout,
		MetadataTTL:    c.cfg.MetadataTTL,
		MetadataTopics: names,
		ClientID:       c.cfg.ClientID,
		TLS:            c.cfg.TLS,
		SASL:           mechanism,
	}
}

// Close closes every connection, also those in use: calls that are still running fail. The client must not be used
// afterwards.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.conns.closeAll()
}

// Connections is the number of open connections to brokers.
func (c *Client) Connections() int { return c.conns.len() }

// do runs one request with a deadline; wait is how long the broker was asked to wait.
func (c *Client) do(ctx context.Context, req kafkago.Request, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait+c.cfg.RequestTimeout)
	defer cancel()
	_, err := c.transport.RoundTrip(ctx, c.addr, req)
	return err
}

// admin is kafka-go's client on a transport of its own, which the caller closes, for calls about topics that are not
// in Config.Topics: kafka-go waits for created topics to appear among those that its transport keeps.
func (c *Client) admin(topics []string) (*kafkago.Client, func()) {
	t := c.newTransport(topics)
	return &kafkago.Client{Addr: c.addr, Transport: t}, t.CloseIdleConnections
}

// connSet dials and remembers what is open, so that Close ends long polls at once.
type connSet struct {
	next DialFunc

	mu     sync.Mutex
	open   map[*trackedConn]struct{}
	closed bool
}

type trackedConn struct {
	net.Conn
	set  *connSet
	once sync.Once
}

func newConnSet(next DialFunc) *connSet {
	return &connSet{next: next, open: make(map[*trackedConn]struct{})}
}

func (s *connSet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := s.next(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("dial kafka broker %s: %w", addr, err)
	}
	t := &trackedConn{Conn: conn, set: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(ErrClosed, conn.Close())
	}
	s.open[t] = struct{}{}
	return t, nil
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	open := s.open
	s.open, s.closed = map[*trackedConn]struct{}{}, true
	s.mu.Unlock()
	for t := range open {
		_ = t.Conn.Close() // the transport sees the failure of what it was doing
	}
}

func (s *connSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Close closes the connection and forgets it.
func (t *trackedConn) Close() error {
	t.once.Do(func() {
		t.set.mu.Lock()
		delete(t.set.open, t)
		t.set.mu.Unlock()
	})
	return t.Conn.Close()
}

// String names the cluster for logs.
func (c *Client) String() string { return strings.Join(c.cfg.Brokers, ",") }
