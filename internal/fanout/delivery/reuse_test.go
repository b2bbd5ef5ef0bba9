package delivery

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestConnectionsAreReusedWhileTheyAreGood(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		conns        int64
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 1},
		{"failure", "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", 1},
		{"redirect", "HTTP/1.1 302 F\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 1},
		{"told to close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok", 4},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := answering(t, test.answer)
				s := build(Config{})
				for i := range 4 {
					out := send(t, s, makeTarget(t, r.URL))
					if want := test.conns == 1 && i > 0; out.HTTPStatus == 0 || out.Timing.Reused != want {
						t.Errorf("attempt %d: %s, reused %v, want %v", i, verdictOf(out), out.Timing.Reused, want)
					}
				}
				if r.conns.Load() != test.conns || r.requests.Load() != 4 {
					t.Errorf("%d connections and %d requests, want %d and 4", r.conns.Load(), r.requests.Load(), test.conns)
				}
			})
		})
	}
}

// What comes behind an answer is not the next request's answer. Only our own transport promises that: net/http's may
// use the connection again before it has looked.
func TestNothingBehindAnAnswerIsTaken(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	r := answering(t, "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 Forged\r\nContent-Length: 0\r\n\r\n")
	s, err := New(Config{AllowedNetworks: loopback()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 20 {
		check(t, send(t, s, makeTarget(t, r.URL)), "500")
	}
	if r.conns.Load() != 20 || r.requests.Load() != 20 {
		t.Errorf("%d connections and %d requests, want 20 and 20", r.conns.Load(), r.requests.Load())
	}
}

// A failing receiver must not cost the others their connections.
func TestFailuresLeaveOtherConnectionsOpen(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		good := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		s := build(Config{})
		for range 5 {
			check(t, send(t, s, makeTarget(t, good.URL)), "200")
			check(t, send(t, s, makeTarget(t, "http://"+closedPort(t))), "connection_refused")
		}
		if n := good.conns.Load(); n != 1 {
			t.Errorf("%d connections to the good receiver, want 1", n)
		}
	})
}

// An idle connection that the receiver closed is noticed before it is used: no attempt is lost to it.
func TestClosedIdleConnectionIsReplaced(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		closed := make(chan struct{}, 8) // one for each connection
		r := serve(t, func(p *peer, _ int64) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			p.Conn.Close()
			closed <- struct{}{}
		})
		s := build(Config{})
		base := runtime.NumGoroutine()
		for range 5 {
			check(t, send(t, s, makeTarget(t, r.URL)), "200")
			<-closed
			settle(t, s, base)
		}
		if n := r.requests.Load(); n != 5 {
			t.Errorf("%d requests for 5 attempts", n)
		}
	})
}

// A connection that dies under a request may have carried it: it is never sent again.
func TestDyingConnectionIsNoResend(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := serve(t, func(p *peer, _ int64) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			p.request()
			p.reset()
		})
		s := build(Config{})
		check(t, send(t, s, makeTarget(t, r.URL)), "200")
		check(t, send(t, s, makeTarget(t, r.URL)), "connection_reset")
		if n := r.requests.Load(); n != 2 {
			t.Errorf("%d requests for 2 attempts", n)
		}
	})
}

func TestLargeBodies(t *testing.T) {
	for _, size := range []int{0, 1, 4 << 10, 30 << 10, 64 << 10, 300 << 10, 2 << 20} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			r, got := capture(t)
			s, d := build(Config{RequestTimeout: patient}), makeDelivery(size)
			for range 2 {
				out, err := s.Send(t.Context(), makeTarget(t, r.URL), d)
				if err != nil {
					t.Fatal(err)
				}
				check(t, out, "204")
				if req := <-got; string(req.body) != string(d.Event.Body) {
					t.Errorf("%d bytes: the body changed", size)
				}
			}
			if r.conns.Load() != 1 {
				t.Errorf("%d bytes: %d connections, want 1", size, r.conns.Load())
			}
		})
	}
}

// A receiver may answer without reading what it is sent; its answer counts, whether it then waits, closes or resets.
func TestEarlyAnswerToALargeBody(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"waits":  func(p *peer) { time.Sleep(2 * quick) },
		"closes": func(p *peer) { p.Conn.(*net.TCPConn).CloseWrite(); p.linger() },
		"drains": (*peer).linger,
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := serve(t, func(p *peer, _ int64) {
					p.head()
					p.say("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
					end(p)
				})
				out := sendBody(t, build(Config{RequestTimeout: patient}), makeTarget(t, r.URL), 16<<20)
				check(t, out, "413")
				if string(out.ResponseBody) != "big" {
					t.Errorf("body %q", out.ResponseBody)
				}
				if out.Duration > patient/2 {
					t.Errorf("the answer was there at once, but the attempt took %v", out.Duration)
				}
			})
		})
	}
}

// A large body is written while the answer is awaited; whatever the receiver does with it, the attempt ends.
func TestLargeBodyToBadReceivers(t *testing.T) {
	for name, test := range map[string]struct {
		script func(*peer)
		want   string
	}{
		"reads nothing":        {func(*peer) { time.Sleep(2 * moderate) }, "timeout"},
		"reads and is silent":  {(*peer).linger, "timeout"},
		"reads slowly":         {func(p *peer) { p.trickle() }, "timeout"},
		"resets at once":       {(*peer).reset, "connection_reset"},
		"resets in the middle": {func(p *peer) { io.CopyN(io.Discard, p.r, 1<<20); p.reset() }, "connection_reset"},
		"says 200 and stops reading": {func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			time.Sleep(2 * moderate)
		}, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := moderate // it is reached, but not before such a body is signed and there is a connection
			if test.want == "connection_reset" {
				limit = patient
			}
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := serve(t, func(p *peer, _ int64) { test.script(p) })
				check(t, sendBody(t, build(Config{RequestTimeout: limit}), makeTarget(t, r.URL), 16<<20), test.want)
				r.oneConnection(t)
			})
		})
	}
}

// trickle reads a little now and then, until the client goes away.
func (p *peer) trickle() {
	buf := make([]byte, 512)
	for {
		if _, err := p.Conn.Read(buf); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// settle waits until net/http's goroutines have noticed what became of their idle connections and have ended. Our own
// transport has none: it looks when it takes a connection.
func settle(t *testing.T, s *Sender, base int) {
	t.Helper()
	if open, _ := s.Connections(); open > 0 {
		return
	}
	for range 5000 {
		if runtime.NumGoroutine() <= base {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the transport keeps a connection that is gone")
}
