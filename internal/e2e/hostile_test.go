package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// peer is a hostile receiver's end of a connection.
type peer struct {
	net.Conn
	r *bufio.Reader
}

// request reads the request, so that what follows is an answer to it.
func (p *peer) request() {
	req, err := http.ReadRequest(p.r)
	if err != nil {
		return // the sender went away
	}
	_, _ = io.Copy(io.Discard, req.Body)
}

func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

// drip says a text over and over, a byte every millisecond, until the sender goes away.
func (p *peer) drip(text string) {
	for {
		for i := range len(text) {
			if _, err := io.WriteString(p, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// pour says a text over and over until the sender goes away or n bytes are said.
func (p *peer) pour(text string, n int) {
	block := bytes.Repeat([]byte(text), 1+64<<10/len(text))
	for ; n > 0; n -= len(block) {
		if _, err := p.Write(block); err != nil {
			return
		}
	}
}

// linger waits until the sender goes away.
func (p *peer) linger() { _, _ = io.Copy(io.Discard, p.r) }

// reset has the sender see a reset in place of an end.
func (p *peer) reset() { _ = p.Conn.(*net.TCPConn).SetLinger(0) }

// trickster is a server that does as its script says with each connection.
type trickster struct {
	addr  string
	conns atomic.Int32
}

func trick(t *testing.T, script func(p *peer)) *trickster {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	h := &trickster{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the test's end
			}
			h.conns.Add(1)
			go func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(time.Minute)) // whatever the sender does
				script(&peer{conn, bufio.NewReader(conn)})
			}()
		}
	}()
	return h
}

const endless = 1 << 40

// hostileReceivers are scripts and what the one attempt comes to: an error, or a status with what there was of a body.
var hostileReceivers = []struct {
	name   string
	want   string
	script func(p *peer)
}{
	{"black hole", "timeout", func(p *peer) { p.linger() }},
	{"drips its head", "timeout", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\n"); p.drip("X-A: b\r\n") }},
	{"drips its body", "200 truncated", func(p *peer) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		p.drip("x")
	}},
	{"drips a failure's body", "500 truncated", func(p *peer) {
		p.request()
		p.say("HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n")
		p.drip("x")
	}},
	{"endless 1xx", "protocol_error", func(p *peer) { p.request(); p.pour("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", endless) }},
	{"endless head", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\n"); p.pour("X-A: b\r\n", endless) }},
	{"100 MB of body", "200 truncated", func(p *peer) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
		p.pour("x", 100<<20)
	}},
	{"resets before its head", "connection_reset", func(p *peer) { p.request(); p.reset() }},
	{"resets in its head", "connection_reset", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\nX-A: "); p.reset() }},
	{"resets in its body", "200 truncated", func(p *peer) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
		time.Sleep(200 * time.Millisecond) // let it be read before the reset takes it away
		p.reset()
	}},
	{"resets while it is sent", "connection_reset", func(p *peer) { _, _ = p.r.Peek(10); p.reset() }},
	{"is not HTTP", "protocol_error", func(p *peer) { p.request(); p.say("SSH-2.0-OpenSSH_9.9\r\n"); p.linger() }},
}

// TestHostileReceivers: whatever a receiver does, it is one attempt with the right outcome in the history, ended by the
// deadline, and the dispatcher's memory stays bounded. What exactly each trick comes to is delivery's to prove.
func TestHostileReceivers(t *testing.T) {
	t.Parallel()
	const deadline = 2 * time.Second
	in := install(t)
	s := in.serve(t, "--request-timeout", deadline.String(), "--retry-schedule", "1h")
	want := map[string]string{} // by webhook
	names := map[string]string{}
	servers := map[string]*trickster{}
	expect := func(name, url, outcome string) string {
		id := s.create("ws_acme", url).ID
		want[id], names[id] = outcome, name
		return id
	}
	for _, tc := range hostileReceivers {
		h := trick(t, tc.script)
		servers[expect(tc.name, "http://"+h.addr, tc.want)] = h
	}
	expect("refuses connections", "http://"+closedAddress(t), "connection_refused")
	expect("has a certificate of nobody", "https://"+selfSigned(t), "tls_error")
	expect("speaks no TLS", "https://"+trick(t, func(p *peer) { p.say("220 mail.example ESMTP\r\n"); p.linger() }).addr, "tls_error")
	expect("refuses the handshake", "https://"+trick(t, func(p *peer) {
		_, _ = p.r.Peek(5)
		p.say("\x15\x03\x01\x00\x02\x02\x28") // a fatal alert: handshake_failure
		p.linger()
	}).addr, "tls_error")
	before := s.memory()

	in.publish(t, document("evt_1", "ws_acme", "SessionStarted", `{"session_id":"s","pad":"`+strings.Repeat("x", 200<<10)+`"}`))
	var rows []attempt
	eventually(t, 30*time.Second, func() error {
		if rows = s.attempts("ws_acme", ""); len(rows) < len(want) {
			return fmt.Errorf("%d of %d attempts in history", len(rows), len(want))
		}
		return nil
	})
	for _, row := range rows {
		name := names[row.WebhookID]
		if got := s.outcome(row.ID); got != want[row.WebhookID] {
			t.Errorf("%s: %s, want %s", name, got, want[row.WebhookID])
		}
		if took := time.Duration(row.DurationMS) * time.Millisecond; took > deadline+500*time.Millisecond {
			t.Errorf("%s: ended after %s, the deadline is %s", name, took, deadline)
		}
		if h := servers[row.WebhookID]; h != nil && h.conns.Load() != 1 {
			t.Errorf("%s: %d connections for one attempt", name, h.conns.Load())
		}
		delete(want, row.WebhookID)
	}
	if len(want) > 0 {
		t.Errorf("no attempt for %v", want)
	}
	if after := s.memory(); after > before+100<<20 {
		t.Errorf("memory grew from %d to %d MiB", before>>20, after>>20)
	} else {
		t.Logf("memory at its highest: %d MiB, %d MiB before", after>>20, before>>20)
	}
}

// outcome is an attempt's error, or its status.
func (s *server) outcome(id string) string {
	s.t.Helper()
	var whole struct {
		attempt
		Response *struct {
			Truncated bool `json:"truncated"`
		} `json:"response"`
	}
	s.call("GET", "/v1/workspaces/ws_acme/attempts/"+id, nil, 200, &whole)
	switch {
	case whole.Error != nil && whole.HTTPStatus != nil:
		return fmt.Sprintf("%s and %d", *whole.Error, *whole.HTTPStatus)
	case whole.Error != nil:
		return *whole.Error
	case whole.Response != nil && whole.Response.Truncated:
		return fmt.Sprintf("%d truncated", *whole.HTTPStatus)
	default:
		return strconv.Itoa(*whole.HTTPStatus)
	}
}

// memory is the most that the process ever had resident, in bytes.
func (s *server) memory() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return kib << 10
}

// selfSigned is the address of a server whose certificate nobody trusts.
func selfSigned(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of each client that goes
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// closedAddress is an address at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
