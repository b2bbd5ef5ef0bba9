package dial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxURL is the greatest length of a webhook's URL, in bytes, whatever an operator allows: what receivers take for a
// request's first line.
const MaxURL = 8192

// CheckURL says whether raw may be saved as a webhook's URL; the error is a sentence for whoever entered it. It asks
// no name server: where a name leads is judged when it is used.
func (p *Policy) CheckURL(raw string) error {
	if err := checkText(raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a valid URL")
	}
	if err := p.checkShape(u); err != nil {
		return err
	}
	if strings.Contains(raw, "#") {
		return errors.New("must not have a fragment (#)")
	}
	dest, err := DestOf(u)
	if err != nil {
		return err
	}
	if err := p.checkPort(dest.Port); err != nil {
		return fmt.Errorf("port %d is not allowed", dest.Port)
	}
	return p.checkHost(dest)
}

// checkText refuses what parsers disagree about before any of them is asked.
func checkText(raw string) error {
	if raw == "" {
		return errors.New("must not be empty")
	}
	if len(raw) > MaxURL {
		return fmt.Errorf("must not be longer than %d bytes", MaxURL)
	}
	if !utf8.ValidString(raw) {
		return errors.New("must be valid UTF-8")
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return errors.New("must not contain spaces, control characters or backslashes")
		}
	}
	return nil
}

func (p *Policy) checkShape(u *url.URL) error {
	switch {
	case p.httpsOnly && u.Scheme != "https":
		return errors.New("must begin with https://")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https:// or http://")
	case u.Opaque != "" || u.Host == "":
		return errors.New("must name a host, as in https://example.com/path")
	case u.User != nil:
		return errors.New("must not contain a user name or password: use a custom header")
	case !isASCII(u.RawQuery):
		return errors.New("must have a percent-encoded query")
	}
	return nil
}

// checkHost judges a host as far as it can be judged without asking anyone.
func (p *Policy) checkHost(dest Dest) error {
	if ip, err := netip.ParseAddr(dest.Host); err == nil {
		if ip.Zone() != "" || p.CheckAddr(netip.AddrPortFrom(ip, dest.Port)) != nil {
			return errors.New("must lead to a public address")
		}
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(dest.Host, "."))
	if err := checkName(name); err != nil {
		return err
	}
	if name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		return nil
	}
	loopback := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dest.Port)
	if p.CheckAddr(loopback) != nil {
		return errors.New("must lead to a public address")
	}
	return nil
}

// checkName takes host names as name servers know them. One whose last label is a number is an address to some
// resolvers (127.1, 0x7f000001, 2130706433) and a name to others, so it is neither.
func checkName(name string) error {
	if len(name) > 253 {
		return errors.New("must have a host name of at most 253 characters")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return errors.New("must have a valid host name")
		}
		for i := range len(label) {
			if !isNameByte(label[i]) {
				return errors.New("must have a valid host name")
			}
		}
		last = label
	}
	if isNumber(last) {
		return errors.New("must have a host name or a plain IP address")
	}
	return nil
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// isNumber says whether a resolver might read label as decimal, octal or hexadecimal.
func isNumber(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// Dest is where a connection goes.
type Dest struct {
	// Host is a name in ASCII or an IP address without brackets.
	Host string
	Port uint16
	// TLS asks for a handshake with Host as the server's name.
	TLS bool
}

// DestOf returns where u leads; the error is a sentence for customers.
func DestOf(u *url.URL) (Dest, error) {
	host, err := ASCII(u.Hostname())
	if err != nil || host == "" {
		return Dest{}, errors.New("must have a valid host name")
	}
	d := Dest{Host: host, TLS: u.Scheme == "https"}
	port := u.Port()
	switch {
	case port != "":
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Dest{}, errors.New("must have a port between 1 and 65535")
		}
		d.Port = uint16(n)
	case strings.HasSuffix(u.Host, ":"):
		return Dest{}, errors.New("must have a port after the colon")
	case d.TLS:
		d.Port = 443
	default:
		d.Port = 80
	}
	return d, nil
}

// ASCII returns host as name servers know it. This is where ①②⑦.⓪.⓪.① becomes 127.0.0.1, so whatever judges a host
// must judge what ASCII returned.
func ASCII(host string) (string, error) {
	if isASCII(host) {
		return host, nil
	}
	return idna.Lookup.ToASCII(host)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ParseDest reads "host:port" or "[ipv6]:port".
func ParseDest(address string, useTLS bool) (Dest, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Dest{}, errBlocked()
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" {
		return Dest{}, errBlocked()
	}
	return Dest{Host: host, Port: uint16(n), TLS: useTLS}, nil
}
