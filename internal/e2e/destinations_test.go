package e2e

import (
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// forwardProxy is an HTTP proxy that knows CONNECT only.
type forwardProxy struct {
	*httptest.Server
	refuses atomic.Bool
	asked   chan *http.Request // room for one test
}

func newForwardProxy(t *testing.T) *forwardProxy {
	p := &forwardProxy{asked: make(chan *http.Request, 64)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked <- r
	if p.refuses.Load() {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = out.Close() }()
	w.WriteHeader(http.StatusOK)
	in, begun, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(out, begun) // the server may have read the first bytes
		_ = out.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(in, out)
	_ = in.Close()
}

// TestForwardProxyAndCA: requests leave through the proxy, to receivers whose certificate is of a CA of the operator's. A
// proxy that refuses us is nobody's failed attempt, and its password is told nowhere.
func TestForwardProxyAndCA(t *testing.T) {
	rc := &receiver{grown: make(chan struct{}), base: "/" + rand.Text()}
	rc.Server = httptest.NewTLSServer(rc)
	t.Cleanup(func() {
		rc.CloseClientConnections()
		rc.Close()
	})
	_, port, _ := net.SplitHostPort(rc.Listener.Addr().String())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rc.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := newForwardProxy(t)
	in := install(t)
	in.env = append(in.env, "DISPATCHER_FORWARD_PROXY="+strings.Replace(proxy.URL, "http://", "http://us:topsecret@", 1))
	s := in.serve(t, "--receiver-ca", ca, "--allowed-ports", "443,"+port, "--log-level", "debug")

	s.call("POST", "/v1/workspaces/ws_acme/webhooks", map[string]any{"url": "https://127.0.0.1:22/", "event_types": []string{"*"}}, 422, nil)
	proxy.refuses.Store(true)
	s.create("ws_acme", rc.URL+rc.base)
	in.publish(t, document("evt_1", "ws_acme", "SessionStarted", `{"session_id":"k"}`))
	s.waitFor("an attempt that is not made", 30*time.Second, func(out string) bool { return strings.Contains(out, "attempt not made") })
	proxy.refuses.Store(false)
	got := rc.wait(t, "the event", 30*time.Second, func(all []request) bool { return len(all) == 1 })
	if got[0].attempt != 1 {
		t.Errorf("arrived with attempt %d: what the proxy refused used one up", got[0].attempt)
	}
	asked := <-proxy.asked
	if asked.Method != http.MethodConnect || asked.Host != "127.0.0.1:"+port || asked.Header.Get("Proxy-Authorization") != "Basic dXM6dG9wc2VjcmV0" {
		t.Errorf("the proxy was asked to %s %s with %q", asked.Method, asked.Host, asked.Header)
	}
	if out := s.text(); strings.Contains(out, "topsecret") || strings.Contains(out, "dXM6dG9wc2VjcmV0") || !strings.Contains(out, `"forward_proxy":"`+proxy.URL) {
		t.Errorf("the proxy's password is logged, or its address is not:\n%s", tail(out, 4000))
	}
}
