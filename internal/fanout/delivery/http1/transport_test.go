package http1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func direct(ctx context.Context, dest dial.Dest) (dial.Link, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", dest.Host, dest.Port))
	if err != nil {
		return dial.Link{}, err
	}
	return dial.Link{Conn: conn, Raw: conn.(*net.TCPConn)}, nil
}

func newTransport(t *testing.T, c Config) *Transport {
	t.Helper()
	c.Dial = direct
	tr, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tr.Close()
		if open, idle := tr.Stats(); open != 0 || idle != 0 {
			t.Errorf("%d connections open and %d idle after Close", open, idle)
		}
	})
	return tr
}

// post has body taken by the receiver and returns the headers and the body of its answer.
func post(t *testing.T, tr *Transport, url, body string) (header http.Header, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-A", "b")
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s", resp.Status)
	}
	return resp.Header, string(got)
}

// refusal is the error of a round trip that must fail.
func refusal(t *testing.T, tr *Transport, req *http.Request) error {
	t.Helper()
	resp, err := tr.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
		t.Errorf("%s %s was answered with %s", req.Method, req.URL, resp.Status)
	}
	return err
}

// An ordinary client with ordinary requests finds an ordinary RoundTripper.
func TestOrdinaryRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Echo", r.Method+" "+r.URL.String()+" "+r.Header.Get("X-A"))
		_, _ = w.Write(body)
	}))
	defer server.Close()
	tr := newTransport(t, Config{})
	for _, size := range []int{0, 10, 5000, 20 << 10, 100 << 10} {
		body := strings.Repeat("x", size)
		header, text := post(t, tr, server.URL+"/p?q=1", body)
		if text != body || header.Get("X-Echo") != "POST /p?q=1 b" {
			t.Errorf("%d bytes: %d bytes back, %q", size, len(text), header)
		}
	}
	if open, idle := tr.Stats(); open != 1 || idle != 1 {
		t.Errorf("%d open, %d idle, want 1 and 1", open, idle)
	}
	resp, err := (&http.Client{Transport: tr}).Head(server.URL)
	if err != nil {
		t.Fatalf("HEAD: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %s", resp.Status)
	}
}

// counter is a server that counts its connections.
func counter(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	var conns atomic.Int64
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, &conns
}

func TestIdleConnectionsExpire(t *testing.T) {
	server, conns := counter(t, func(http.ResponseWriter, *http.Request) {})
	tr := newTransport(t, Config{IdleTimeout: 30 * time.Millisecond})
	post(t, tr, server.URL, "x")
	eventually(t, "the idle connection is closed", func() bool {
		open, idle := tr.Stats()
		return open == 0 && idle == 0
	})
	post(t, tr, server.URL, "x")
	if conns.Load() != 2 {
		t.Errorf("%d connections, want 2", conns.Load())
	}
}

// A receiver that says how long it waits is believed: a connection it is about to close is not used.
func TestAnnouncedTimeoutIsKept(t *testing.T) {
	server, conns := counter(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Keep-Alive", "timeout="+r.URL.Query().Get("s")+", max=100")
	})
	for seconds, want := range map[string]int64{"1": 2, "300": 1} {
		conns.Store(0)
		tr := newTransport(t, Config{})
		post(t, tr, server.URL+"?s="+seconds, "x")
		post(t, tr, server.URL+"?s="+seconds, "x")
		if conns.Load() != want {
			t.Errorf("timeout=%s: %d connections for 2 requests, want %d", seconds, conns.Load(), want)
		}
	}
}

func TestIdleLimits(t *testing.T) {
	const inFlight = 6
	var waiting atomic.Int64
	release := make(chan struct{})
	server, _ := counter(t, func(http.ResponseWriter, *http.Request) {
		if waiting.Add(1) == inFlight {
			close(release)
		}
		<-release
	})
	for _, test := range []struct {
		config Config
		want   int
	}{{Config{MaxIdlePerHost: 2}, 2}, {Config{MaxIdle: 3}, 3}} {
		waiting.Store(0)
		release = make(chan struct{})
		tr := newTransport(t, test.config)
		done := make(chan error, inFlight) // all of them, so that none blocks
		for range inFlight {
			go func() {
				req, _ := http.NewRequest(http.MethodPost, server.URL, nil)
				resp, err := tr.RoundTrip(req)
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					err = resp.Body.Close()
				}
				done <- err
			}()
		}
		for range inFlight {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if open, idle := tr.Stats(); open != test.want || idle != test.want {
			t.Errorf("%+v: %d open, %d idle", test.config, open, idle)
		}
		tr.Close()
	}
}

func TestContextEndsExchange(t *testing.T) {
	arrived := make(chan struct{}, 1)
	server, _ := counter(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	tr := newTransport(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("x"))
	if err := refusal(t, tr, req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := refusal(t, tr, req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ = http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("x"))
	err := refusal(t, tr, req)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("past its deadline: %v", err)
	}
}

func TestBadRequestsAreNotSent(t *testing.T) {
	server, conns := counter(t, func(http.ResponseWriter, *http.Request) {})
	tr := newTransport(t, Config{})
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.URL.Scheme = "ftp" },
		func(r *http.Request) { r.URL.Host = "" },
		func(r *http.Request) { r.Host = "a\r\nX: y" },
		func(r *http.Request) { r.URL.RawQuery = "a b" },
		func(r *http.Request) { r.Method = "PO ST" },
		func(r *http.Request) { r.URL.Host += "99" },
	} {
		req, _ := http.NewRequest(http.MethodPost, server.URL, nil)
		change(req)
		err := refusal(t, tr, req)
		if _, ok := errors.AsType[*RequestError](err); !ok {
			t.Errorf("error is a %T: %v", err, err)
		}
	}
	if conns.Load() != 0 {
		t.Errorf("%d connections", conns.Load())
	}
}

// A 200 that comes before the request was read whole does not cut the request off.
func TestEarlySuccessGetsTheWholeBody(t *testing.T) {
	got := make(chan int, 1)
	server, _ := counter(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusOK)
		if err := rc.Flush(); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Millisecond) // the client has seen the 200 and stands at its body's end
		n, _ := io.Copy(io.Discard, r.Body)
		got <- int(n)
	})
	tr := newTransport(t, Config{})
	const size = 8 << 20
	post(t, tr, server.URL, string(bytes.Repeat([]byte("x"), size)))
	if n := <-got; n != size {
		t.Errorf("the receiver got %d of %d bytes", n, size)
	}
}

func TestConfigComplaints(t *testing.T) {
	for _, c := range []Config{{}, {Dial: direct, MaxConns: -1}, {Dial: direct, IdleTimeout: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("did not come true: %s", what)
}
