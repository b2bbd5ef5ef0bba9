package ops_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	var missing error
	s := ops.New(prometheus.NewRegistry(), []ops.Check{
		{Name: "group", Ready: func(context.Context) error { return missing }},
		{Name: "other", Ready: func(context.Context) error { return nil }},
	})
	if code, _ := get(t, s, "/readyz"); code != http.StatusOK {
		t.Errorf("all checks pass: got %d", code)
	}
	missing = errors.New("not joined yet")
	if code, body := get(t, s, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "group: not joined yet") {
		t.Errorf("a check fails: got %d %q", code, body)
	}
	missing = nil
	s.Drain()
	if code, body := get(t, s, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("draining: got %d %q", code, body)
	}
	if code, _ := get(t, s, "/healthz"); code != http.StatusOK {
		t.Errorf("a process that drains is still alive: got %d", code)
	}
}

func TestMetricsAreServed(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "seen_total", Help: "For the test."})
	reg.MustRegister(c)
	c.Inc()
	if _, body := get(t, ops.New(reg, nil), "/metrics"); !strings.Contains(body, "seen_total 1") {
		t.Errorf("metrics without the counter:\n%s", body)
	}
}

func TestServeLetsAnOpenRequestFinish(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ops.Serve(ctx, l, h, 10*time.Second) }()
	answer := make(chan string, 1)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		resp, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		answer <- string(body)
	}()
	<-started
	stop()
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("open request got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// oneConn is a listener with one connection.
type oneConn struct {
	net.Listener
	conns chan net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	close(l.conns)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestServeDoesNotWaitForReaders: who asks and does not read the answer does not keep it in memory for ever.
func TestServeDoesNotWaitForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		l := &oneConn{conns: make(chan net.Conn, 1)}
		l.conns <- server
		began := time.Now()
		wrote := make(chan error, 1)
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 1<<20))
			wrote <- err
		})
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- ops.Serve(ctx, l, h, time.Second) }()
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := <-wrote; err == nil {
			t.Error("a megabyte was written to nobody")
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("given up after %s", took)
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
}
