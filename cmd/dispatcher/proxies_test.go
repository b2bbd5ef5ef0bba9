package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestTrustedProxies: who called, and whether over TLS, is taken from a proxy that is trusted, and from nobody else.
func TestTrustedProxies(t *testing.T) {
	trusted, err := (&settings{TrustedProxies: []string{"10.0.0.0/8", "fd00::/8"}}).inFront()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		peer, proto string
		forwarded   []string
		want        string
		https       bool
	}{
		"a stranger's word":          {"203.0.113.9:5", "https", []string{"192.0.2.1"}, "203.0.113.9:5", false},
		"one proxy":                  {"10.1.2.3:5", "https", []string{"192.0.2.1"}, "192.0.2.1", true},
		"what the client put before": {"10.1.2.3:5", "http", []string{"127.0.0.1, 10.9.9.9, 192.0.2.1"}, "192.0.2.1", false},
		"two proxies":                {"10.1.2.3:5", "http, HTTPS", []string{"198.51.100.7, 192.0.2.1", "10.4.4.4"}, "192.0.2.1", true},
		"only proxies":               {"10.1.2.3:5", "", []string{"10.5.5.5,10.4.4.4"}, "10.5.5.5", false},
		"a port":                     {"10.1.2.3:5", "", []string{"192.0.2.1:4711"}, "192.0.2.1", false},
		"IPv6":                       {"[fd00::1]:5", "", []string{"2001:db8::7"}, "2001:db8::7", false},
		"IPv6 with a port":           {"[fd00::1]:5", "", []string{"[2001:db8::7]:9"}, "2001:db8::7", false},
		"mapped":                     {"[::ffff:10.1.2.3]:5", "", []string{"::ffff:192.0.2.1"}, "192.0.2.1", false},
		"garbage":                    {"10.1.2.3:5", "", []string{"192.0.2.1, unknown, 10.4.4.4"}, "10.4.4.4", false},
		"no word":                    {"10.1.2.3:5", "", nil, "10.1.2.3", false},
		"an empty word":              {"10.1.2.3:5", "", []string{""}, "10.1.2.3", false},
		"mapped, no word":            {"[::ffff:10.1.2.3]:5", "", nil, "10.1.2.3", false},
		"IPv6 with a zone":           {"[fd00::1%eth0]:5", "", []string{"fd00::2%eth1"}, "fd00::2", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
		r.RemoteAddr = tc.peer
		r.Header["X-Forwarded-For"] = tc.forwarded
		if tc.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tc.proto)
		}
		trusted.handler(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
			if got.RemoteAddr != tc.want || (got.URL.Scheme == "https") != tc.https || got.URL.Path != "/x" {
				t.Errorf("%s: %s, scheme %q", name, got.RemoteAddr, got.URL.Scheme)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
	if _, err := (&settings{TrustedProxies: []string{"10.0.0.0/8", "10.0.0.1"}}).inFront(); err == nil {
		t.Error("an address was taken for a network")
	}
}
