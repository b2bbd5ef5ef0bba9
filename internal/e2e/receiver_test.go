package e2e

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

// request is one request as a receiver saw it.
type request struct {
	at         time.Time
	path       string
	header     http.Header
	body       []byte
	deliveryID string
	attempt    int
	eventID    string
}

// receiver is a customer's server. Its URL has a path of its own, since its port may be that of a receiver of another test
// which has ended, and what was sent to that one still comes.
type receiver struct {
	*httptest.Server
	base    string // of all paths
	mu      sync.Mutex
	got     []request
	grown   chan struct{}
	respond func(w http.ResponseWriter, r request)
}

// receive starts a receiver that answers as respond does; nil: 200.
func receive(t testing.TB, respond func(w http.ResponseWriter, r request)) *receiver {
	t.Helper()
	rc := &receiver{respond: respond, grown: make(chan struct{}), base: "/" + rand.Text()}
	rc.Server = httptest.NewServer(rc)
	rc.URL += rc.base
	t.Cleanup(func() {
		rc.CloseClientConnections()
		rc.Close()
	})
	return rc
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender went away
	}
	path, ours := strings.CutPrefix(r.URL.Path, rc.base)
	if !ours {
		http.NotFound(w, r)
		return
	}
	n, _ := strconv.Atoi(r.Header.Get("X-Voxagent-Attempt"))
	req := request{
		at: time.Now(), path: path, header: r.Header, body: body, attempt: n,
		deliveryID: r.Header.Get("X-Voxagent-Delivery"), eventID: r.Header.Get("Webhook-Id"),
	}
	rc.mu.Lock()
	rc.got = append(rc.got, req)
	close(rc.grown)
	rc.grown = make(chan struct{})
	rc.mu.Unlock()
	if rc.respond != nil {
		rc.respond(w, req)
	}
}

// requests are all requests so far.
func (rc *receiver) requests() []request {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return append([]request(nil), rc.got...)
}

// wait waits until enough answers true for the requests so far.
func (rc *receiver) wait(t testing.TB, what string, limit time.Duration, enough func([]request) bool) []request {
	t.Helper()
	deadline := time.After(limit)
	for {
		rc.mu.Lock()
		got, grown := rc.got, rc.grown
		rc.mu.Unlock()
		if enough(got) {
			return rc.requests()
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("%s: not within %s; %d requests", what, limit, len(got))
		}
	}
}

// verify checks both signatures of a request.
func verify(r request, secret string) error {
	if err := webhook.Verify(r.header, r.body, secret); err != nil {
		return fmt.Errorf("webhook-signature of %s: %w", r.deliveryID, err)
	}
	if err := webhook.VerifyHex(r.body, r.header.Get(webhook.HeaderSignature), secret); err != nil {
		return fmt.Errorf("signature of %s: %w", r.deliveryID, err)
	}
	return nil
}
