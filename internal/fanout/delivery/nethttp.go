package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/http1"
)

// netHTTP carries attempts by the standard library's transport: the reference for our own.
type netHTTP struct{ transport *http.Transport }

func newNetHTTP(c Config, dialer *dial.Dialer) *netHTTP {
	open := func(useTLS bool) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, address string) (net.Conn, error) {
			return openLink(ctx, dialer, address, useTLS, c.RequestTimeout)
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &netHTTP{transport: &http.Transport{
		DialContext:            open(false),
		DialTLSContext:         open(true),
		Protocols:              protocols,
		MaxIdleConns:           c.MaxIdle,
		MaxIdleConnsPerHost:    c.MaxIdlePerHost,
		IdleConnTimeout:        c.IdleTimeout,
		WriteBufferSize:        33 << 10, // a transcript of 30 KB and its head in one write
		MaxResponseHeaderBytes: maxTakenHead,
		DisableCompression:     true,
	}}
}

// openLink dials for the transport, which goes on dialling after the attempt that asked has ended: so the timeout is
// set once more.
func openLink(ctx context.Context, d *dial.Dialer, address string, useTLS bool, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dest, err := dial.ParseDest(address, useTLS)
	if err != nil {
		return nil, err
	}
	link, err := d.Dial(ctx, dest)
	if err != nil {
		return nil, &linkError{link: link, err: err}
	}
	return &linkConn{Conn: link.Conn, link: link}, nil
}

// linkConn carries the times of its making to whichever attempt uses it first.
type linkConn struct {
	net.Conn
	link dial.Link
}

// linkError does the same for a connection that failed.
type linkError struct {
	link dial.Link
	err  error
}

func (e *linkError) Error() string { return e.err.Error() }
func (e *linkError) Unwrap() error { return e.err }

// RoundTrip implements http.RoundTripper for requests whose body is an http1.Exchange.
func (n *netHTTP) RoundTrip(req *http.Request) (*http.Response, error) {
	ex := req.Body.(http1.Exchange)
	trace := &netTrace{start: time.Now()}
	ctx, cancel := context.WithDeadline(req.Context(), ex.Deadline())
	plain := req.WithContext(httptrace.WithClientTrace(ctx, trace.hooks()))
	plain.Header = parseLines(string(ex.AppendHeader(nil)))
	// The transport dials again when an idle connection proves dead before anything was written to it, and only then:
	// it never takes our POST for one that may be repeated, since no request has an Idempotency-Key.
	plain.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(ex.Payload())), nil
	}
	plain.Body, _ = plain.GetBody()
	resp, err := n.transport.RoundTrip(plain)
	ex.SetTimes(trace.result(err))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &limitedBody{resp.Body, cancel}
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			ex.AddField(name, value)
		}
	}
	return resp, nil
}

// limitedBody keeps the deadline until the body is closed.
type limitedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *limitedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// parseLines takes header lines apart into a map, names as they are spelled.
func parseLines(lines string) http.Header {
	h := make(http.Header, 16)
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h[name] = append(h[name], value)
		}
	}
	return h
}

// netTrace collects times from the transport's goroutines, which may still run when the attempt has ended. It has no
// hook for 1xx answers: with one, the transport would take any number of them.
type netTrace struct {
	start time.Time

	mu    sync.Mutex
	got   bool // a connection
	times http1.Times
}

func (t *netTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.got, t.times = true, http1.Times{Reused: info.Reused}
			if conn, ok := info.Conn.(*linkConn); ok && !info.Reused {
				t.times = linkTimes(conn.link)
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.times.Wrote = time.Now()
		},
	}
}

func (t *netTrace) result(err error) http1.Times {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed, ok := errors.AsType[*linkError](err); ok {
		return linkTimes(failed.link)
	}
	if !t.got {
		// It may still be dialling for whoever comes next; all of this attempt's time went into waiting for it.
		t.times.Connect = time.Since(t.start)
	}
	return t.times
}

func linkTimes(l dial.Link) http1.Times {
	return http1.Times{DNS: l.DNS, Connect: l.Connect, TLS: l.TLS}
}
