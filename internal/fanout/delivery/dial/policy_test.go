package dial

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func newPolicy(t testing.TB, c PolicyConfig) *Policy {
	t.Helper()
	p, err := NewPolicy(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestOnlyPublicAddressesAreAllowed(t *testing.T) {
	p := newPolicy(t, PolicyConfig{})
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "2a00:1450:4001:800::200e": true, "::ffff:8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false, "127.0.0.1": false, "127.255.255.254": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.192": false, "192.0.2.1": false,
		"192.88.99.1": false, "192.168.0.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, "168.63.129.16": false,

		"::": false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"::ffff:168.63.129.16": false, "::ffff:0:127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::808:808": false,
		"64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:db8::1": false, "2002:7f00:1::1": false, "3fff::1": false,
		"5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fec0::1": false, "ff02::1": false,
		"fe80::1%eth0": false, "fd00:ec2::254%lo": false, "::1%lo": false,
	} {
		err := p.CheckAddr(netip.AddrPortFrom(netip.MustParseAddr(addr), 443))
		if (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", addr, err, want)
		}
		if _, blocked := errors.AsType[*BlockedError](err); err != nil && !blocked {
			t.Errorf("%s: error is a %T", addr, err)
		}
	}
	if p.CheckAddr(netip.AddrPort{}) == nil {
		t.Error("the invalid address is allowed")
	}
}

func TestAllowedNetworks(t *testing.T) {
	p := newPolicy(t, PolicyConfig{Allowed: prefixes("10.1.0.0/16", "fd00:1::/32", "::ffff:172.16.0.0/108", "64:ff9b::/96")})
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "::ffff:10.1.2.3": true, "fd00:1::9": true, "fd00:1::9%eth0": true, "fd00:2::9": false,
		"172.16.5.5": true, "172.32.0.1": true, "127.0.0.1": false, "169.254.169.254": false,
		"64:ff9b::808:808": true, "64:ff9b::7f00:1": false, "64:ff9b::a01:203": true, // what a translator leads to is judged too
	} {
		if err := p.CheckAddr(netip.AddrPortFrom(netip.MustParseAddr(addr), 80)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", addr, err, want)
		}
	}
}

func TestPorts(t *testing.T) {
	ip := netip.MustParseAddr("8.8.8.8")
	for _, test := range []struct {
		ports []PortRange
		port  uint16
		want  bool
	}{
		{nil, 80, true}, {nil, 443, true}, {nil, 1024, true}, {nil, 65535, true}, {nil, 22, false}, {nil, 25, false},
		{nil, 0, false}, {nil, 1023, false}, {AnyPort(), 22, true}, {AnyPort(), 0, false},
		{[]PortRange{{8000, 8100}}, 8050, true}, {[]PortRange{{8000, 8100}}, 443, false},
	} {
		p := newPolicy(t, PolicyConfig{Ports: test.ports})
		if err := p.CheckAddr(netip.AddrPortFrom(ip, test.port)); (err == nil) != test.want {
			t.Errorf("%v, port %d: %v, want allowed %v", test.ports, test.port, err, test.want)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string]PortRange{
		"443": {443, 443}, "1-65535": {1, 65535}, "8000-8100": {8000, 8100}, "7-7": {7, 7},
		"": {}, "0": {}, "65536": {}, "-1": {}, "1-": {}, "-": {}, "9-8": {}, "0-5": {}, "http": {}, "1-2-3": {}, "1 - 2": {}, "+80": {},
	} {
		got, err := ParsePorts(text)
		if got != want || (err == nil) != (want != PortRange{}) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}

// The check of the dialer itself fails closed on whatever it does not understand.
func TestControlFailsClosed(t *testing.T) {
	p := newPolicy(t, PolicyConfig{})
	for _, test := range []struct {
		network, address string
		want             bool
	}{
		{"tcp4", "8.8.8.8:443", true}, {"tcp6", "[2606:4700::1111]:443", true},
		{"tcp4", "127.0.0.1:443", false}, {"tcp6", "[::1]:443", false}, {"tcp6", "[fe80::1%lo]:443", false},
		{"tcp4", ":80", false}, {"tcp4", "", false}, {"tcp4", "localhost:80", false}, {"tcp6", "127.0.0.1%lo:80", false},
		{"tcp", "8.8.8.8:443", false}, {"udp4", "8.8.8.8:443", false}, {"unix", "/run/docker.sock", false},
	} {
		if err := p.control(test.network, test.address, nil); (err == nil) != test.want {
			t.Errorf("%s %q: %v, want allowed %v", test.network, test.address, err, test.want)
		}
	}
}

func TestOwnListeners(t *testing.T) {
	own := []netip.AddrPort{
		netip.MustParseAddrPort("0.0.0.0:8080"), netip.MustParseAddrPort("[::]:9090"), netip.MustParseAddrPort("10.0.0.5:7070"),
	}
	p := newPolicy(t, PolicyConfig{
		Allowed: prefixes("0.0.0.0/0", "::/0"), OwnListeners: func() []netip.AddrPort { return own },
	})
	p.locals = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(10, 0, 0, 5), Mask: net.CIDRMask(8, 32)}}, nil
	}
	for addr, want := range map[string]bool{
		"127.0.0.1:8080": false, "127.9.9.9:8080": false, "10.0.0.5:8080": false, "0.0.0.0:8080": false, "[::]:8080": false,
		"[::ffff:10.0.0.5]:8080": false, "[::1]:9090": false, "127.0.0.1:9090": false, "10.0.0.5:9090": false,
		"10.0.0.5:7070": false, "0.0.0.0:7070": false,
		"10.0.0.6:8080": true, "10.0.0.5:8081": true, "127.0.0.1:7070": true, "8.8.8.8:8080": true,
	} {
		if err := p.CheckAddr(netip.MustParseAddrPort(addr)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", addr, err, want)
		}
	}
	// A translator leads back to us.
	for addr, want := range map[string]bool{
		"[64:ff9b::7f00:1]:8080": false, "[64:ff9b::a00:5]:7070": false, "[64:ff9b::a00:6]:7070": true,
	} {
		if err := p.CheckAddr(netip.MustParseAddrPort(addr)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", addr, err, want)
		}
	}
	p.locals = func() ([]net.Addr, error) { return nil, errors.New("netlink is broken") }
	if p.CheckAddr(netip.MustParseAddrPort("8.8.8.8:8080")) == nil {
		t.Error("without knowing our addresses, any may be ours")
	}
}

func TestPolicyConfigComplaints(t *testing.T) {
	c := PolicyConfig{Allowed: []netip.Prefix{{}}, Ports: []PortRange{{0, 5}, {9, 8}}}
	_, err := NewPolicy(c)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("complaints: %v", err)
	}
}
