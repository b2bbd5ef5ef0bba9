package delivery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// resolver is a name server of a test's own.
type resolver func(ctx context.Context, host string) ([]netip.Addr, error)

func (r resolver) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return r(ctx, host)
}

// always answers with the same addresses.
func always(addrs ...string) resolver {
	return func(context.Context, string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func portOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestPrivateDestinationsAreBlocked(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		port := portOf(t, r.URL)
		s := build(Config{AllowedNetworks: []netip.Prefix{}, Resolver: always("127.0.0.1")})
		for _, host := range []string{
			"127.0.0.1", "localhost", "[::1]", "[::]", "0.0.0.0", "[::ffff:127.0.0.1]", "[::127.0.0.1]",
			"[::ffff:127.0.0.1%25lo]", "[fe80::1%25lo]", "①②⑦.⓪.⓪.①", "127。0。0。1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "169.254.169.254",
			"168.63.129.16", "10.0.0.1", "192.168.1.1", "100.64.0.1", "192.0.0.192", "[fd00::1]", "[64:ff9b::7f00:1]",
			"[2002:7f00:1::]", "rebound.test", "2130706433", "127.1", "0177.0.0.1", "0x7f000001",
		} {
			target := makeTarget(t, "http://"+host+":"+port+"/")
			check(t, send(t, s, target), "blocked")
		}
		if r.conns.Load() != 0 {
			t.Error("a connection was made")
		}
	})
}

// A name that leads to a public address when it is looked at, and to a private one when it is used.
func TestRebindingFindsNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		var lookups atomic.Int64
		s := build(Config{
			AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, // stands for the public internet
			Resolver: resolver(func(context.Context, string) ([]netip.Addr, error) {
				if lookups.Add(1) == 1 {
					return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil // where nobody is
				}
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}),
		})
		target := makeTarget(t, "http://rebound.test:"+portOf(t, r.URL))
		check(t, send(t, s, target), "connection_refused")
		check(t, send(t, s, target), "blocked")
		if r.conns.Load() != 0 {
			t.Error("the private address was reached")
		}
	})
}

func TestOfMixedAddressesOnlyAllowedOnesAreDialled(t *testing.T) {
	allowed := []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		forbidden := answering(t, "HTTP/1.1 500 Forbidden Place\r\nContent-Length: 0\r\n\r\n")
		port := portOf(t, forbidden.URL)
		l, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			t.Fatalf("this machine has no second loopback address: %v", err)
		}
		r := serveOn(t, l, "http", answerAll)
		many := []string{"10.0.0.1", "127.0.0.1", "::1", "fd00::1", "169.254.169.254", "127.0.0.2"}
		s := build(Config{AllowedNetworks: allowed, Resolver: always(many...)})
		check(t, send(t, s, makeTarget(t, "http://mixed.test:"+port)), "200")
		if r.requests.Load() != 1 || forbidden.conns.Load() != 0 {
			t.Errorf("%d and %d", r.requests.Load(), forbidden.conns.Load())
		}
	})
}

// An answer with very many addresses is tried only in part, and within the deadline.
func TestManyAddressesAreNotAllDialled(t *testing.T) {
	var many []string
	for i := 1; i <= 200; i++ {
		many = append(many, fmt.Sprintf("127.0.1.%d", i), fmt.Sprintf("127.0.2.%d", i))
	}
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		s := build(Config{Resolver: always(many...)})
		_, port, _ := net.SplitHostPort(closedPort(t))
		check(t, send(t, s, makeTarget(t, "http://many.test:"+port)), "connection_refused")
	})
}

func TestBothFamiliesAreTried(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // on IPv4 only
		for _, order := range [][]string{{"::1", "127.0.0.1"}, {"127.0.0.1", "::1"}} {
			s := build(Config{Resolver: always(order...)})
			check(t, send(t, s, makeTarget(t, "http://dual.test:"+portOf(t, r.URL))), "200")
		}
	})
}

func TestIPv6Literal(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		l, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Fatalf("this machine has no IPv6: %v", err)
		}
		hosts := make(chan string, 1)
		r := serveOn(t, l, "http", func(p *peer, _ int64) {
			req, _, _ := p.request()
			hosts <- req.Host
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		check(t, send(t, build(Config{}), makeTarget(t, r.URL)), "200")
		if host := <-hosts; host != l.Addr().String() {
			t.Errorf("Host %q", host)
		}
	})
}

func TestUnicodeHostIsSentInASCII(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r, got := capture(t)
		asked := make(chan string, 1)
		s := build(Config{Resolver: resolver(func(_ context.Context, host string) ([]netip.Addr, error) {
			asked <- host
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		})})
		port := portOf(t, r.URL)
		check(t, send(t, s, makeTarget(t, "http://bücher.test:"+port+"/ü")), "204")
		if host := <-asked; host != "xn--bcher-kva.test" {
			t.Errorf("the resolver was asked for %q", host)
		}
		head := (<-got).head
		if head[0] != "POST /%C3%BC HTTP/1.1" || head[1] != "Host: xn--bcher-kva.test:"+port {
			t.Errorf("head begins with %q", head[:2])
		}
	})
}

func TestOwnListenersAreNeverReached(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		own := netip.MustParseAddrPort(strings.TrimPrefix(r.URL, "http://"))
		for _, listener := range []netip.AddrPort{
			own, netip.AddrPortFrom(netip.IPv4Unspecified(), own.Port()), netip.AddrPortFrom(netip.IPv6Unspecified(), own.Port()),
		} {
			s := build(Config{
				AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
				OwnListeners:    func() []netip.AddrPort { return []netip.AddrPort{listener} },
				Resolver:        always("127.0.0.1"),
			})
			for _, host := range []string{own.Addr().String(), "0.0.0.0", "::", "::ffff:127.0.0.1", "own.test"} {
				check(t, send(t, s, makeTarget(t, "http://"+net.JoinHostPort(host, portOf(t, r.URL)))), "blocked")
			}
		}
		if r.conns.Load() != 0 {
			t.Error("our own listener was reached")
		}
		// Its neighbour on another port is no concern.
		other := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		s := build(Config{OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{own} }})
		check(t, send(t, s, makeTarget(t, other.URL)), "200")
	})
}

func TestResolverFailures(t *testing.T) {
	for name, test := range map[string]struct {
		answer resolver
		want   string
	}{
		"no such host": {func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "x.test", IsNotFound: true}
		}, "dns_error"},
		"server failure": {func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
		}, "dns_error"},
		"nothing": {func(context.Context, string) ([]netip.Addr, error) { return nil, nil }, "dns_error"},
		"silence": {func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, &net.DNSError{Err: "i/o timeout", IsTimeout: true}
		}, "timeout"},
		"silence of a server": {func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "i/o timeout", IsTimeout: true}
		}, "dns_error"},
		"deadline": {func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				s := build(Config{RequestTimeout: timeoutFor(test.want), Resolver: test.answer})
				check(t, send(t, s, makeTarget(t, "http://x.test/")), test.want)
			})
		})
	}
}

// A fault of this machine's is an error, not a failure of the receiver's.
func TestOwnFaultsAreErrors(t *testing.T) {
	for _, fault := range []error{
		&net.OpError{Op: "dial", Err: syscall.EMFILE},
		&net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files"},
	} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			s := build(Config{Resolver: resolver(func(context.Context, string) ([]netip.Addr, error) { return nil, fault })})
			out, err := s.Send(t.Context(), makeTarget(t, "http://x.test/"), makeDelivery(64))
			if err == nil {
				t.Errorf("%v became %s", fault, verdictOf(out))
			}
		})
	}
}

func TestTooManyConnectionsIsAnOwnFault(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := serve(t, func(p *peer, _ int64) {
		p.request()
		close(arrived)
		<-release
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		p.linger()
	})
	s, err := New(Config{AllowedNetworks: loopback(), MaxConns: 1, RequestTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := make(chan error)
	go func() {
		_, err := s.Send(t.Context(), makeTarget(t, r.URL), makeDelivery(64))
		first <- err
	}()
	<-arrived
	if _, err := s.Send(t.Context(), makeTarget(t, r.URL), makeDelivery(64)); err == nil {
		t.Error("a second connection was opened")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
	// The idle connection makes room for another host.
	other := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	check(t, send(t, s, makeTarget(t, other.URL)), "200")
}

func TestTargetsOfOtherRulesAreBlocked(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		host := strings.TrimPrefix(r.URL, "http://")
		for _, u := range []*url.URL{
			{Scheme: "ftp", Host: host}, {Scheme: "http"}, {Scheme: "http", Opaque: "x"},
			{Scheme: "http", Host: host, User: url.UserPassword("a", "s3cret")},
			{Scheme: "http", Host: host, RawQuery: "a b"}, {Scheme: "http", Host: host, RawQuery: "a\r\nX: y"},
			{Scheme: "http", Host: host + "\r\nX: y"}, {Scheme: "http", Host: host + "0000"},
		} {
			target := makeTarget(t, r.URL)
			target.URL = u
			out := send(t, build(Config{}), target)
			check(t, out, "blocked")
			if strings.Contains(out.RequestURL+out.Detail, "s3cret") {
				t.Errorf("a password was recorded: %q", out.RequestURL)
			}
		}
		check(t, send(t, build(Config{HTTPSOnly: true}), makeTarget(t, r.URL)), "blocked")
		check(t, send(t, build(Config{Ports: []dial.PortRange{{From: 443, To: 443}}}), makeTarget(t, r.URL)), "blocked")
		if r.requests.Load() != 0 {
			t.Errorf("%d requests", r.requests.Load())
		}
	})
}
