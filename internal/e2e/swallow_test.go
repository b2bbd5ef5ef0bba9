package e2e

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// hole is a receiver that takes requests and does not answer, until it is told to.
type hole struct {
	server *httptest.Server
	ids    chan string // of the events that came; large enough for a test
	open   chan struct{}
	once   sync.Once
}

func swallow(t testing.TB) *hole {
	t.Helper()
	h := &hole{ids: make(chan string, 1000), open: make(chan struct{})}
	h.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.ids <- r.Header.Get("Webhook-Id")
		select {
		case <-h.open:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		h.answer()
		h.server.CloseClientConnections()
		h.server.Close()
	})
	return h
}

func (h *hole) url() string { return h.server.URL }

// answer has all requests answered from now on, 200.
func (h *hole) answer() { h.once.Do(func() { close(h.open) }) }

// next waits for a request and returns its event's id.
func (h *hole) next(t testing.TB, limit time.Duration) string {
	t.Helper()
	select {
	case id := <-h.ids:
		return id
	case <-time.After(limit):
		t.Fatalf("no request within %s", limit)
		return ""
	}
}
