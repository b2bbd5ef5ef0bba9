package dial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// PortRange is a range of TCP ports, both ends included.
type PortRange struct{ From, To uint16 }

// DefaultPorts are 80, 443 and everything from 1024 on: the web, and what an unprivileged server may listen on. The
// services that an attacker would like to speak to through us (SSH, SMTP, DNS, …) are among the others.
func DefaultPorts() []PortRange { return []PortRange{{80, 80}, {443, 443}, {1024, 65535}} }

// ParsePorts reads a port, such as 443, or a range of ports, such as 8000-8100.
func ParsePorts(text string) (PortRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, toErr := strconv.ParseUint(last, 10, 16)
	if err != nil || toErr != nil || from == 0 || from > to {
		return PortRange{}, fmt.Errorf("%q is neither a port nor a range of ports such as 8000-8100", text)
	}
	return PortRange{uint16(from), uint16(to)}, nil
}

// AnyPort allows every port.
func AnyPort() []PortRange { return []PortRange{{1, 65535}} }

// PolicyConfig says which destinations are allowed. The zero value is the strictest: the public internet only.
type PolicyConfig struct {
	// Allowed are networks that may be reached although they are private or special. They don't lift Ports, and not
	// the protection of OwnListeners.
	Allowed []netip.Prefix
	// Ports that may be reached; empty means DefaultPorts.
	Ports []PortRange
	// HTTPSOnly refuses http URLs.
	HTTPSOnly bool
	// OwnListeners returns the addresses that this program itself listens on; they are never a destination. It is
	// asked for every connection and must be quick. Nil: none.
	OwnListeners func() []netip.AddrPort
}

// Validate returns all that is wrong with c.
func (c PolicyConfig) Validate() error {
	var errs []error
	for _, p := range c.Allowed {
		if !p.IsValid() {
			errs = append(errs, errors.New("allowed networks: an entry is not a network"))
		}
	}
	for _, r := range c.Ports {
		if r.From == 0 || r.From > r.To {
			errs = append(errs, fmt.Errorf("ports: %d-%d is not a range of ports", r.From, r.To))
		}
	}
	return errors.Join(errs...)
}

// azureWire is Azure's WireServer: a public address that answers with secrets of the machine that asks.
var azureWire = netip.MustParsePrefix("168.63.129.16/32")

// Policy judges addresses and URLs. It is immutable and safe for concurrent use.
type Policy struct {
	guardian  *ssrf.Guardian
	ports     []PortRange
	httpsOnly bool
	private   bool // some networks are allowed that are not public
	own       func() []netip.AddrPort
	locals    func() ([]net.Addr, error)
}

// NewPolicy returns the policy that c describes.
func NewPolicy(c PolicyConfig) (*Policy, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &Policy{
		ports: c.Ports, httpsOnly: c.HTTPSOnly, private: len(c.Allowed) > 0,
		own: c.OwnListeners, locals: net.InterfaceAddrs,
	}
	if len(p.ports) == 0 {
		p.ports = DefaultPorts()
	}
	var v4, v6 []netip.Prefix
	for _, prefix := range c.Allowed {
		if prefix = unmapPrefix(prefix); prefix.Addr().Is4() {
			v4 = append(v4, prefix)
			continue
		}
		v6 = append(v6, prefix)
	}
	p.guardian = ssrf.New(ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...),
		ssrf.WithDeniedV4Prefixes(azureWire))
	return p, nil
}

// unmapPrefix writes a network of IPv4-mapped IPv6 addresses as the IPv4 network that it is.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return netip.PrefixFrom(p.Addr().WithZone(""), p.Bits())
}

// HTTPSOnly says whether http URLs are refused.
func (p *Policy) HTTPSOnly() bool { return p.httpsOnly }

// CheckAddr returns a BlockedError unless a connection to addr may be opened.
func (p *Policy) CheckAddr(addr netip.AddrPort) error {
	if err := p.checkPort(addr.Port()); err != nil {
		return err
	}
	ip := addr.Addr()
	if !ip.IsValid() {
		return errBlocked()
	}
	// Without the zone, because no prefix contains an address that has one; unmapped, because ::ffff:10.0.0.1 is
	// 10.0.0.1.
	ip = ip.WithZone("").Unmap()
	if p.guardian.SafeAddr(ip) != nil || p.isOwn(netip.AddrPortFrom(ip, addr.Port())) {
		return errBlocked()
	}
	// An allowed translation prefix leads to IPv4: the address inside it must be allowed too.
	if ip.Is6() && ssrf.IPv6NAT64Prefix.Contains(ip) {
		b := ip.As16()
		return p.CheckAddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), addr.Port()))
	}
	return nil
}

func (p *Policy) checkPort(port uint16) error {
	for _, r := range p.ports {
		if port >= r.From && port <= r.To {
			return nil
		}
	}
	return errPort()
}

// isOwn says whether addr reaches one of this program's listeners.
func (p *Policy) isOwn(addr netip.AddrPort) bool {
	if p.own == nil {
		return false
	}
	for _, l := range p.own() {
		if l.Port() != addr.Port() {
			continue
		}
		ip := l.Addr().WithZone("").Unmap()
		if ip == addr.Addr() || addr.Addr().IsUnspecified() {
			return true
		}
		if ip.IsUnspecified() && p.isLocal(addr.Addr()) {
			return true
		}
	}
	return false
}

// isLocal says whether ip is an address of this machine. If the machine can't tell, every address is.
func (p *Policy) isLocal(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	addrs, err := p.locals()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if local, ok := netip.AddrFromSlice(n.IP); ok && local.Unmap() == ip {
			return true
		}
	}
	return false
}

// control is the last check, made by the net package on the very address that it is about to connect to.
func (p *Policy) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return errBlocked()
	}
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return errBlocked()
	}
	return p.CheckAddr(addr)
}
