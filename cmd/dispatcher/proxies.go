package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks of those who stand in front of the API and the dashboard, and are believed.
type proxies []netip.Prefix

// inFront returns the trusted proxies.
func (s *settings) inFront() (proxies, error) {
	var out proxies
	var errs []error
	for _, text := range s.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--trusted-proxies: %q is not a CIDR such as 10.0.0.0/8", text))
			continue
		}
		out = append(out, p.Masked())
	}
	return out, errors.Join(errs...)
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
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !p.has(peer.Addr().Unmap().WithZone("")) {
			next.ServeHTTP(w, r)
			return
		}
		told := *r
		told.RemoteAddr = p.client(peer.Addr(), r.Header.Values("X-Forwarded-For")).String()
		if scheme := r.Header.Values("X-Forwarded-Proto"); len(scheme) > 0 && lastWord(scheme[len(scheme)-1]) == "https" {
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

// lastWord is the last of some words between commas, in lower case.
func lastWord(list string) string {
	return strings.ToLower(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
}
