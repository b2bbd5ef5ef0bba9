package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// wrong is a value of a property that is refused.
type wrong struct {
	property, value string // JSON
	at, message     string // of the fault; at "": the property
	// echo says that the value comes back.
	echo bool
}

// wrongInBoth are refused by a create and by a change. "hush" stands where a credential could.
var wrongInBoth = []wrong{
	{"url", `5`, "", "expected string", true},
	{"url", `["hush"]`, "", "expected string", false},
	{"url", `{}`, "", "expected string", false},
	{"url", `""`, "", "is required", false},
	{"url", `"ftp://x"`, "", "must begin with https:// or http://", true},
	{"url", `"https://user:hush@a.example"`, "", "user name or password", false},
	{"url", `"https://a.example/#hush"`, "", "fragment", false},
	{"url", `"https://a b/hush"`, "", "spaces", false},
	{"url", `"mailto:u:hush"`, "", "must begin with https://", false},
	{"url", `"https://10.0.0.1/?token=hush"`, "", "must lead to a public address", false},
	{"url", `"https://a.example/` + strings.Repeat("x", 2048) + `"`, "", "at most 2048", false},
	{"url", `"https://a.example/\u0000"`, "", "NUL", false},
	{"description", `5`, "", "expected string", true},
	{"description", `"` + strings.Repeat("é", 1025) + `"`, "", "at most 1024 characters", false},
	{"description", `"a\u0000b"`, "", "NUL", false},
	{"event_types", `"*"`, "", "expected array", true},
	{"event_types", `[]`, "", "length >= 1", false},
	{"event_types", `[null]`, "body.event_types[0]", "expected string", false},
	{"event_types", `["*",5]`, "body.event_types[1]", "expected string", true},
	{"event_types", `["SessionStarted","Nope"]`, "body.event_types[1]", "known are ConversationComplete, SessionStarted", true},
	{"event_types", `["conversationcomplete"]`, "body.event_types[0]", "is no known event type", true},
	{"event_types", `["x*y"]`, "body.event_types[0]", "is no known event type", true},
	{"event_types", `[""]`, "body.event_types[0]", "is no known event type", true},
	{"event_types", `["` + strings.Repeat("x", 150) + `*"]`, "body.event_types[0]", "is no known event type", true},
	{"event_types", `[` + strings.Repeat(`"*",`, 100) + `"*"]`, "", "at most 100", false},
	{"enabled", `"yes"`, "", "expected boolean", true},
	{"enabled", `0`, "", "expected boolean", true},
	{"max_per_second", `0`, "", ">= 0.0001", true},
	{"max_per_second", `-1`, "", ">= 0.0001", true},
	{"max_per_second", `100001`, "", "<= 100000", true},
	{"max_per_second", `"5"`, "", "expected number", true},
	{"max_per_second", `1e999`, "", "too large", false},
	{"filter", `5`, "", "expected string", true},
	{"filter", `"data.("`, "", "", true},
	{"headers", `5`, "", "expected object", false},
	{"headers", `{"X-A":5}`, "body.headers.X-A", "expected string", false},
	{"headers", `{"X-A":["hush"]}`, "body.headers.X-A", "expected string", false},
	{"headers", `{"Host":"hush"}`, "body.headers.Host", "can't be set", false},
	{"headers", `{"X-Voxagent-Event":"hush"}`, "body.headers.X-Voxagent-Event", "can't be set", false},
	{"headers", `{"X-A":"hush","x-a":"hush"}`, "body.headers.x-a", "is there twice", false},
	{"headers", `{"X-A":"hu\nsh"}`, "body.headers.X-A", "control", false},
	{"headers", `{"":"hush"}`, "body.headers.", "not a header name", false},
	{"headers", `{"X-É":"hush"}`, "body.headers.X-É", "not a header name", false},
	{"headers", `{"X-A":"` + strings.Repeat("hush", 1100) + `"}`, "body.headers", "at most 4096", false},
	{"color", `"hush"`, "", "unexpected property", false},
	{"disabled_reason", `"customer"`, "", "unexpected property", false},
	{"", `1`, "body.", "unexpected property", false},
	{strings.Repeat("k", 5000), `"hush"`, "body." + strings.Repeat("k", 195) + "…", "unexpected property", false},
}

// wrongInCreate are refused by a create only: a change takes null as "remove".
var wrongInCreate = []wrong{
	{"url", `null`, "", "expected string", false},
	{"event_types", `null`, "", "expected array", false},
	{"headers", `{"X-A":null}`, "body.headers.X-A", "expected string", false},
	{"id", `5`, "", "expected string", true},
	{"id", `""`, "", "wh_ and 1 to 61 of", true},
	{"id", `"x"`, "", "wh_ and 1 to 61 of", true},
	{"id", `"wh_a.b"`, "", "wh_ and 1 to 61 of", true},
	{"secret", `5`, "", "expected string", false},
	{"secret", `""`, "", ">= 16", false},
	{"secret", `"hush"`, "", ">= 16", false},
	{"secret", `"hush` + strings.Repeat("x", 253) + `"`, "", "<= 256", false},
	{"secret", `"hushhushhushhush\u00e9"`, "", "printable ASCII", false},
}

// wrongInChange are refused by a change only.
var wrongInChange = []wrong{
	{"url", `null`, "", "cannot be null", false},
	{"event_types", `null`, "", "cannot be null", false},
	{"enabled", `null`, "", "cannot be null", false},
	{"id", `"wh_other"`, "", "unexpected property", false},
	{"secret", `"hushhushhushhush"`, "", "unexpected property", false},
	{"Url", `"https://a.example"`, "", `did you mean "url"?`, false},
}

// TestWrongProperties: each wrong value of a webhook's property is refused at its place, in words, without repeating what
// could be a credential; and nothing is made or changed.
func TestWrongProperties(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	path := hooks + "/" + s.operator("POST", hooks, `{"url":"https://a.example","event_types":["*"]}`).want(201).object()["id"].(string)
	before := s.operator("GET", hooks, "").want(200).body
	create := map[string]string{"url": `"https://b.example"`, "event_types": `["*"]`}
	for _, w := range append(slices.Clone(wrongInBoth), wrongInCreate...) {
		s.refuses(&w, "POST", hooks, create)
	}
	for _, w := range append(slices.Clone(wrongInBoth), wrongInChange...) {
		s.refuses(&w, "PATCH", path, nil)
	}
	if after := s.operator("GET", hooks, "").want(200).body; after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// refuses sends the wrong property beside others.
func (s *stored) refuses(w *wrong, method, path string, others map[string]string) {
	s.t.Helper()
	body := map[string]json.RawMessage{w.property: json.RawMessage(w.value)}
	for name, value := range others {
		if _, given := body[name]; !given {
			body[name] = json.RawMessage(value)
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.operator(method, path, string(text))
	call := fmt.Sprintf("%s %.60s: %.60s", method, w.property, w.value)
	at := w.at
	if at == "" {
		at = "body." + w.property
	}
	var p api.Problem
	a.read(&p)
	i := slices.IndexFunc(p.Errors, func(f api.Fault) bool { return f.Location == at })
	if (a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest) || i < 0 {
		s.t.Errorf("%s: %d without a fault at %q: %.300s", call, a.status, at, a.body)
		return
	}
	if !strings.Contains(p.Errors[i].Message, w.message) {
		s.t.Errorf("%s: %q, want %q", call, p.Errors[i].Message, w.message)
	}
	if echo := p.Errors[i].Value != nil; w.echo != echo && w.property != "url" { // of a URL what is public comes back
		s.t.Errorf("%s: value %v, want it repeated: %v", call, p.Errors[i].Value, w.echo)
	}
	if strings.Contains(a.body, "hush") {
		s.t.Errorf("%s: the answer repeats it: %.300s", call, a.body)
	}
}

// TestWrongBodies: what is no body of the call at all.
func TestWrongBodies(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	for body, want := range map[string]struct {
		status int
		at     string
	}{
		"": {400, ""}, " ": {400, "body"}, "null": {422, "body"}, "[]": {422, "body"}, `"x"`: {422, "body"}, "5": {422, "body"},
		"{": {400, "body"}, "{}": {422, "body.event_types"}, "\ufeff{}": {400, "body"}, `{"url":"https://a.example"`: {400, "body"},
		`{"url":"https://a.example"}`: {422, "body.event_types"}, "{} {}": {400, "body"}, "{}\x00": {400, "body"}, "\xff": {400, "body"},
		strings.Repeat("[", 1000): {400, "body[0][0]"}, strings.Repeat(`{"a":`, 100): {400, "body.a.a"},
		`{"url":"https://a.example","event_types":[` + strings.Repeat("1,", 100_000) + `1]}`: {422, "body.event_types[0]"},
	} {
		a := s.operator("POST", hooks, body)
		if len(a.body) > 16<<10 {
			t.Errorf("%.40q: an answer of %d bytes", body, len(a.body))
		}
		if a.want(want.status); want.at != "" && !strings.Contains(a.body, `"location":"`+want.at) {
			t.Errorf("%.40q: no fault at %s: %.300s", body, want.at, a.body)
		}
	}
	s.operator("POST", hooks, `{}`, "Content-Type", "text/plain").want(http.StatusUnsupportedMediaType)
	if at := s.operator("POST", hooks, `{}`, "Content-Type", "text/plain").faultAt("header.Content-Type"); at != "want application/json" {
		t.Errorf("media type: %q", at)
	}
}

// TestOtherBodies: the bodies of the other calls.
func TestOtherBodies(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	path := hooks + "/" + s.operator("POST", hooks, `{"url":"https://a.example","event_types":["*"]}`).want(201).object()["id"].(string)
	for _, c := range []struct{ method, path, body, at string }{
		{"POST", path + "/secret/rotate", `{"overlap_seconds":1.5}`, "body.overlap_seconds"},
		{"POST", path + "/secret/rotate", `{"overlap_seconds":-1}`, "body.overlap_seconds"},
		{"POST", path + "/secret/rotate", `{"overlap_seconds":2592001}`, "body.overlap_seconds"},
		{"POST", path + "/secret/rotate", `{"overlap_seconds":1e30}`, "body.overlap_seconds"},
		{"POST", path + "/secret/rotate", `{"x":1}`, "body.x"},
		{"POST", path + "/secret/rotate", `null`, "body"},
		{"POST", path + "/test", `{}`, "body.event"},
		{"POST", path + "/test", `{"event":"Nope"}`, "body.event"},
		{"POST", path + "/test", `{"event":"*"}`, "body.event"},
		{"POST", path + "/test", `{"event":null}`, "body.event"},
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{}`, "body.name"},
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{"name":""}`, "body.name"},
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"` + strings.Repeat("é", 101) + `"}`, "body.name"},
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"x","scopes":[]}`, "body.scopes"}, // not: all of them
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"x","scopes":["admin"]}`, "body.scopes[0]"},
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`, "body.expires_at"},
		{"POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"x","expires_at":"tomorrow"}`, "body.expires_at"},
		{"PATCH", "/v1/workspaces/ws_acme", `{"suspended":null}`, "body.suspended"},
		{"PATCH", "/v1/workspaces/ws_acme", `{"max_webhooks":0}`, "body.max_webhooks"}, // not: the default
		{"PATCH", "/v1/workspaces/ws_acme", `{"max_webhooks":100001}`, "body.max_webhooks"},
		{"PATCH", "/v1/workspaces/ws_acme", `{"max_per_second":0}`, "body.max_per_second"}, // not: no limit
		{"PATCH", "/v1/workspaces/ws_acme", `{"plan":"gold"}`, "body.plan"},
	} {
		if a := s.operator(c.method, c.path, c.body).want(422); a.faultAt(c.at) == "" {
			t.Errorf("%s %s %s: no fault at %s: %s", c.method, c.path, c.body, c.at, a.body)
		}
	}
	for _, body := range []string{"", "{}", `{"overlap_seconds":null}`, `{"overlap_seconds":60.0}`, `{"overlap_seconds":6e1}`} {
		s.operator("POST", path+"/secret/rotate", body).want(200)
	}
	if w := s.operator("PATCH", "/v1/workspaces/ws_acme", `{"max_webhooks":5.0}`).want(200).object(); w["max_webhooks"] != 5.0 {
		t.Errorf("max_webhooks %v", w["max_webhooks"])
	}
}

// TestNullIsAbsent: many clients send null for what was not set.
func TestNullIsAbsent(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	w := s.operator("POST", hooks, `{"url":"https://a.example","event_types":["*"],"description":null,"enabled":null,"max_per_second":null,
		"filter":null,"headers":null,"id":null,"secret":null}`).want(201).object()
	if w["enabled"] != true || w["description"] != "" || w["secret"] == "" {
		t.Errorf("created %v", w)
	}
	key := s.operator("POST", "/v1/workspaces/ws_acme/api-keys", `{"name":"x","scopes":null,"expires_at":null}`).want(201).object()
	if scopes := fmt.Sprint(key["scopes"]); scopes != "[read write replay]" || key["expires_at"] != nil {
		t.Errorf("key %v", key)
	}
}

// TestWrongQueries: a filter that is not understood is refused and never left out.
func TestWrongQueries(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	path := hooks + "/" + s.operator("POST", hooks, `{"url":"https://a.example","event_types":["*"]}`).want(201).object()["id"].(string)
	const list = "/v1/workspaces/ws_acme/attempts?"
	for target, at := range map[string]string{
		list + "limit=": "query.limit", list + "limit=0": "query.limit", list + "limit=251": "query.limit", list + "limit=1.0": "query.limit",
		list + "limit=5&limit=6": "query.limit", list + "limit[]=5": "query.limit[]", list + "limit=%zz": "query", list + "a;b": "query",
		list + "webhook_id=": "query.webhook_id", list + "webhook_id=a&webhook_id=": "query.webhook_id", list + "Webhook_id=x": "query.Webhook_id",
		list + "webhookId=x": "query.webhookId", list + "=": "query.", list + "since=": "query.since", list + "since=yesterday": "query.since",
		list + "since=2026-11-23": "query.since", list + "since=2026-11-23T08:00:00+01:00": "query.since",
		list + "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z": "query.until", list + "status=bad": "query.status[0]",
		list + "status=failed,succeeded": "query.status[0]", list + "http_status=0xx": "query.http_status[0]", list + "error=none": "query.error[0]",
		list + "cursor=x": "query.cursor", list + "session_id=%00": "query.session_id", list + "event=%ff": "query.event",
		list + "event=%c3&event=%a9": "query.event", list + strings.Repeat("event=x&", 51): "query.event",
		list + "session_id=" + strings.Repeat("x", 257): "query.session_id[0]", hooks + "?cursor=AAAA": "query.cursor", hooks + "?status=failed": "query.status",
		path + "/stats?step=0s": "query.step", path + "/stats?step=1h1m": "query.step", path + "/stats?step=99999999999h": "query.step",
		path + "/stats?step=1s": "query.step", path + "/stats?since=1700-01-01T00:00:00Z&step=999999h": "query.step",
		path + "/stats?since=9999-01-01T00:00:00Z": "query.since",
	} {
		a := s.operator("GET", target, "").want(422)
		if a.faultAt(at) == "" || strings.Contains(a.body, "2006-01-02") {
			t.Errorf("%.80s: no fault at %s: %.300s", target, at, a.body)
		}
	}
	for _, query := range []string{"", "&", "cursor=", "since=2026-11-23T08:00:00%2B01:00", "http_status=500&http_status=4xx", strings.Repeat("event=x&", 50)} {
		s.operator("GET", list+query, "").want(200)
	}
}

// TestConcurrentCreates: of creates with one idempotency key that come at once, one makes a webhook and all answer with it.
func TestConcurrentCreates(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { concurrentCreates(t, "sqlite:"+t.TempDir()+"/data.db") })
	t.Run("postgres", func(t *testing.T) { concurrentCreates(t, testenv.Postgres(t)) })
}

func concurrentCreates(t *testing.T, url string) {
	s := newStored(t, url)
	const body, other = `{"url":"https://a.example","event_types":["*"]}`, `{"url":"https://b.example","event_types":["*"]}`
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.operator("POST", hooks, body, "Idempotency-Key", "order-66") })
	}
	wg.Wait()
	first := answers[0].want(201)
	for _, a := range answers[1:] {
		if a.want(201).body != first.body {
			t.Errorf("two answers:\n%s\n%s", first.body, a.body)
		}
	}
	spaced := s.operator("POST", hooks, ` { "event_types" : ["*"], "url" : "https://a.example" } `, "Idempotency-Key", "order-66")
	if spaced.want(201).body != first.body {
		t.Errorf("the same body, written otherwise: %s", spaced.body)
	}
	if p := s.operator("POST", hooks, other, "Idempotency-Key", "order-66").want(409).object(); p["code"] != "idempotency_key_reused" {
		t.Errorf("another body: %v", p)
	}
	s.operator("POST", "/v1/workspaces/ws_globex/webhooks", other, "Idempotency-Key", "order-66").want(201) // the key is the workspace's
	if list := s.operator("GET", hooks, "").want(200).object()["data"].([]any); len(list) != 1 {
		t.Errorf("%d webhooks", len(list))
	}
	s.operator("DELETE", hooks+"/"+first.object()["id"].(string), "").want(204)
	s.operator("POST", hooks, body, "Idempotency-Key", "order-66").want(409) // it cannot be answered with what is gone
	s.operator("POST", hooks, body, "Idempotency-Key", "\xff").want(422)
	s.operator("POST", hooks, body, "Idempotency-Key", strings.Repeat("k", 256)).want(422)
}

// TestIfMatch: strong tags, lists of them, weak ones, and the star.
func TestIfMatch(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	path := hooks + "/" + s.operator("POST", hooks, `{"url":"https://a.example","event_types":["*"]}`).want(201).object()["id"].(string)
	for tag, status := range map[string]int{
		`"1"`: 200, `*`: 200, ` "7" , "1" `: 200, ``: 200, `"2"`: 412, `W/"1"`: 412, `1`: 412, `"`: 412, `"7","8"`: 412, `"x", *`: 412, "\xff": 412,
	} {
		s.operator("PATCH", path, `{}`, "If-Match", tag).want(status)
	}
	if tag := s.operator("PATCH", path, `{}`).header.Get("ETag"); tag != `"1"` {
		t.Errorf("a change of nothing made %s", tag)
	}
	s.operator("PATCH", path, `{"description":"x"}`, "If-Match", `"1"`).want(200)
	s.operator("PATCH", path, `{"description":"y"}`, "If-Match", `"1"`).want(412)
	s.operator("DELETE", path, "", "If-Match", `"1"`).want(412)
	s.operator("PATCH", hooks+"/wh_none", `{}`, "If-Match", `"1"`).want(404)
	s.operator("DELETE", hooks+"/wh_none", "", "If-Match", `*`).want(404)
	s.operator("DELETE", path, "", "If-Match", `"2"`).want(204)
}

// TestMethods: what an address does not take is 405 with what it takes.
func TestMethods(t *testing.T) {
	s := newStored(t, "sqlite::memory:")
	for path, allow := range map[string]string{
		hooks: "GET, HEAD, POST", hooks + "/wh_x": "GET, HEAD, PATCH, DELETE", hooks + "/wh_x/test": "POST",
		"/openapi.json": "GET, HEAD", "/docs": "GET, HEAD", "/v1/meta": "GET, HEAD",
	} {
		for _, method := range []string{"OPTIONS", "PUT", "TRACE", "PROPFIND"} {
			if got := s.operator(method, path, "").want(405).header.Values("Allow"); len(got) != 1 || got[0] != allow {
				t.Errorf("%s %s: allow %q, want %q", method, path, got, allow)
			}
		}
	}
	s.operator("HEAD", hooks, "").want(200)
	s.call("", "HEAD", hooks, "").want(401)
	s.call(apitest.OperatorKey, "GET", "/v1/nothing", "").want(404)
	s.call(apitest.OperatorKey, "GET", hooks, "", "Accept", "application/cbor").want(200) // JSON is all there is
}
