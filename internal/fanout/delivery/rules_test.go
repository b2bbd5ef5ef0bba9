package delivery

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

func TestCheckHeader(t *testing.T) {
	rules, err := NewRules(Config{SignatureHeader: "X-Acme-Sig"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what, name, value string
		want              string // part of the complaint; empty: taken
	}{
		{"a usual one", "Authorization", "Bearer x", ""},
		{"no value", "x-tenant", "", ""},
		{"a cookie", "Cookie", "a=b", ""},
		{"empty name", "", "1", "header name"},
		{"space in name", "X A", "1", "header name"},
		{"colon in name", "X:A", "1", "header name"},
		{"line in name", "X\r\nY", "1", "header name"},
		{"umlaut in name", "Ä", "1", "header name"},
		{"line in value", "X", "1\r\nY: 2", "control"},
		{"NUL in value", "X", "\x00", "control"},
		{"DEL in value", "X", "\x7f", "control"},
		{"umlaut in value", "X", "ü", "control"},
	} {
		err := rules.CheckHeader(test.name, test.value)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.what, err, test.want)
		}
	}
	for _, name := range []string{
		"Host", "content-type", "Content-Length", "Content-Encoding", "CONTENT-ANYTHING", "User-Agent", "Connection", "keep-alive",
		"TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Proxy-Authorization", "Proxy-Connection", "Expect",
		"Cookie2", "Idempotency-Key", "x-idempotency-key", "webhook-id", "Webhook-Signature", "webhook-anything",
		"X-Voxagent-Signature", "x-voxagent-new-one", "X-ACME-SIG",
	} {
		if err := rules.CheckHeader(name, "s3cret"); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want it refused without its value", name, err)
		}
	}
}

func TestConfigComplaints(t *testing.T) {
	if _, err := New(Config{}); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	bad := Config{
		RequestTimeout: -time.Second, IdleTimeout: -1, MaxConns: -1, MaxIdle: -1, Engine: 7,
		AllowedNetworks: []netip.Prefix{{}}, Ports: []dial.PortRange{{From: 2, To: 1}}, ExtraCAs: []byte("no PEM"),
		ForwardProxy: &url.URL{Scheme: "socks5", Host: "h"}, SignatureHeader: "Content-Type", UserAgent: "a\r\nb",
	}
	_, err := New(bad)
	if err == nil {
		t.Fatal("a bad configuration is taken")
	}
	for _, want := range []string{
		"request timeout", "idle timeout", "max connections", "max idle", "engine", "allowed networks", "ports", "extra CAs",
		"forward proxy", "signature header", "user agent",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no complaint about %q in: %v", want, err)
		}
	}
	for _, name := range []string{"", "X-Voxagent-Signature", "X-Acme-Signature", "Signature"} {
		if err := (Config{SignatureHeader: name}).Validate(); err != nil {
			t.Errorf("signature header %q: %v", name, err)
		}
	}
}

func TestRecordedURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://u:p@example.com:8443/a%2Fb?x=1&y=2#f": "https://example.com:8443/a%2Fb?x=***&y=***",
		"https://example.com":                          "https://example.com",
		"https://example.com/?":                        "https://example.com/",
		"https://example.com/?s3cret":                  "https://example.com/?***",
		"https://example.com/?a==b&&c":                 "https://example.com/?a=***&***&***",
		"http://[::1]:80/ü":                            "http://[::1]:80/%C3%BC",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := recordedURL(u); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}
