package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Config says how connections are made. The zero value connects directly, with the machine's resolver and roots.
type Config struct {
	// Resolver finds addresses. Nil: the machine's name servers.
	Resolver Resolver
	// Proxy is asked by CONNECT for every connection, with an address that was resolved and checked here; http or
	// https, userinfo becomes Proxy-Authorization. The operator named it, so the policy does not apply to it. Nil:
	// connect directly. The environment is never read.
	Proxy *url.URL
	// Roots are the certificate authorities that receivers are checked against. Nil: the machine's.
	Roots *x509.CertPool
	// Sessions is how many TLS sessions are remembered for resumption. 0: 4096.
	Sessions int
}

const (
	defaultSessions = 4096
	keepAlive       = 30 * time.Second
	// fallbackDelay is how long the second family waits for the first, as RFC 8305 recommends.
	fallbackDelay = 300 * time.Millisecond
	// minShare is what one of several addresses gets at least of the time that is left.
	minShare = 500 * time.Millisecond
)

// Dialer opens connections. It is safe for concurrent use and owns no goroutine that outlives a call.
type Dialer struct {
	policy   *Policy
	resolver Resolver
	proxy    *url.URL
	tls      *tls.Config
	net      net.Dialer
}

// New returns a Dialer for destinations that policy allows.
func New(policy *Policy, c Config) *Dialer {
	d := &Dialer{policy: policy, resolver: c.Resolver, proxy: c.Proxy}
	if d.resolver == nil {
		d.resolver = newResolver(policy.private)
	}
	if c.Sessions == 0 {
		c.Sessions = defaultSessions
	}
	d.tls = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            c.Roots,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(c.Sessions),
	}
	d.net = net.Dialer{KeepAlive: keepAlive, Control: policy.control}
	d.net.SetMultipathTCP(false)
	return d
}

// Link is an open connection, ready for the first request.
type Link struct {
	// Conn speaks to the destination, through TLS if that was asked for.
	Conn net.Conn
	// Raw is the connection below Conn, or Conn itself.
	Raw *net.TCPConn
	// DNS, Connect and TLS say where the time went; 0 for what did not happen.
	DNS, Connect, TLS time.Duration
}

// Dial connects to dest. Errors are a BlockedError, ResolveError, HandshakeError, ProxyError, or the net package's.
// The times of the link are also right for the steps before a failed one. It returns once ctx ends.
func (d *Dialer) Dial(ctx context.Context, dest Dest) (Link, error) {
	var link Link
	if err := d.policy.checkPort(dest.Port); err != nil {
		return link, err
	}
	start := time.Now()
	addrs, err := d.addresses(ctx, dest)
	resolved := time.Now()
	link.DNS = resolved.Sub(start)
	if err != nil {
		return link, err
	}
	var conn net.Conn
	if d.proxy != nil {
		conn, link.Raw, err = d.throughProxy(ctx, addrs)
	} else {
		link.Raw, err = d.direct(ctx, addrs)
		conn = link.Raw
	}
	connected := time.Now()
	link.Connect = connected.Sub(resolved)
	if err != nil {
		return link, err
	}
	if dest.TLS {
		conn, err = handshake(ctx, conn, d.tls, dest.Host)
		link.TLS = time.Since(connected)
	}
	link.Conn = conn
	return link, err
}

// direct connects to one of addrs: both families in parallel, the second a little later.
func (d *Dialer) direct(ctx context.Context, addrs []netip.AddrPort) (*net.TCPConn, error) {
	var first, second []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			first = append(first, a)
			continue
		}
		second = append(second, a)
	}
	if len(second) == 0 {
		return d.serial(ctx, first)
	}
	return d.race(ctx, first, second)
}

// serial tries addrs one after the other; the first error is the one that counts. Each gets an equal share of the
// time that is left, so that a silent one does not starve the next.
func (d *Dialer) serial(ctx context.Context, addrs []netip.AddrPort) (*net.TCPConn, error) {
	var failed error
	for i, a := range addrs {
		conn, err := d.one(ctx, a, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if failed == nil {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// share bounds ctx to what one of the remaining addresses may use of the time that is left.
func share(ctx context.Context, remaining int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || remaining <= 1 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(remaining), minShare))
}

func (d *Dialer) one(ctx context.Context, a netip.AddrPort, remaining int) (*net.TCPConn, error) {
	ctx, cancel := share(ctx, remaining)
	defer cancel()
	network := "tcp6"
	if a.Addr().Is4() {
		network = "tcp4"
	}
	conn, err := d.net.DialContext(ctx, network, a.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

type raced struct {
	conn *net.TCPConn
	err  error
}

// race connects to one of first, or of second if first takes longer than fallbackDelay or fails. The loser has ended
// when race returns.
func (d *Dialer) race(ctx context.Context, first, second []netip.AddrPort) (*net.TCPConn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan raced, 2) // both, so that the loser never blocks
	firstFailed := make(chan struct{})
	go func() {
		conn, err := d.serial(ctx, first)
		if err != nil {
			close(firstFailed)
		}
		results <- raced{conn, err}
	}()
	go func() {
		if !pause(ctx, firstFailed) {
			results <- raced{nil, ctx.Err()}
			return
		}
		conn, err := d.serial(ctx, second)
		results <- raced{conn, err}
	}()
	a := <-results
	if a.err == nil {
		cancel()
	}
	b := <-results
	return pick(a, b)
}

// pause waits for fallbackDelay or until failed closes; it is false when ctx ended first.
func pause(ctx context.Context, failed <-chan struct{}) bool {
	t := time.NewTimer(fallbackDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-failed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// pick returns the earlier success and closes the later one; of two errors it returns the earlier.
func pick(a, b raced) (*net.TCPConn, error) {
	switch {
	case a.err == nil:
		if b.conn != nil {
			_ = b.conn.Close() // never used
		}
		return a.conn, nil
	case b.err == nil:
		return b.conn, nil
	default:
		return nil, a.err
	}
}
