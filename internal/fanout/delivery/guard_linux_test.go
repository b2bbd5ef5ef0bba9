package delivery

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestNothingForbiddenIsConnectedTo runs where every address, forbidden or not, is this machine's own and has
// listeners: who gets past the guard is seen. Once with Go's resolver, and once with the C library's, which takes 127.1
// and 0x7f000001 for addresses.
func TestNothingForbiddenIsConnectedTo(t *testing.T) {
	if os.Getenv(insideNamespace) == "" {
		for _, resolver := range []string{"go", "cgo"} {
			t.Run(resolver, func(t *testing.T) {
				// No proxy of the environment is taken either: nobody could say what it connects to.
				enterNamespace(t, "TestNothingForbiddenIsConnectedTo", "GODEBUG=netdns="+resolver,
					"HTTP_PROXY=http://127.0.0.3:8080", "HTTPS_PROXY=http://127.0.0.3:8080", "NO_PROXY=")
			})
		}
		return
	}
	g := newGuardTest(t)
	t.Run("the namespace sees everything", g.premises)
	t.Run("URLs are refused early", g.refusedEarly)
	t.Run("forbidden destinations", g.forbidden)
	t.Run("public destinations", g.public)
	t.Run("redirects", g.redirects)
	t.Run("names that change", g.rebinding)
	t.Run("names with many meanings", g.mixed)
	t.Run("short names", g.searchDomains)
	t.Run("allowed networks", g.allowedNetworks)
	t.Run("own listeners", g.ownListeners)
	t.Run("TLS", g.overTLS)
}

// guardTest is a network namespace, and senders in it that may reach the public internet only.
type guardTest struct {
	*namespace
	proxy   *url.URL
	senders map[string]*Sender
	unique  int // makes names that nobody asked for yet

	askedMu sync.Mutex
	asked   []string // what the proxy was asked for
}

func newGuardTest(t *testing.T) *guardTest {
	g := &guardTest{namespace: newNamespace(t)}
	l, err := net.Listen("tcp", "127.0.0.3:3128")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, "http", func(p *peer, _ int64) {
		if req, err := http.ReadRequest(p.r); err == nil {
			g.askedMu.Lock()
			g.asked = append(g.asked, req.Host)
			g.askedMu.Unlock()
			relay(p, req.Host)
		}
	})
	g.proxy = &url.URL{Scheme: "http", Host: l.Addr().String()}
	g.senders = g.build(t, Config{})
	return g
}

// build returns senders of all kinds with the configuration c.
func (g *guardTest) build(t *testing.T, c Config) map[string]*Sender {
	t.Helper()
	senders := map[string]*Sender{}
	for kind, change := range map[string]func(*Config){
		"http1":    func(*Config) {},
		"net/http": func(c *Config) { c.Engine = EngineNetHTTP },
		// The dispatcher's own resolver is Go's in every build; the guard must hold with any.
		"other resolver": func(c *Config) { c.Resolver = net.DefaultResolver },
		"proxy":          func(c *Config) { c.ForwardProxy = g.proxy },
	} {
		c := c
		c.RequestTimeout = patient
		change(&c)
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		senders[kind] = s
	}
	return senders
}

// each runs test for every kind of sender.
func each(t *testing.T, senders map[string]*Sender, test func(t *testing.T, s *Sender, viaProxy bool)) {
	for _, kind := range slices.Sorted(maps.Keys(senders)) {
		t.Run(kind, func(t *testing.T) { test(t, senders[kind], kind == "proxy") })
	}
}

// attempt makes one attempt and says what came of it, and how many connections were begun.
func (g *guardTest) attempt(t *testing.T, s *Sender, rawURL string) (verdict string, connects int) {
	t.Helper()
	before := g.connects(t)
	out, err := s.Send(t.Context(), makeTarget(t, rawURL), makeDelivery(64))
	if err != nil {
		t.Errorf("%s is blamed on this machine: %v", rawURL, err)
	}
	return verdictOf(out), g.connects(t) - before
}

// stays fails the test if an attempt for rawURL connects to anything, or ends with none of the verdicts.
func (g *guardTest) stays(t *testing.T, s *Sender, rawURL string, verdicts ...string) {
	t.Helper()
	verdict, connects := g.attempt(t, s, rawURL)
	if connects != 0 {
		t.Errorf("%s: %d connections were begun; seen: %v", rawURL, connects, g.seen())
	}
	if !slices.Contains(verdicts, verdict) {
		t.Errorf("%s: outcome %q, want %q", rawURL, verdict, verdicts)
	}
}

// reaches fails the test unless an attempt for rawURL ends with status 200 at want and nowhere else.
func (g *guardTest) reaches(t *testing.T, s *Sender, rawURL string, viaProxy bool, want netip.AddrPort) {
	t.Helper()
	g.seen()
	g.takeAsked()
	verdict, connects := g.attempt(t, s, rawURL)
	seen := g.seen()
	if verdict != "200" || len(seen) != 1 || seen[0] != want {
		t.Errorf("%s: outcome %s at %v, want 200 at %s", rawURL, verdict, seen, want)
	}
	wantConnects := 1
	if viaProxy {
		wantConnects++
		if asked := g.takeAsked(); len(asked) != 1 || asked[0] != want.String() {
			t.Errorf("%s: the proxy was asked for %v, want %s", rawURL, asked, want)
		}
	}
	if connects != wantConnects {
		t.Errorf("%s: %d connections were begun, want %d", rawURL, connects, wantConnects)
	}
}

// on returns the URL of an address, or of a name.
func on(host any, port int) string {
	return fmt.Sprintf("http://%s/", net.JoinHostPort(fmt.Sprint(host), fmt.Sprint(port)))
}

func at(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

// premises: without the guard, each forbidden address would be reached, and seen.
func (g *guardTest) premises(t *testing.T) {
	for _, a := range forbiddenAddresses() {
		// TCP has no connections to multicast and broadcast; ::ffff:0.0.0.0 is this machine.
		if plain := a.Unmap(); plain.IsMulticast() || plain == netip.MustParseAddr("255.255.255.255") || plain == netip.MustParseAddr("127.255.255.255") {
			continue
		}
		g.reachable(t, netip.AddrPortFrom(a, 8080))
	}
	for _, port := range openPorts {
		g.reachable(t, at("8.8.8.8", uint16(port)))
	}
	// In the run with the C library, that is who resolves.
	_, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip", "127.1")
	if useC := strings.Contains(os.Getenv("GODEBUG"), "netdns=cgo"); useC != (err == nil) {
		t.Fatalf("127.1 is looked up with %v; this test takes a build with cgo", err)
	}
}

// refusedEarly: what is wrong by its text is said when it is saved, in a sentence, and without asking anybody.
func (g *guardTest) refusedEarly(t *testing.T) {
	asks, packets, connects := g.names.asks.Load(), kernelCount(t, "Udp", "OutDatagrams"), g.connects(t)
	rules := g.senders["http1"].Rules()
	count := 0
	refused := func(rawURL, want string) {
		count++
		if err := rules.CheckURL(rawURL); err == nil || err.Error() != want {
			t.Errorf("%q is saved or refused otherwise: %v, want %q", rawURL, err, want)
		}
	}
	for want, urls := range disguised {
		for _, rawURL := range urls {
			refused(rawURL, want)
		}
	}
	for _, a := range forbiddenAddresses() {
		refused(on(a, 8080), notPublic)
		refused(on(a, 80), notPublic)
	}
	for _, port := range forbiddenPorts {
		refused(on("8.8.8.8", port), fmt.Sprintf("port %d is not allowed", port))
		refused(on("receiver.test", port), fmt.Sprintf("port %d is not allowed", port))
	}
	for _, a := range append([]string{"::ffff:8.8.8.8"}, publicAddresses...) {
		if err := rules.CheckURL(on(a, 8080)); err != nil {
			t.Errorf("%s is refused: %v", a, err)
		}
	}
	for _, name := range []string{"receiver.test", "forbidden.test", "redis", "redis.default.svc.cluster.local", "metadata.google.internal"} {
		if err := rules.CheckURL("https://" + name + "/hook"); err != nil {
			t.Errorf("%s is refused by its text: %v", name, err)
		}
	}
	if g.names.asks.Load() != asks || kernelCount(t, "Udp", "OutDatagrams") != packets || g.connects(t) != connects {
		t.Error("somebody was asked")
	}
	t.Logf("note: %d URLs refused when they are saved", count)
}

// forbidden: none of them connects, as a literal, in disguise or behind a name.
func (g *guardTest) forbidden(t *testing.T) {
	named := map[string]bool{}
	for i, a := range forbiddenAddresses() {
		name := fmt.Sprintf("f%d.forbidden.test", i)
		g.names.add(name, resolvesTo(a))
		g.names.add("alias-"+name, record{cname: "deep-" + name})
		g.names.add("deep-"+name, record{cname: name})
		named[name], named["alias-"+name] = true, true
	}
	// To a name server that lies, a number may be a name.
	for _, name := range []string{"0x7f000001", "0x7f.1", "example.0x7f"} {
		g.names.add(name, resolvesTo(netip.MustParseAddr("127.0.0.1")))
	}
	each(t, g.senders, func(t *testing.T, s *Sender, _ bool) {
		count := 0
		for _, a := range forbiddenAddresses() {
			count += 2
			g.stays(t, s, on(a, 8080), "blocked")
			g.stays(t, s, strings.Replace(on(a, 443), "http:", "https:", 1), "blocked")
		}
		for complaint, urls := range disguised {
			for _, rawURL := range urls {
				if _, err := url.Parse(rawURL); err != nil || complaint == hasFragment {
					continue // no webhook has such a URL; a fragment is not sent
				}
				count++
				g.stays(t, s, rawURL, "blocked", "dns_error")
			}
		}
		for name := range named {
			count++
			g.stays(t, s, on(name, 8080), "blocked")
		}
		for _, port := range forbiddenPorts {
			count++
			g.stays(t, s, on("8.8.8.8", port), "blocked")
		}
		for _, name := range []string{"localhost", "hosts-file.test", "ip6-localhost"} {
			count++
			g.stays(t, s, on(name, 8080), "blocked", "dns_error") // as a rooted name, no file has it
		}
		t.Logf("note: %d destinations, no connection", count)
	})
}

func (g *guardTest) public(t *testing.T) {
	for i, a := range publicAddresses {
		g.names.add(fmt.Sprintf("p%d.public.test", i), resolvesTo(netip.MustParseAddr(a)))
	}
	each(t, g.senders, func(t *testing.T, s *Sender, viaProxy bool) {
		for i, a := range publicAddresses {
			g.reaches(t, s, on(a, 8080), viaProxy, at(a, 8080))
			g.reaches(t, s, on(fmt.Sprintf("p%d.public.test", i), 1024), viaProxy, at(a, 1024))
		}
		g.reaches(t, s, "http://8.8.8.8/", viaProxy, at("8.8.8.8", 80))
		g.reaches(t, s, "http://8.8.8.8:65535/", viaProxy, at("8.8.8.8", 65535))
		g.reaches(t, s, "http://[::ffff:8.8.8.8]/", viaProxy, at("8.8.8.8", 80)) // the same address in other letters
		t.Logf("note: %d public destinations reached", 2*len(publicAddresses)+3)
	})
}

func (g *guardTest) redirects(t *testing.T) {
	places := []string{
		"http://127.0.0.1:8080/", "http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "//192.168.0.1:8080/", "http://[::1]:8080/",
		"http://8.8.4.4:8080/", "/elsewhere", "http://127.1/", "gopher://127.0.0.1:6379/_x", "http://[",
	}
	each(t, g.senders, func(t *testing.T, s *Sender, _ bool) {
		g.seen()
		for _, code := range []int{300, 301, 302, 303, 304, 305, 307, 308, 399} {
			for _, place := range places {
				rawURL := fmt.Sprintf("http://8.8.8.8:8080/%d?to=%s", code, url.QueryEscape(place))
				if verdict, _ := g.attempt(t, s, rawURL); verdict != fmt.Sprint(code) {
					t.Errorf("%d to %s: outcome %s", code, place, verdict)
				}
			}
		}
		if seen := g.seen(); len(seen) != 1 || seen[0] != at("8.8.8.8", 8080) {
			t.Errorf("seen at %v", seen)
		}
	})
}

// takeAsked returns what the proxy was asked for since the last time.
func (g *guardTest) takeAsked() []string {
	g.askedMu.Lock()
	defer g.askedMu.Unlock()
	asked := g.asked
	g.asked = nil
	return asked
}

// allowedNetworks: exactly what they hold is reached besides the public internet.
func (g *guardTest) allowedNetworks(t *testing.T) {
	var networks []netip.Prefix
	for _, text := range []string{"10.1.0.0/16", "127.0.0.2/32", "169.254.7.0/24", "fd00:1::/32", "64:ff9b::/96"} {
		networks = append(networks, netip.MustParsePrefix(text))
	}
	inside := []string{"10.1.0.0", "10.1.128.0", "10.1.255.255", "127.0.0.2", "169.254.7.9", "fd00:1::", "fd00:1:ffff::1", "64:ff9b::808:808", "8.8.8.8"}
	outside := []string{
		"10.0.255.255", "10.2.0.0", "127.0.0.1", "127.0.0.3", "169.254.6.255", "169.254.169.254", "fd00::ffff", "fd00:2::", "::1", "::ffff:10.2.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "168.63.129.16", "0.0.0.0", "::",
	}
	for i, a := range inside {
		g.names.add(fmt.Sprintf("i%d.inside.test", i), resolvesTo(netip.MustParseAddr(a)))
	}
	for i, a := range outside {
		g.names.add(fmt.Sprintf("o%d.outside.test", i), resolvesTo(netip.MustParseAddr(a)))
	}
	each(t, g.build(t, Config{AllowedNetworks: networks}), func(t *testing.T, s *Sender, viaProxy bool) {
		for i, a := range inside {
			if err := s.Rules().CheckURL(on(a, 8080)); err != nil {
				t.Errorf("%s: %v", a, err)
			}
			g.reaches(t, s, on(a, 8080), viaProxy, at(a, 8080))
			g.reaches(t, s, on(fmt.Sprintf("i%d.inside.test", i), 8080), viaProxy, at(a, 8080))
		}
		for i, a := range outside {
			if s.Rules().CheckURL(on(a, 8080)) == nil {
				t.Errorf("%s may be saved", a)
			}
			g.stays(t, s, on(a, 8080), "blocked")
			g.stays(t, s, on(fmt.Sprintf("o%d.outside.test", i), 8080), "blocked")
		}
		g.stays(t, s, on("10.1.0.1", 22), "blocked")
	})
}

// ownListeners are never reached, whatever is allowed: by no address of an interface of this machine.
func (g *guardTest) ownListeners(t *testing.T) {
	everything := Config{
		AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		OwnListeners: func() []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort("[::]:8080"), netip.MustParseAddrPort("10.20.0.5:9090")}
		},
	}
	g.names.add("own.test", resolvesTo(netip.MustParseAddr("10.20.0.5"), netip.MustParseAddr("fd20::5"), netip.MustParseAddr("127.9.9.9")))
	own := []string{
		"127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.20.0.5", "10.20.0.5", "fd20::5", "own.test",
		"10.20.0.6", "198.20.0.9", // on an interface too
		"64:ff9b::a14:5", "64:ff9b::7f00:1", // by translation
	}
	each(t, g.build(t, everything), func(t *testing.T, s *Sender, viaProxy bool) {
		for _, host := range own {
			g.stays(t, s, on(host, 8080), "blocked")
		}
		for _, host := range []string{"10.20.0.5", "0.0.0.0", "::ffff:10.20.0.5"} {
			g.stays(t, s, on(host, 9090), "blocked")
		}
		g.reaches(t, s, on("10.20.0.7", 9090), viaProxy, at("10.20.0.7", 9090))
		g.reaches(t, s, on("127.0.0.1", 6379), viaProxy, at("127.0.0.1", 6379))
	})
}

// overTLS: the name is what the certificate is checked against, the judged address what is connected to.
func (g *guardTest) overTLS(t *testing.T) {
	ca := newAuthority(t)
	l, err := net.Listen("tcp", "8.8.8.8:8443")
	if err != nil {
		t.Fatal(err)
	}
	r := serveTLSOn(t, l, tlsOf(ca), answerAll)
	g.names.add("receiver.test", resolvesTo(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8")))
	g.names.add("other.test", resolvesTo(netip.MustParseAddr("8.8.8.8")))
	each(t, g.build(t, Config{ExtraCAs: ca.PEM}), func(t *testing.T, s *Sender, _ bool) {
		before := r.requests.Load()
		for host, want := range map[string]string{"receiver.test": "200", "other.test": "tls_error", "8.8.8.8": "tls_error"} {
			if verdict, _ := g.attempt(t, s, "https://"+host+":8443/"); verdict != want {
				t.Errorf("%s: %s, want %s", host, verdict, want)
			}
		}
		if n := r.requests.Load() - before; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	each(t, g.senders, func(t *testing.T, s *Sender, _ bool) { // who does not know the CA
		if verdict, _ := g.attempt(t, s, "https://receiver.test:8443/"); verdict != "tls_error" {
			t.Errorf("outcome %s", verdict)
		}
	})
}
