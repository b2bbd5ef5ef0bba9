package main

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks of those who stand in front of the API and the dashboard, and are believed.
type proxies []netip.Prefix

// inFront returns the trusted proxies.
func (s *settings) inFront() (proxies, error) {
	return parseNetworks("--trusted-proxies", s.TrustedProxies)
}

func (p proxies) has(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// handler gives next each request as the client made it: from the client's address, and with the scheme https when it came
// over TLS. Anybody can send such headers, so only those of a trusted proxy count, and of several addresses the last one that
// is no proxy's.
func (p proxies) handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := hopAddr(r.RemoteAddr)
		if !ok || !p.has(peer) {
			next.ServeHTTP(w, r)
			return
		}
		told := *r
		told.RemoteAddr = p.client(peer, r.Header.Values("X-Forwarded-For")).String()
		if lastWord(r.Header.Values("X-Forwarded-Proto")) == "https" {
			u := *r.URL
			u.Scheme = "https"
			told.URL = &u
		}
		next.ServeHTTP(w, &told)
	})
}

// client goes from proxy to proxy towards the client, as far as the addresses are what they should be.
func (p proxies) client(peer netip.Addr, forwarded []string) netip.Addr {
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := hopAddr(strings.TrimSpace(hop))
		if !ok {
			return peer
		}
		if peer = addr; !p.has(peer) {
			return peer
		}
	}
	return peer
}

// hopAddr reads an address; some proxies write the port with it.
func hopAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		withPort, errPort := netip.ParseAddrPort(text)
		addr, err = withPort.Addr(), errPort
	}
	return addr.Unmap().WithZone(""), err == nil
}

// lastWord is the last word of a header, whose words stand between commas, in lower case.
func lastWord(lines []string) string {
	list := strings.Join(lines, ",")
	return strings.ToLower(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
}
