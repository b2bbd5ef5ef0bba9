package delivery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// proxy is a forward proxy that connects to whatever it is asked for, unless answer says otherwise.
func proxy(t *testing.T, answer string, asked chan<- *http.Request) *receiver {
	return serve(t, func(p *peer, _ int64) {
		req, err := http.ReadRequest(p.r)
		if err != nil {
			return
		}
		asked <- req
		if answer != "" {
			p.say(answer)
			return
		}
		relay(p, req.Host)
	})
}

// relay answers a CONNECT for address and carries bytes both ways until either end closes.
func relay(p *peer, address string) {
	out, err := net.Dial("tcp", address)
	if err != nil {
		p.say("HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer out.Close()
	p.say("HTTP/1.1 200 Connection established\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(out, p.r)
		out.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(p.Conn, bufio.NewReader(out))
	p.Conn.Close()
	<-done
}

func TestForwardProxyGetsAPinnedAddress(t *testing.T) {
	ca := newAuthority(t)
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		asked := make(chan *http.Request, 4) // one for each connection
		via := proxy(t, "", asked)
		u, _ := url.Parse(via.URL)
		u.User = url.UserPassword("us", "s3cret")
		plain := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		secure := serveTLS(t, tlsOf(ca), answerAll)
		s := build(Config{
			RequestTimeout: patient, ForwardProxy: u, ExtraCAs: ca.PEM,
			Resolver: always("10.0.0.1", "127.0.0.1"),
		})
		for _, rawURL := range []string{"http://receiver.test:" + portOf(t, plain.URL), "https://receiver.test:" + portOf(t, secure.URL)} {
			check(t, send(t, s, makeTarget(t, rawURL)), "200")
			req := <-asked
			if want := "127.0.0.1:" + portOf(t, rawURL); req.Method != http.MethodConnect || req.Host != want {
				t.Errorf("the proxy was asked to %s %s, want CONNECT %s", req.Method, req.Host, want)
			}
			if req.Header.Get("Proxy-Authorization") != "Basic dXM6czNjcmV0" {
				t.Errorf("Proxy-Authorization %q", req.Header.Get("Proxy-Authorization"))
			}
		}
		s = build(Config{ForwardProxy: u, Resolver: always("10.0.0.1")})
		check(t, send(t, s, makeTarget(t, "http://private.test:8080")), "blocked")
		if len(asked) != 0 {
			t.Error("the proxy was asked for a private address")
		}
	})
}

func TestForwardProxyAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 403 Forbidden\r\n\r\n":                   "blocked",
		"HTTP/1.1 502 Bad Gateway\r\n\r\n":                 "unreachable",
		"HTTP/1.1 500 Unable to connect\r\n\r\n":           "unreachable",
		"HTTP/1.1 503 Service Unavailable\r\n\r\n":         "unreachable",
		"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n":   "own",
		"HTTP/1.1 504 Gateway Timeout\r\n\r\n":             "timeout",
		"HTTP/1.1 407 Proxy Authentication\r\n\r\n":        "own",
		"nonsense\r\n\r\n":                                 "own",
		"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 Smuggled\r\n": "own",
	} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			u, _ := url.Parse(proxy(t, answer, make(chan *http.Request, 4)).URL)
			u.User = url.UserPassword("us", "s3cret")
			s := build(Config{ForwardProxy: u, RequestTimeout: patient})
			out, err := s.Send(t.Context(), makeTarget(t, "http://127.0.0.1:8080"), makeDelivery(64))
			got := verdictOf(out)
			if err != nil {
				got = "own"
			}
			if text := fmt.Sprint(out, err); strings.Contains(text, "s3cret") || strings.Contains(text, "dXM6czNjcmV0") {
				t.Errorf("the proxy's password is told: %s", text)
			}
			if got != want {
				t.Errorf("%q: %s (%v), want %s", answer, got, err, want)
			}
		})
	}
}

// A proxy that is away, or that cannot be found, is nobody's failure.
func TestForwardProxyAway(t *testing.T) {
	for name, proxyURL := range map[string]string{
		"closed port": "http://us:s3cret@" + closedPort(t), "no such name": "http://us:s3cret@proxy..invalid:3128",
		"not TLS": "https://us:s3cret@" + strings.TrimPrefix(answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n").URL, "http://"),
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				u, err := url.Parse(proxyURL)
				if err != nil {
					t.Fatal(err)
				}
				s := build(Config{ForwardProxy: u, RequestTimeout: patient})
				out, err := s.Send(t.Context(), makeTarget(t, "http://127.0.0.1:8080"), makeDelivery(64))
				if err == nil {
					t.Errorf("blamed on the receiver: %s", verdictOf(out))
				} else if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the proxy's password is told: %v", err)
				}
			})
		})
	}
}

// What the proxy is silent about gets its share of the time, and the next address the rest.
func TestForwardProxyTriesTheNextAddress(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		asked := make(chan string, 2)
		u, _ := url.Parse(serve(t, func(p *peer, n int64) {
			req, err := http.ReadRequest(p.r)
			if err != nil {
				return
			}
			asked <- req.Host
			if n == 1 {
				p.linger()
				return
			}
			relay(p, req.Host)
		}).URL)
		s := build(Config{ForwardProxy: u, RequestTimeout: patient / 5, Resolver: always("127.0.0.9", "127.0.0.1")})
		check(t, send(t, s, makeTarget(t, "http://receiver.test:"+portOf(t, r.URL))), "200")
		if first, second := <-asked, <-asked; !strings.HasPrefix(first, "127.0.0.9:") || !strings.HasPrefix(second, "127.0.0.1:") {
			t.Errorf("asked for %s, then %s", first, second)
		}
	})
}
