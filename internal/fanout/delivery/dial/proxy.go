package dial

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxProxyHead bounds what a proxy's answer to CONNECT may be long.
const maxProxyHead = 16 << 10

// CheckProxy says whether u can be a forward proxy. The error is a sentence without a subject; it holds nothing of u,
// which may carry a password.
func CheckProxy(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("must begin with http:// or https://")
	}
	if u.Hostname() == "" {
		return errors.New("must name a host")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("must have a port between 1 and 65535")
		}
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must end after the port")
	}
	return nil
}

// throughProxy asks the proxy for a tunnel to each of addrs in turn; the first error is the one that counts. It names
// the address, never the host: a proxy that resolved the name again could find another place than the one that was
// checked.
func (d *Dialer) throughProxy(ctx context.Context, addrs []netip.AddrPort) (net.Conn, *net.TCPConn, error) {
	var failed error
	for i, a := range addrs {
		conn, raw, err := d.dialProxy(ctx)
		if err != nil {
			return nil, nil, err
		}
		if err = d.tunnel(ctx, conn, a, len(addrs)-i); err == nil {
			return conn, raw, nil
		}
		conn.Close()
		if failed == nil {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, nil, failed
}

// dialProxy connects to the proxy itself. Its failure is ours, so every error is a ProxyError.
func (d *Dialer) dialProxy(ctx context.Context) (net.Conn, *net.TCPConn, error) {
	port := d.proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[d.proxy.Scheme]
	}
	plain := net.Dialer{KeepAlive: keepAlive}
	conn, err := plain.DialContext(ctx, "tcp", net.JoinHostPort(d.proxy.Hostname(), port))
	if err != nil {
		return nil, nil, &ProxyError{Err: err}
	}
	raw := conn.(*net.TCPConn)
	if d.proxy.Scheme == "https" {
		if conn, err = handshake(ctx, conn, d.tls, d.proxy.Hostname()); err != nil {
			return nil, nil, &ProxyError{Err: err}
		}
	}
	return conn, raw, nil
}

// tunnel asks for addr over conn, within addr's share of the time that is left for it and the remaining ones.
func (d *Dialer) tunnel(ctx context.Context, conn net.Conn, addr netip.AddrPort, remaining int) error {
	ctx, cancel := share(ctx, remaining)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err := connectVia(ctx, conn, d.proxy.User, addr)
	if !stop() && err == nil {
		return ctx.Err() // too late: the deadline is on the connection
	}
	return err
}

// connectVia sends CONNECT for addr and reads the answer.
func connectVia(ctx context.Context, conn net.Conn, user *url.Userinfo, addr netip.AddrPort) error {
	head := "CONNECT " + addr.String() + " HTTP/1.1\r\nHost: " + addr.String() + "\r\n"
	if user != nil {
		password, _ := user.Password()
		pair := user.Username() + ":" + password
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return proxyFault(ctx, err)
	}
	r := bufio.NewReader(&io.LimitedReader{R: conn, N: maxProxyHead})
	// A body is not read to its end, as closing it would: what follows belongs to the tunnel, or to a connection that
	// the caller closes.
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // see above
	if err != nil {
		return proxyFault(ctx, err)
	}
	if r.Buffered() > 0 && resp.StatusCode == http.StatusOK {
		return &ProxyError{Err: errors.New("it sent data before the tunnel stood")}
	}
	return judgeTunnel(resp.StatusCode)
}

// proxyFault tells the attempt's own deadline, which a slow destination behind the proxy may have used up, from a
// proxy that does not work.
func proxyFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &ProxyError{Err: err}
}

// judgeTunnel maps a proxy's answer: it may refuse by a policy of its own, or fail to reach the destination; anything
// else is a proxy that is set up wrongly.
func judgeTunnel(status int) error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusForbidden:
		return errBlocked()
	case status == http.StatusGatewayTimeout:
		return context.DeadlineExceeded
	case status >= http.StatusInternalServerError:
		// Proxies use 500, 502 and 503 alike for a destination that is down. To take any of them for a fault of ours
		// would let one dead receiver look like a broken proxy.
		return errProxyUnreachable
	default:
		return &ProxyError{Err: fmt.Errorf("it answered CONNECT with %s", strconv.Itoa(status))}
	}
}
