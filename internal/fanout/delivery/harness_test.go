package delivery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

const (
	testSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	oldSecret  = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
	// quick is a request timeout for tests that wait for it; patient one for tests that must not reach it; moderate one for
	// tests that wait for it and that must have come somewhere before.
	quick    = 250 * time.Millisecond
	moderate = 750 * time.Millisecond
	patient  = 10 * time.Second
)

// timeoutFor is the request timeout of an attempt with that outcome: what a receiver does comes in time on a busy machine too.
func timeoutFor(outcome string) time.Duration {
	if outcome == string(event.ErrTimeout) {
		return quick
	}
	return patient
}

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// eachEngine runs test once for each transport and fails if a goroutine outlives it. build makes senders that may
// reach loopback.
func eachEngine(t *testing.T, test func(t *testing.T, build func(Config) *Sender)) {
	for _, engine := range []Engine{EngineHTTP1, EngineNetHTTP} {
		t.Run(engine.String(), func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
			test(t, func(c Config) *Sender {
				c.Engine = engine
				if c.AllowedNetworks == nil {
					c.AllowedNetworks = loopback()
				}
				s, err := New(c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				return s
			})
		})
	}
}

// receiver is a server whose every byte a test decides.
type receiver struct {
	URL      string
	conns    atomic.Int64
	requests atomic.Int64
}

// oneConnection fails the test unless exactly one connection came. The attempt may have ended before a busy machine
// accepted it.
func (r *receiver) oneConnection(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patient); r.conns.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := r.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// serve answers each connection by script; n counts connections from 1. The connection is closed when script returns.
func serve(t *testing.T, script func(c *peer, n int64)) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, "http", script)
}

func serveOn(t *testing.T, l net.Listener, scheme string, script func(c *peer, n int64)) *receiver {
	t.Helper()
	r := &receiver{URL: scheme + "://" + l.Addr().String()}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		open = map[net.Conn]bool{}
	)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			n := r.conns.Add(1)
			wg.Go(func() {
				defer conn.Close()
				script(&peer{Conn: conn, r: bufio.NewReader(conn), owner: r}, n)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return r
}

// peer is the receiver's end of a connection.
type peer struct {
	net.Conn
	r     *bufio.Reader
	owner *receiver
}

// request reads a request with its body; ok is false when the connection ended.
func (p *peer) request() (req *http.Request, body []byte, ok bool) {
	req, err := http.ReadRequest(p.r)
	if err != nil {
		return nil, nil, false
	}
	p.owner.requests.Add(1)
	body, err = io.ReadAll(req.Body)
	return req, body, err == nil
}

// head reads a request's head and leaves the body; what came of it shows in the attempt.
func (p *peer) head() { _, _ = http.ReadRequest(p.r) }

// say writes text; a client that has gone away is no fault of the test.
func (p *peer) say(text string) bool {
	_, err := io.WriteString(p.Conn, text)
	return err == nil
}

// linger waits until the client closes.
func (p *peer) linger() { io.Copy(io.Discard, p.r) }

// reset closes with RST instead of FIN.
func (p *peer) reset() {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	p.Conn.Close()
}

// answering replies to every request of every connection with the same text.
func answering(t *testing.T, text string) *receiver {
	return serve(t, func(p *peer, _ int64) {
		for {
			if _, _, ok := p.request(); !ok || !p.say(text) {
				return
			}
		}
	})
}

func makeTarget(t *testing.T, rawURL string) *fanout.Target {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return &fanout.Target{WorkspaceID: "ws_acme", WebhookID: "wh_1", URL: u, Enabled: true, Signer: signer(t, testSecret)}
}

func signer(t *testing.T, secrets ...string) *webhook.Signer {
	t.Helper()
	s, err := webhook.NewSigner(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func makeDelivery(size int) *fanout.Delivery {
	const frame = `{"id":"evt_1","event":"ConversationComplete","data":{"pad":""}}`
	body := strings.Replace(frame, `""`, `"`+strings.Repeat("x", max(size-len(frame), 0))+`"`, 1)
	return &fanout.Delivery{
		ID: "dlv_01", Attempt: 3,
		Event: &fanout.Event{ID: "evt_1", Type: "ConversationComplete", Body: []byte(body)},
	}
}

// send makes one attempt and fails the test on an error of Send, or when the attempt outlasts its timeout.
func send(t *testing.T, s *Sender, target *fanout.Target) fanout.Outcome {
	t.Helper()
	return sendBody(t, s, target, 100)
}

func sendBody(t *testing.T, s *Sender, target *fanout.Target, size int) fanout.Outcome {
	t.Helper()
	start := time.Now()
	out, err := s.Send(t.Context(), target, makeDelivery(size))
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	if took := time.Since(start); took > s.timeout+2*time.Second {
		t.Errorf("Send took %v, the limit is %v", took, s.timeout)
	}
	return out
}

// check compares what matters of an outcome: "200", "200 truncated", or the error code.
func check(t *testing.T, out fanout.Outcome, want string) {
	t.Helper()
	if got := verdictOf(out); got != want {
		t.Errorf("outcome is %q (%s), want %q", got, out.Detail, want)
	}
	if out.HTTPStatus == 0 && out.Detail == "" {
		t.Error("a failure without an answer must have a Detail")
	}
	for _, address := range []string{"127.0.0.1", "::1"} {
		if strings.Contains(out.Detail, address) {
			t.Errorf("Detail %q names an address", out.Detail)
		}
	}
}

func verdictOf(out fanout.Outcome) string {
	if out.HTTPStatus == 0 {
		return string(out.Error)
	}
	if out.Error != "" {
		return fmt.Sprintf("%d and %s", out.HTTPStatus, out.Error)
	}
	if out.Truncated {
		return fmt.Sprintf("%d truncated", out.HTTPStatus)
	}
	return fmt.Sprint(out.HTTPStatus)
}

// rawRequest reads the very bytes of a request whose body is declared by Content-Length.
func rawRequest(p *peer) (head []string, body []byte, err error) {
	var length int
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return nil, nil, err
		}
		if line == "\r\n" {
			break
		}
		line, ok := strings.CutSuffix(line, "\r\n")
		if !ok {
			return nil, nil, errors.New("a line of the head ends without CR")
		}
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(value); err != nil {
				return nil, nil, err
			}
		}
		head = append(head, line)
	}
	body = make([]byte, length)
	_, err = io.ReadFull(p.r, body)
	return head, bytes.Clone(body), err
}
