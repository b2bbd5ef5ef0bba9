package delivery

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

func TestValidateHeaders(t *testing.T) {
	rules, err := NewRules(Config{SignatureHeader: "X-Acme-Sig"})
	if err != nil {
		t.Fatal(err)
	}
	many, twenty := map[string]string{}, map[string]string{}
	for i := range 21 {
		many["X-"+strings.Repeat("a", i)] = "1"
		if i < 20 {
			twenty["X-"+strings.Repeat("a", i)] = "1"
		}
	}
	for _, test := range []struct {
		name    string
		headers map[string]string
		want    string // part of the complaint; empty: taken
	}{
		{"none", nil, ""},
		{"usual", map[string]string{"Authorization": "Bearer x", "X-Api-Key": "k", "x-tenant": "", "Cookie": "a=b"}, ""},
		{"twenty", twenty, ""},
		{"too many", many, "more than 20"},
		{"just fits", map[string]string{"X": strings.Repeat("v", 4095)}, ""},
		{"too long", map[string]string{"X": strings.Repeat("v", 4096)}, "4096 bytes"},
		{"twice", map[string]string{"X-A": "1", "x-a": "2"}, "twice"},
		{"empty name", map[string]string{"": "1"}, "header name"},
		{"space in name", map[string]string{"X A": "1"}, "header name"},
		{"colon in name", map[string]string{"X:A": "1"}, "header name"},
		{"line in name", map[string]string{"X\r\nY": "1"}, "header name"},
		{"umlaut in name", map[string]string{"Ä": "1"}, "header name"},
		{"line in value", map[string]string{"X": "1\r\nY: 2"}, "control"},
		{"NUL in value", map[string]string{"X": "\x00"}, "control"},
		{"DEL in value", map[string]string{"X": "\x7f"}, "control"},
		{"umlaut in value", map[string]string{"X": "ü"}, "control"},
	} {
		err := rules.ValidateHeaders(test.headers)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	for _, name := range []string{
		"Host", "content-type", "Content-Length", "Content-Encoding", "CONTENT-ANYTHING", "User-Agent", "Connection", "keep-alive",
		"TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Proxy-Authorization", "Proxy-Connection", "Expect",
		"Cookie2", "Idempotency-Key", "x-idempotency-key", "webhook-id", "Webhook-Signature", "webhook-anything",
		"X-Voxagent-Signature", "x-voxagent-new-one", "X-ACME-SIG",
	} {
		if err := rules.ValidateHeaders(map[string]string{name: "s3cret"}); err == nil || strings.Contains(err.Error(), "s3cret") {
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
