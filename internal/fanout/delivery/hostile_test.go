package delivery

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const okHead = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

// drip says text over and over, a byte at a time, until the client goes away.
func (p *peer) drip(text string) {
	for {
		for i := range len(text) {
			if !p.say(text[i : i+1]) {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// pour says text over and over as fast as it is taken.
func (p *peer) pour(text string) {
	block := bytes.Repeat([]byte(text), 1+(32<<10)/len(text))
	for {
		if _, err := p.Write(block); err != nil {
			return
		}
	}
}

// Every receiver in here would hold a careless client for ever, or fill its memory, or confuse it.
func TestHostileReceivers(t *testing.T) {
	for _, test := range []struct {
		name, want string
		script     func(p *peer)
	}{
		{"says nothing", "timeout", func(p *peer) { p.request(); p.linger() }},
		{"reads nothing", "timeout", func(p *peer) { time.Sleep(2 * quick) }},
		{"drips its head", "timeout", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\n"); p.drip("X-A: b\r\n") }},
		{"drips its status line", "timeout", func(p *peer) { p.request(); p.say("HTTP/1.1 200 "); p.drip("O") }},
		{"drips its body", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
			p.drip("x")
		}},
		{"drips chunks", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			p.drip("1\r\nx\r\n")
		}},
		{"drips a failure's body", "500 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n")
			p.drip("x")
		}},
		{"endless 1xx", "protocol_error", func(p *peer) { p.request(); p.pour("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") }},
		{"endless 100", "protocol_error", func(p *peer) { p.request(); p.pour("HTTP/1.1 100 Continue\r\n\r\n") }},
		{"dripping 1xx", "timeout", func(p *peer) { p.request(); p.drip("HTTP/1.1 102 Processing\r\n\r\n") }},
		{"endless header", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\n"); p.pour("X-A: b\r\n") }},
		{"endless header line", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\nX-A: "); p.pour("b") }},
		{"endless status line", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 200 "); p.pour("b") }},
		{"oversize head", "protocol_error", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 80<<10) + "\r\nContent-Length: 0\r\n\r\n")
			p.linger()
		}},
		{"endless body", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
			p.pour("x")
		}},
		{"endless chunks", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			p.pour("5\r\nhello\r\n")
		}},
		{"a body without end", "200 truncated", func(p *peer) { p.request(); p.say("HTTP/1.0 200 OK\r\n\r\n"); p.pour("x") }},
		{"bad chunk size", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
			p.linger()
		}},
		{"huge chunk size", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n")
			p.linger()
		}},
		{"endless chunk extension", "200 truncated", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")
			p.pour("a=b;")
		}},
		{"short body", "200 truncated", func(p *peer) { p.request(); p.say(okHead + "short") }},
		{"not HTTP", "protocol_error", func(p *peer) { p.request(); p.say("SSH-2.0-OpenSSH_9.9\r\n"); p.linger() }},
		{"status of two digits", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 20 OK\r\n\r\n"); p.linger() }},
		{"status of letters", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 abc OK\r\n\r\n"); p.linger() }},
		{"line without colon", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"); p.linger() }},
		{"NUL in a value", "protocol_error", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n"); p.linger() }},
		{"two lengths", "protocol_error", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")
			p.linger()
		}},
		{"negative length", "protocol_error", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc")
			p.linger()
		}},
		{"unknown encoding", "protocol_error", func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nabc")
			p.linger()
		}},
		{"resets before reading", "connection_reset", func(p *peer) { p.reset() }},
		{"resets after reading", "connection_reset", func(p *peer) { p.request(); p.reset() }},
		{"closes after reading", "connection_reset", func(p *peer) { p.request() }},
		{"closes in its head", "connection_reset", func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\nX-A: b\r\n") }},
		{"resets in its body", "200 truncated", func(p *peer) {
			p.request()
			p.say(okHead + "some")
			time.Sleep(quick / 5) // let it be read before the reset takes it away
			p.reset()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			limit := timeoutFor(test.want)
			if limit == patient && strings.HasPrefix(test.name, "drips") {
				limit = moderate // it is reached, but not before there is a head
			}
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := serve(t, func(p *peer, _ int64) { test.script(p) })
				out := send(t, build(Config{RequestTimeout: limit}), makeTarget(t, r.URL))
				check(t, out, test.want)
				if len(out.ResponseBody) > maxKeptBody {
					t.Errorf("%d bytes of body kept", len(out.ResponseBody))
				}
				r.oneConnection(t)
			})
		})
	}
}

// A body as large as the limit is whole, one byte more is cut; of headers 16 KiB are kept.
func TestLimitsOfWhatIsKept(t *testing.T) {
	for size, want := range map[int]string{maxKeptBody: "200", maxKeptBody + 1: "200 truncated"} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			r := answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
			out := send(t, build(Config{RequestTimeout: patient}), makeTarget(t, r.URL))
			check(t, out, want)
			if len(out.ResponseBody) != maxKeptBody || out.ResponseSize != int64(size) {
				t.Errorf("kept %d bytes, read %d of %d", len(out.ResponseBody), out.ResponseSize, size)
			}
		})
	}
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		line := "X-Pad: " + strings.Repeat("a", 990) + "\r\n"
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+strings.Repeat(line, 50)+"\r\n")
		out := send(t, build(Config{RequestTimeout: patient}), makeTarget(t, r.URL))
		check(t, out, "200")
		kept := 0
		for _, h := range out.ResponseHeaders {
			kept += len(h[0]) + len(h[1])
		}
		if kept > maxKeptHead || kept < maxKeptHead*9/10 {
			t.Errorf("%d bytes of headers kept", kept)
		}
	})
}

// A compressed body is kept as it came: it never becomes larger than what was read.
func TestGzipBombStaysPacked(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	io.CopyN(w, zeros{}, 8<<20)
	w.Close()
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		encodings := make(chan string, 1)
		r := serve(t, func(p *peer, _ int64) {
			req, _, _ := p.request()
			encodings <- req.Header.Get("Accept-Encoding")
			p.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len()))
			p.say(bomb.String())
			p.linger()
		})
		out := send(t, build(Config{RequestTimeout: patient}), makeTarget(t, r.URL))
		want := bomb.Bytes()[:min(maxKeptBody, bomb.Len())]
		if !bytes.Equal(out.ResponseBody, want) {
			t.Errorf("the body was touched: %d bytes kept, want %d", len(out.ResponseBody), len(want))
		}
		if asked := <-encodings; asked != "" {
			t.Errorf("the request asked for %q", asked)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A redirect to a place that is allowed is not followed either.
func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			other := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			r := answering(t, fmt.Sprintf("HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, other.URL))
			out := send(t, build(Config{}), makeTarget(t, r.URL))
			check(t, out, fmt.Sprint(status))
			if other.conns.Load() != 0 {
				t.Error("the redirect was followed")
			}
			if !strings.Contains(out.Detail, "redirect") {
				t.Errorf("Detail %q does not explain it", out.Detail)
			}
		})
	}
}

// Floods cost a bounded amount of memory, whatever the receiver pours out.
func TestFloodsAreBoundedInMemory(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := serve(t, func(p *peer, n int64) {
			p.request()
			if n%2 == 0 {
				p.say("HTTP/1.1 200 OK\r\n")
				p.pour("A:\r\n")
				return
			}
			p.say("HTTP/1.1 200 OK\r\n\r\n")
			p.pour("x")
		})
		s := build(Config{RequestTimeout: patient})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const attempts = 20
		for range attempts {
			send(t, s, makeTarget(t, r.URL))
		}
		runtime.ReadMemStats(&after)
		// Some ten limits' worth an attempt, the test's own buffers included, where gigabytes were on offer.
		if each := (after.TotalAlloc - before.TotalAlloc) / attempts; each > 10*(maxTakenHead+maxKeptBody) {
			t.Errorf("%d bytes allocated for each attempt", each)
		}
	})
}

// What a receiver answers on a connection before it is asked is not the answer to the next request.
func TestUnaskedAnswerIsNotTaken(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		poisoned := make(chan struct{}, 4) // one for each connection
		r := serve(t, func(p *peer, n int64) {
			p.request()
			p.say("HTTP/1.1 500 First\r\nContent-Length: 0\r\n\r\n")
			if n == 1 {
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				poisoned <- struct{}{}
			}
			p.linger()
		})
		s := build(Config{RequestTimeout: patient})
		base := runtime.NumGoroutine()
		check(t, send(t, s, makeTarget(t, r.URL)), "500")
		<-poisoned
		settle(t, s, base)
		check(t, send(t, s, makeTarget(t, r.URL)), "500")
		if r.requests.Load() != 2 || r.conns.Load() != 2 {
			t.Errorf("%d requests on %d connections", r.requests.Load(), r.conns.Load())
		}
	})
}

func TestUnreachable(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		check(t, send(t, build(Config{}), makeTarget(t, "http://"+closedPort(t))), "connection_refused")
	})
}

// A listener whose queue is full drops what knocks: the way a black hole looks from outside.
func TestBlackHoleTimesOut(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		address := blackHole(t)
		out := send(t, build(Config{RequestTimeout: quick}), makeTarget(t, "http://"+address))
		check(t, out, "timeout")
		if out.Timing.Wait != 0 || out.Timing.Connect < quick/2 {
			t.Errorf("the time did not go into connecting: %+v", out.Timing)
		}
	})
}

// blackHole returns an address that takes no connection and refuses none.
func blackHole(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	full := false
	for range 16 {
		conn, err := net.DialTimeout("tcp", address, quick/2)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		} else if full { // once alone may be the machine's, which was busy
			return address
		}
		full = err != nil
	}
	t.Fatal("the queue never fills")
	return ""
}
