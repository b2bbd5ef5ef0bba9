package subscription

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/voxagent/dispatcher/pkg/webhook"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// gate stands between a program and its database; when it is shut, connections break and none is made.
type gate struct {
	url    string
	target string
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func newGate(t *testing.T, raw string) *gate {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{target: u.Host, conns: map[net.Conn]bool{}}
	u.Host = l.Addr().String()
	g.url = u.String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { g.pass(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); g.shut(); wg.Wait() })
	return g
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer up.Close()
	if !g.admit(c, up) {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(up, c)
		_ = up.Close()
	}()
	_, _ = io.Copy(c, up)
	_ = c.Close()
	<-ended
}

func (g *gate) admit(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.closed
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		_ = c.Close()
	}
	clear(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

// hexBy is the signature of body by a secret.
func hexBy(t *testing.T, secret fanout.Secret, body string) string {
	t.Helper()
	signer, err := webhook.NewSigner(string(secret))
	if err != nil {
		t.Fatal(err)
	}
	return string(signer.AppendHex(nil, []byte(body)))
}
