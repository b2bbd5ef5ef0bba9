package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/apitest"
)

func TestKeys(t *testing.T) {
	f := newFixture(t)
	const path = "/v1/workspaces/ws_acme/webhooks"
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Basic " + apitest.OperatorKey, "Bearer nope", "Bearer " + apitest.OperatorKey + "x"} {
		a := f.call("", "GET", path, "", "Authorization", authorization).want(http.StatusUnauthorized)
		if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%q: no challenge", authorization)
		}
	}
	f.call("", "GET", path, "", "Authorization", "bearer "+apitest.OperatorKey).want(200)
	read := f.Key("ws_acme", "read")
	f.call(read, "GET", path, "").want(200)
	f.call(read, "POST", path, bodies["create-webhook"]).want(403)
	f.call(read, "PATCH", "/v1/workspaces/ws_acme", `{}`).want(403)
	f.call(f.Key("ws_acme", "write"), "GET", path, "").want(403)
	f.call(read, "GET", "/v1/workspaces", "").want(403)
	f.call(read, "GET", "/v1/workspaces/ws_other/webhooks", "").want(404)
}

func TestRevokedKey(t *testing.T) {
	f := newFixture(t)
	created := f.operator("POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"x","scopes":["read"]}`).want(201).object()
	key, id := created["key"].(string), created["id"].(string)
	f.call(key, "GET", "/v1/meta", "").want(200)
	list := f.operator("GET", "/v1/workspaces/ws_acme/api-keys", "").want(200)
	if strings.Contains(list.body, key) || !strings.Contains(list.body, id) {
		t.Errorf("list %s", list.body)
	}
	f.operator("DELETE", "/v1/workspaces/ws_acme/api-keys/"+id, "").want(204)
	f.operator("DELETE", "/v1/workspaces/ws_acme/api-keys/"+id, "").want(404)
	f.call(key, "GET", "/v1/meta", "").want(401)
}

func TestActor(t *testing.T) {
	f := newFixture(t)
	f.operator("POST", hooks, bodies["create-webhook"], "Voxagent-Actor", "dana@acme.example\x01").want(201)
	f.operator("POST", hooks, bodies["create-webhook"], "Voxagent-Actor", "Zoë\u202e Ågren\xff "+strings.Repeat("界", 100)).want(201)
	f.call(f.Key("ws_acme"), "POST", hooks, bodies["create-webhook"], "Voxagent-Actor", "mallory").want(201)
	log := f.operator("GET", "/v1/workspaces/ws_acme/audit-log", "").want(200).body
	long := "Zoë Ågren " + strings.Repeat("界", 38)
	if !strings.Contains(log, `"dana@acme.example"`) || !strings.Contains(log, `"`+long+`"`) || strings.Contains(log, "mallory") {
		t.Errorf("audit log %s", log)
	}
}

func TestUnrouted(t *testing.T) {
	f := newFixture(t)
	f.operator("GET", "/v1/nothing", "").want(404)
	a := f.operator("PUT", hooks, "{}").want(http.StatusMethodNotAllowed)
	if allow := a.header.Values("Allow"); len(allow) != 1 || allow[0] != "GET, HEAD, POST" {
		t.Errorf("allow %v", allow)
	}
}

// deadlines notes the read deadlines that are set on a connection.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

// TestLongCallsAreNotCut: net/http takes a read deadline that passes while a call is served for a client that went away.
func TestLongCallsAreNotCut(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequestWithContext(t.Context(), "POST", hooks, strings.NewReader(`{"url":"https://example.com","event_types":["*"]}`))
	r.Header.Set("Authorization", "Bearer "+apitest.OperatorKey)
	r.Header.Set("Content-Type", "application/json")
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	f.handler.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	for _, at := range w.set {
		if !at.IsZero() {
			t.Errorf("the connection's reads end at %s", at)
		}
	}
}

// TestOurFaults has the database fail: the client learns nothing of it, the log does.
func TestOurFaults(t *testing.T) {
	in := apitest.New()
	core, logs := observer.New(zap.DebugLevel)
	reg := prometheus.NewRegistry()
	h, err := api.New(api.Config{}, in.APIDeps(), zap.New(core), reg)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{in, t, h}
	in.Repository.Err = errors.New("pq: password authentication failed for user dispatcher")
	in.History.Err = in.Repository.Err
	for _, path := range []string{hooks, hooks + "/wh_1", "/v1/workspaces/ws_acme/attempts?session_id=hush", "/v1/workspaces"} {
		a := f.operator("GET", path, "").want(http.StatusInternalServerError)
		if strings.Contains(a.body, "pq") || strings.Contains(a.body, "dispatcher") {
			t.Errorf("%s tells a client %s", path, a.body)
		}
	}
	f.call("some-key", "GET", hooks, "").want(http.StatusServiceUnavailable)
	if logs.FilterMessage("api call failed").Len() != 4 {
		t.Errorf("%d failures were logged, want 4", logs.FilterMessage("api call failed").Len())
	}
	for _, entry := range logs.FilterMessage("api call").All() {
		for name, v := range entry.ContextMap() {
			if text, ok := v.(string); ok && (strings.Contains(text, "hush") || strings.Contains(text, apitest.OperatorKey)) {
				t.Errorf("the log's %s is %s", name, text)
			}
		}
	}
	f.call("", "GET", "/v1/"+strings.Repeat("x", 60_000), "").want(http.StatusNotFound)
	calls := logs.FilterMessage("api call").All()
	if path, _ := calls[len(calls)-1].ContextMap()["path"].(string); len(path) > 600 {
		t.Errorf("a stranger's path is logged with %d bytes", len(path))
	}
	want := map[string]float64{
		"GET none 404":               1,
		"GET GET /v1/workspaces 500": 1,
		"GET GET /v1/workspaces/{workspace_id}/attempts 500":      1,
		"GET GET /v1/workspaces/{workspace_id}/webhooks 500":      1,
		"GET GET /v1/workspaces/{workspace_id}/webhooks 503":      1,
		"GET GET /v1/workspaces/{workspace_id}/webhooks/{id} 500": 1,
	}
	if diff := cmp.Diff(want, counts(t, reg)); diff != "" {
		t.Errorf("calls by method, route and status: %s", diff)
	}
}

// counts reads the counter of calls: label values in the order of their names, joined by spaces.
func counts(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "dispatcher_api_calls_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	return got
}

func TestPanicIsAnAnswer(t *testing.T) {
	in := apitest.New()
	deps := in.APIDeps()
	deps.Catalogue = nil
	if _, err := api.New(api.Config{}, deps, zap.NewNop(), nil); err == nil || !strings.Contains(err.Error(), "catalogue") {
		t.Errorf("without a catalogue: %v", err)
	}
	deps.Catalogue = api.Catalogue(in.Types)
	in.Catalogue = nil // makes the handler panic
	h, err := api.New(api.Config{}, deps, zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{in, t, h}
	f.operator("GET", "/v1/event-types", "").want(http.StatusInternalServerError)
}
