package dashboard

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newCookies(t *testing.T, key byte, now *time.Time) *cookies {
	t.Helper()
	s, err := newSealer(bytes.Repeat([]byte{key}, sessionKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return &cookies{sealer: s, length: time.Hour, now: func() time.Time { return *now }}
}

// started is a request that brings the cookie which start gave.
func started(t *testing.T, c *cookies, tlsOn bool) (*http.Request, *http.Cookie) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	if tlsOn {
		r.TLS = &tls.ConnectionState{}
	}
	w := httptest.NewRecorder()
	if err := c.start(w, r, "the-key"); err != nil {
		t.Fatal(err)
	}
	cookie := w.Result().Cookies()[0]
	r.AddCookie(cookie)
	return r, cookie
}

func TestSession(t *testing.T) {
	now := time.Now()
	c := newCookies(t, 1, &now)
	r, cookie := started(t, c, false)
	if key, err := c.key(r); err != nil || key != "the-key" {
		t.Fatalf("key %q, %v", key, err)
	}
	if cookie.Secure || !cookie.HttpOnly || cookie.Name != "session" {
		t.Errorf("cookie %v", cookie)
	}
	if _, err := newCookies(t, 2, &now).key(r); err == nil {
		t.Error("another installation's key opens the session")
	}
	now = now.Add(time.Hour)
	if _, err := c.key(r); err == nil {
		t.Error("the session did not end")
	}
}

func TestSessionOverTLS(t *testing.T) {
	now := time.Now()
	c := newCookies(t, 1, &now)
	r, cookie := started(t, c, true)
	if !cookie.Secure || !strings.HasPrefix(cookie.Name, "__Host-") || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("cookie %v", cookie)
	}
	if _, err := c.key(r); err != nil {
		t.Error(err)
	}
	r.TLS, r.URL.Scheme = nil, "https" // TLS ends in front of us
	if _, err := c.key(r); err != nil {
		t.Error(err)
	}
	r.URL.Scheme = "" // the same value under the other name is not a session
	r.AddCookie(&http.Cookie{Name: "session", Value: cookie.Value})
	if _, err := c.key(r); err == nil {
		t.Error("a cookie was taken under another name")
	}
}

func TestConfigRefused(t *testing.T) {
	_, err := New(Config{SessionKey: []byte("short"), SessionLength: -1}, Deps{}, nil)
	for _, want := range []string{"session key has 5 bytes", "session length -1ns is negative", "no keyring", "no history"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
