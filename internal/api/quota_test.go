package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/api/auth"
)

// TestQuota: each key has calls of its own, told in each answer; those above are refused until time has passed.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(in *apitest.Installation) { in.Quotas = auth.NewQuotas(2) })
		one, other := f.Key("ws_acme"), f.Key("ws_acme")
		const burst = 4
		for left := burst - 1; left >= 0; left-- {
			a := f.call(one, "GET", "/v1/meta", "").want(200)
			got := strings.Join([]string{a.header.Get("RateLimit-Limit"), a.header.Get("RateLimit-Remaining"), a.header.Get("RateLimit-Reset")}, " ")
			if want := strconv.Itoa(burst) + " " + strconv.Itoa(left) + " " + strconv.Itoa((burst-left+1)/2); got != want {
				t.Errorf("quota %s, want %s", got, want)
			}
		}
		refused := f.call(one, "POST", hooks, bodies["create-webhook"]).want(http.StatusTooManyRequests)
		if refused.header.Get("Retry-After") != "1" || refused.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("refused: %v", refused.header)
		}
		f.call(other, "GET", "/v1/meta", "").want(200)
		f.call(other, "GET", "/v1/workspaces/ws_other/webhooks", "").want(404) // it counts, whatever it says
		f.call(other, "GET", "/v1/workspaces", "").want(403)
		if a := f.call(other, "GET", "/v1/meta", "").want(200); a.header.Get("RateLimit-Remaining") != "0" {
			t.Errorf("remaining %q", a.header.Get("RateLimit-Remaining"))
		}
		time.Sleep(time.Second)
		f.call(one, "GET", "/v1/meta", "").want(200)
		f.call(one, "GET", "/v1/meta", "").want(200)
		f.call(one, "GET", "/v1/meta", "").want(http.StatusTooManyRequests)
		for range 10 * burst {
			f.operator("GET", "/v1/meta", "").want(200)
		}
		f.operator("GET", "/v1/meta", "").want(http.StatusTooManyRequests)
		if a := f.call("", "GET", "/v1/meta", "", "Authorization", "Bearer "+apitest.OperatorKey+"x").want(401); a.header.Get("RateLimit-Limit") != "" {
			t.Error("somebody without a key has a quota")
		}
		document := f.call("", "GET", "/openapi.json", "").want(200).body
		for _, name := range []string{"RateLimit-Remaining", "Retry-After", `"429"`} {
			if !strings.Contains(document, name) {
				t.Errorf("%s is not documented", name)
			}
		}
	})
}

// stuck is a client that does not read: its answer is written once read is closed.
type stuck struct {
	*httptest.ResponseRecorder
	read <-chan struct{}
}

func (s stuck) Write(b []byte) (int, error) {
	<-s.read
	return s.ResponseRecorder.Write(b)
}

// TestOpenCalls: answers that nobody reads are in memory, so a key may have only so many of them.
func TestOpenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(in *apitest.Installation) { in.Quotas = auth.NewQuotas(1000) })
		key, other := f.Key("ws_acme"), f.Key("ws_acme")
		read := make(chan struct{})
		var answered sync.WaitGroup
		for range 32 {
			answered.Go(func() {
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/meta", nil)
				r.Header.Set("Authorization", "Bearer "+key)
				f.handler.ServeHTTP(stuck{httptest.NewRecorder(), read}, r)
			})
		}
		synctest.Wait()
		refused := f.call(key, "GET", "/v1/meta", "").want(http.StatusTooManyRequests)
		if refused.header.Get("Retry-After") != "1" || refused.header.Get("RateLimit-Remaining") == "0" {
			t.Errorf("refused: %v", refused.header)
		}
		f.call(other, "GET", "/v1/meta", "").want(http.StatusOK)
		close(read)
		answered.Wait()
		f.call(key, "GET", "/v1/meta", "").want(http.StatusOK)
	})
}

// unread fails the test when it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// TestBodiesOfStrangersAreNotRead: before a call's key is known, its body costs nothing.
func TestBodiesOfStrangersAreNotRead(t *testing.T) {
	f := newFixture(t)
	for key, want := range map[string]int{"": 401, "no-such-key": 401, f.Key("ws_other"): 404} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", hooks, unread{t})
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("key %q: %d, want %d", key, w.Code, want)
		}
	}
}
