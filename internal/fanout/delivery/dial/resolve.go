package dial

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// Resolver finds the addresses of a name; *net.Resolver is one. network is "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// systemResolver asks the machine's name servers.
type systemResolver struct {
	net net.Resolver
	// rooted keeps the search domains of this machine out of customers' names: "redis.default" must not find the
	// cluster's Redis, and one lookup is one question instead of one for each search domain.
	rooted bool
}

// newResolver returns the resolver for a policy. It is Go's own, because the C library's takes 127.1 and 0x7f000001
// for addresses. Where private networks are allowed, their short names are too.
func newResolver(private bool) Resolver {
	return &systemResolver{net: net.Resolver{PreferGo: true}, rooted: !private}
}

// LookupNetIP implements Resolver.
func (r *systemResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if r.rooted && !strings.HasSuffix(host, ".") {
		host += "."
	}
	return r.net.LookupNetIP(ctx, network, host)
}

// maxPerFamily bounds how many addresses of each family one attempt may knock at: an answer with a thousand addresses
// must not turn one attempt into a thousand connections.
const maxPerFamily = 4

// addresses returns the allowed addresses of dest, in the resolver's order. None allowed is a BlockedError.
func (d *Dialer) addresses(ctx context.Context, dest Dest) ([]netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(dest.Host); err == nil {
		if ip.Zone() != "" {
			return nil, errBlocked()
		}
		addr := netip.AddrPortFrom(ip.Unmap(), dest.Port)
		return []netip.AddrPort{addr}, d.policy.CheckAddr(addr)
	}
	ips, err := d.resolver.LookupNetIP(ctx, "ip", dest.Host)
	if ctx.Err() != nil {
		return nil, &ResolveError{Err: ctx.Err()} // the resolver's own words for it vary
	}
	if err != nil {
		return nil, &ResolveError{Err: err}
	}
	return d.filter(ips, dest)
}

func (d *Dialer) filter(ips []netip.Addr, dest Dest) ([]netip.AddrPort, error) {
	if len(ips) == 0 {
		return nil, &ResolveError{Err: &net.DNSError{Err: "no such host", Name: dest.Host, IsNotFound: true}}
	}
	allowed := make([]netip.AddrPort, 0, min(len(ips), 2*maxPerFamily))
	var refused error
	var v4, v6 int
	for _, ip := range ips {
		addr := netip.AddrPortFrom(ip.WithZone("").Unmap(), dest.Port)
		if err := d.policy.CheckAddr(addr); err != nil {
			refused = err
			continue
		}
		count := &v6
		if addr.Addr().Is4() {
			count = &v4
		}
		if *count++; *count <= maxPerFamily {
			allowed = append(allowed, addr)
		}
	}
	if len(allowed) == 0 {
		return nil, refused
	}
	return allowed, nil
}
