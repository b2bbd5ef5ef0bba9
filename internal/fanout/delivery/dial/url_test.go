package dial

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	p := newPolicy(t, PolicyConfig{})
	for raw, complaint := range map[string]string{
		"https://example.com": "", "http://example.com/hook?x=1&y": "", "https://EXAMPLE.com:8443/a%2Fb/ü": "",
		"https://bücher.example/": "", "https://xn--bcher-kva.example/": "", "https://example.com./": "",
		"https://a_b.example.com/": "", "https://8.8.8.8/": "", "https://[2606:4700::1111]:443/": "", "https://1.example": "",
		"https://example.com?a=b": "", "https://" + strings.Repeat("a", 63) + ".example/": "",

		"https://example.com/" + strings.Repeat("a", 8000): "",

		"": "empty", "https://example.com/" + strings.Repeat("a", 8192): "8192",
		"example.com": "https://", "ftp://example.com": "https://", "javascript:alert(1)": "https://", "//example.com": "https://",
		"file:///etc/passwd": "https://", "https:example.com": "host", "https:///path": "host", "https://": "host",
		"https://:443/": "valid host", "https://example.com:/": "port", "https://example.com:0/": "port",
		"https://example.com:65536/": "port", "https://example.com:22/": "port 22 is not allowed", "https://example.com:x/": "valid URL",
		"https://user:pass@example.com/": "user name", "https://user@example.com/": "user name", "https://@example.com/": "user name",
		"https://example.com/#part": "fragment", "https://example.com/#": "fragment", "https://example.com?q=ü": "percent-encoded",
		"https://exa mple.com/": "spaces", " https://example.com": "spaces", "https://example.com/\r\nX: y": "control",
		"https://example.com\\@evil.com/": "backslashes", "https://example.com/\x7f": "control", "https://ex\xffample.com/": "UTF-8",
		"https://example..com/": "host name", "https://.example.com/": "host name", "https://exa*mple.com": "host name",
		"https://" + strings.Repeat("a", 64) + ".example/":            "host name",
		"https://" + strings.Repeat("abcdefgh.", 30) + "example.com/": "253",

		"http://127.0.0.1/": "public", "http://localhost/": "public", "http://LOCALHOST./": "public", "http://a.localhost": "public",
		"http://[::1]/": "public", "http://[::ffff:127.0.0.1]/": "public", "http://[fe80::1%25eth0]/": "public", "http://10.0.0.1": "public",
		"http://169.254.169.254/latest/meta-data": "public", "http://168.63.129.16": "public", "http://[::]/": "public",
		"http://①②⑦.⓪.⓪.①/": "public", "http://127。0。0。1/": "public", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/": "public", "http://ｌｏｃａｌｈｏｓｔ/": "public",
		"http://2130706433/": "plain IP", "http://127.1/": "plain IP", "http://0x7f000001/": "plain IP", "http://0177.0.0.1/": "plain IP",
		"http://0/": "plain IP", "http://017700000001/": "plain IP", "http://1.2.3.4.5/": "plain IP", "http://0x7f.1/": "plain IP",
		"http://example.0x/": "plain IP", "http://127.0.0.1./": "plain IP",
	} {
		err := p.CheckURL(raw)
		switch {
		case complaint == "" && err != nil:
			t.Errorf("%q is refused: %v", raw, err)
		case complaint != "" && err == nil:
			t.Errorf("%q is taken, want a complaint about %q", raw, complaint)
		case complaint != "" && !strings.Contains(err.Error(), complaint):
			t.Errorf("%q: %v, want a complaint about %q", raw, err, complaint)
		}
	}
}

func TestCheckURLFollowsThePolicy(t *testing.T) {
	p := newPolicy(t, PolicyConfig{Allowed: prefixes("127.0.0.0/8"), Ports: AnyPort(), HTTPSOnly: true})
	for raw, want := range map[string]bool{
		"https://127.0.0.1:22/": true, "https://localhost/": true, "http://127.0.0.1/": false, "https://10.0.0.1/": false,
	} {
		if err := p.CheckURL(raw); (err == nil) != want {
			t.Errorf("%s: %v, want taken %v", raw, err, want)
		}
	}
}

// Whatever is taken leads, as a literal, to an allowed address, and survives being written and read again.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/", "http://127.0.0.1", "http://①②⑦.⓪.⓪.①/", "http://[::ffff:127.0.0.1%25lo]/", "https://a:b@c:1/?d#e",
		"http://0x7f.1/", "https://bücher.example:8443/ü?x=%zz", "http://127。0。0。1:80",
	} {
		f.Add(seed)
	}
	p, err := NewPolicy(PolicyConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if p.CheckURL(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("taken, but does not parse: %v", err)
		}
		dest, err := DestOf(u)
		if err != nil || dest.Host == "" || dest.Port == 0 || !isASCII(dest.Host) {
			t.Fatalf("%q leads to %+v, %v", raw, dest, err)
		}
		if ip, err := netip.ParseAddr(dest.Host); err == nil && p.CheckAddr(netip.AddrPortFrom(ip, dest.Port)) != nil {
			t.Fatalf("%q leads to %s", raw, ip)
		}
		if strings.ContainsAny(dest.Host, "\r\n \t/@#?") {
			t.Fatalf("%q has the host %q", raw, dest.Host)
		}
	})
}
