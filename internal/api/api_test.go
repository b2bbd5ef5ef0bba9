package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/apitest"
)

// fixture is the API over an installation in memory.
type fixture struct {
	*apitest.Installation
	t       testing.TB
	handler http.Handler
}

func newFixture(t *testing.T, change ...func(*apitest.Installation)) *fixture {
	t.Helper()
	in := apitest.New()
	for _, c := range change {
		c(in)
	}
	cfg := api.Config{
		Version: "1.2.3", RetrySchedule: []time.Duration{5 * time.Second, 5 * time.Minute}, DeliveryTimeout: 5 * time.Second,
	}
	h, err := api.New(cfg, in.APIDeps(), zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{in, t, h}
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// call makes a request; headers are name, value, name, value.
func (f *fixture) call(key, method, path, body string, headers ...string) answer {
	f.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, content)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return answer{f.t, w.Code, w.Header(), w.Body.String()}
}

// operator makes a request with the operator's key.
func (f *fixture) operator(method, path, body string, headers ...string) answer {
	f.t.Helper()
	return f.call(apitest.OperatorKey, method, path, body, headers...)
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d; body %s", a.status, status, a.body)
	}
	if status >= 400 {
		if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
			a.t.Fatalf("an error as %q: %s", ct, a.body)
		}
	}
	return a
}

// object reads the body as a JSON object.
func (a answer) object() map[string]any {
	a.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("body %q: %v", a.body, err)
	}
	return v
}

func (a answer) read(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Fatalf("body %q: %v", a.body, err)
	}
}

// faultAt returns the message of the fault at a location, "" when there is none.
func (a answer) faultAt(location string) string {
	a.t.Helper()
	var p api.Problem
	a.read(&p)
	for _, e := range p.Errors {
		if e.Location == location {
			return e.Message
		}
	}
	return ""
}
