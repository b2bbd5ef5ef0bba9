package delivery

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// rebinding: what a name means is judged each time, and what was judged is what is connected to.
func (g *guardTest) rebinding(t *testing.T) {
	public, private := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1")
	turns := func(first, then netip.Addr) record {
		return record{addrs: func(asked int) []netip.Addr {
			if asked == 0 {
				return []netip.Addr{first}
			}
			return []netip.Addr{then}
		}}
	}
	each(t, g.senders, func(t *testing.T, s *Sender, viaProxy bool) {
		g.unique++
		// Public when it is saved and first used, private ever after: also between resolving and connecting, for which a
		// second question would be needed.
		name := fmt.Sprintf("rebound%d.test", g.unique)
		g.names.add(name, turns(public, private))
		if err := s.Rules().CheckURL(on(name, 8080)); err != nil {
			t.Error(err)
		}
		if n := g.names.timesAsked(name); n != 0 {
			t.Errorf("asked %d times when it was saved", n)
		}
		g.reaches(t, s, on(name, 8080), viaProxy, at("8.8.8.8", 8080))
		if n := g.names.timesAsked(name); n != 1 {
			t.Errorf("asked %d times for one attempt", n)
		}
		for range 3 {
			g.stays(t, s, on(name, 8080), "blocked")
		}
		// Private first: names heal.
		name = fmt.Sprintf("healed%d.test", g.unique)
		g.names.add(name, turns(private, public))
		g.stays(t, s, on(name, 8080), "blocked")
		g.reaches(t, s, on(name, 8080), viaProxy, at("8.8.8.8", 8080))
	})
}

// mixed: of several addresses only allowed ones are connected to, and of many only some.
func (g *guardTest) mixed(t *testing.T) {
	var private, public, crowd []netip.Addr
	for i := range 300 {
		private = append(private, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		public = append(public, netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)}))
	}
	v4, v6 := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2606:4700::1111")
	for _, text := range wrapped {
		crowd = append(crowd, netip.MustParseAddr(text))
	}
	crowd = append(crowd, netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("fd00:ec2::254"))
	for name, addrs := range map[string][]netip.Addr{
		"mixed4.test": append(slices.Clone(crowd), v4), "first4.test": append([]netip.Addr{v4}, crowd...),
		"mixed6.test": append(slices.Clone(crowd), v6), "needle.test": append(slices.Clone(private), v4),
		"manyprivate.test": private, "manypublic.test": public, "nothing.test": nil,
	} {
		g.names.add(name, resolvesTo(addrs...))
	}
	g.names.add("alias.test", record{cname: "redis.internal.test"})
	g.names.add("redis.internal.test", record{cname: "deep.internal.test"})
	g.names.add("deep.internal.test", resolvesTo(netip.MustParseAddr("10.0.0.7")))
	g.names.add("loop.test", record{cname: "alias-of-nobody.test"})
	each(t, g.senders, func(t *testing.T, s *Sender, viaProxy bool) {
		g.reaches(t, s, on("mixed4.test", 8080), viaProxy, at("8.8.8.8", 8080))
		g.reaches(t, s, on("first4.test", 8080), viaProxy, at("8.8.8.8", 8080))
		g.reaches(t, s, on("mixed6.test", 8080), viaProxy, at("2606:4700::1111", 8080))
		g.reaches(t, s, on("needle.test", 8080), viaProxy, at("8.8.8.8", 8080))
		g.stays(t, s, on("manyprivate.test", 8080), "blocked")
		g.stays(t, s, on("alias.test", 8080), "blocked")
		g.stays(t, s, on("nothing.test", 8080), "dns_error")
		g.stays(t, s, on("loop.test", 8080), "dns_error")
		// 300 addresses where nobody listens cost four connections, not 300.
		verdict, connects := g.attempt(t, s, on("manypublic.test", 7777))
		wantVerdict, wantConnects := "connection_refused", 4
		if viaProxy {
			wantVerdict, wantConnects = "unreachable", 8
		}
		if verdict != wantVerdict || connects != wantConnects {
			t.Errorf("many addresses: outcome %s with %d connections, want %s with %d", verdict, connects, wantVerdict, wantConnects)
		}
	})
}

// searchDomains: what only the machine's search domain completes is no name of a customer's.
func (g *guardTest) searchDomains(t *testing.T) {
	g.names.add("redis.cluster.test", resolvesTo(netip.MustParseAddr("8.8.8.8"))) // public, so that only the name keeps it away
	for _, kind := range []string{"http1", "net/http", "proxy"} {
		g.stays(t, g.senders[kind], on("redis", 8080), "dns_error")
	}
	if n := g.names.timesAsked("redis.cluster.test"); n != 0 {
		t.Errorf("the search domain was asked %d times", n)
	}
}
