package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/voxagent/dispatcher/internal/api/apitest"
)

const hooks = "/v1/workspaces/ws_acme/webhooks"

func TestCreateWebhook(t *testing.T) {
	f := newFixture(t)
	a := f.operator("POST", hooks, `{"url":"https://a.example/in","event_types":["ConversationComplete"],"headers":{"X-A":"hush"}}`).want(http.StatusCreated)
	w := a.object()
	if w["secret"] != apitest.Secret(1) {
		t.Errorf("secret %v, want the webhook's", w["secret"])
	}
	if h := w["headers"].(map[string]any); h["X-A"] != "***" {
		t.Errorf("headers %v show their values", h)
	}
	for _, name := range []string{"disabled_reason", "failing_since", "max_per_second", "filter"} {
		if v, ok := w[name]; !ok || v != nil {
			t.Errorf("%s is %v, want null", name, v)
		}
	}
	if loc := a.header.Get("Location"); loc != hooks+"/"+w["id"].(string) {
		t.Errorf("location %q", loc)
	}
	if a.header.Get("ETag") != `"1"` {
		t.Errorf("etag %q", a.header.Get("ETag"))
	}
	if ts := w["created_at"].(string); len(ts) != len("2026-11-23T08:00:00.123Z") || !strings.HasSuffix(ts, "Z") {
		t.Errorf("created_at %q has no milliseconds in UTC", ts)
	}
}

func TestCreateRefuses(t *testing.T) {
	f := newFixture(t)
	key := f.Key("ws_acme")
	tests := []struct {
		name, body, location string
		status               int
	}{
		{"no url", `{"event_types":["*"]}`, "body.url", 422},
		{"unknown field", `{"url":"https://a.example","event_types":["*"],"color":"red"}`, "body.color", 422},
		{"field in another case", `{"URL":"https://a.example","event_types":["*"]}`, "body.URL", 422},
		{"same field twice", `{"url":"https://a.example","url":"https://b.example","event_types":["*"]}`, "body.url", 400},
		{"same field twice in another case", `{"url":"https://a.example","Url":"https://b.example","event_types":["*"]}`, "body.Url", 400},
		{"not JSON", `{"url":`, "body", 400},
		{"two values", `{"url":"https://a.example","event_types":["*"]} {}`, "body", 400},
		{"NUL", `{"url":"https://a.example","description":"a\u0000b","event_types":["*"]}`, "body.description", 400},
		{"a number for a text", `{"url":5,"event_types":["*"]}`, "body.url", 422},
		{"no types", `{"url":"https://a.example","event_types":[]}`, "body.event_types", 422},
		{"judged by the repository", `{"url":"ftp://a.example","event_types":["*"]}`, "body.url", 422},
		{"id of a customer", `{"url":"https://a.example","event_types":["*"],"id":"wh_mine"}`, "body.id", 422},
		{"secret of a customer", `{"url":"https://a.example","event_types":["*"],"secret":"0123456789abcdef"}`, "body.secret", 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.call(key, "POST", hooks, tt.body).want(tt.status)
			if a.faultAt(tt.location) == "" {
				t.Errorf("no fault at %s: %s", tt.location, a.body)
			}
			if strings.Contains(a.body, "0123456789abcdef") || strings.Contains(a.body, "api.") {
				t.Errorf("the answer repeats a secret or names our types: %s", a.body)
			}
		})
	}
	f.call(key, "POST", hooks, `{"url":"`+strings.Repeat("a", 300<<10)+`"}`).want(http.StatusRequestEntityTooLarge)
	f.call(key, "POST", hooks, `<a/>`, "Content-Type", "text/xml").want(http.StatusUnsupportedMediaType)
}

func TestIdempotencyKey(t *testing.T) {
	f := newFixture(t)
	body := `{"url":"https://a.example/in","event_types":["*"]}`
	first := f.operator("POST", hooks, body, "Idempotency-Key", "k1").want(201).object()
	again := f.operator("POST", hooks, body, "Idempotency-Key", "k1").want(201).object()
	if first["id"] != again["id"] || first["secret"] != again["secret"] {
		t.Errorf("the repeat made %v, the first %v", again["id"], first["id"])
	}
	const keys = "/v1/workspaces/ws_acme/api-keys"
	f.operator("POST", keys, `{"name":"ci"}`, "Idempotency-Key", "k2").want(201)
	if a := f.operator("POST", keys, `{"name":"ci"}`, "Idempotency-Key", "k2").want(409); !strings.Contains(a.body, `"key_shown"`) {
		t.Errorf("a key that was shown: %s", a.body)
	}
	if made := f.operator("GET", keys, "").want(200).object()["data"].([]any); len(made) != 1 {
		t.Errorf("%d keys were made", len(made))
	}
}

func TestUpdateWebhook(t *testing.T) {
	f := newFixture(t)
	id := f.Webhook("ws_acme", "https://a.example", "first")
	path := hooks + "/" + id
	a := f.operator("PATCH", path, `{"description":null,"max_per_second":2.5}`, "Content-Type", "application/merge-patch+json").want(200)
	w := a.object()
	if w["description"] != "" || w["max_per_second"] != 2.5 || w["url"] != "https://a.example" {
		t.Errorf("after the patch: %s", a.body)
	}
	f.operator("PATCH", path, `{"description":"lost"}`, "If-Match", `"1"`).want(http.StatusPreconditionFailed)
	f.operator("PATCH", path, `{"description":"weak"}`, "If-Match", `W/"2"`).want(http.StatusPreconditionFailed)
	f.operator("PATCH", path, `{"description":"kept"}`, "If-Match", `"7", "2"`).want(200)
	if got := f.operator("PATCH", path, `{"url":null}`).want(422).faultAt("body.url"); got != "cannot be null" {
		t.Errorf("null url: %q", got)
	}
	got := f.operator("PATCH", path, `{"enabled":false}`).want(200).object()
	if got["enabled"] != false || got["disabled_reason"] != "customer" {
		t.Errorf("disabled: %v", got)
	}
	f.operator("PATCH", path, `{"secret":"x"}`).want(422)
	f.operator("DELETE", path, "", "If-Match", `"1"`).want(412)
	f.operator("DELETE", path, "").want(204)
	f.operator("GET", path, "").want(404)
	f.operator("PATCH", path, `{}`).want(404)
}

func TestSecrets(t *testing.T) {
	f := newFixture(t)
	path := hooks + "/" + f.Webhook("ws_acme", "https://a.example", "") + "/secret"
	first := f.operator("GET", path, "").want(200).object()
	if first["secret"] != apitest.Secret(1) || first["previous_secret"] != nil || first["previous_expires_at"] != nil {
		t.Errorf("revealed %v", first)
	}
	rotated := f.operator("POST", path+"/rotate", "", "If-Match", `"1"`).want(200).object()
	f.operator("POST", path+"/rotate", "", "If-Match", `"1"`).want(412)
	if rotated["previous_secret"] != first["secret"] || rotated["secret"] == first["secret"] {
		t.Errorf("rotated %v", rotated)
	}
	f.operator("POST", path+"/rotate", `{"overlap_seconds":-1}`).want(422)
	f.operator("POST", path+"/expire-previous", "").want(204)
	if after := f.operator("GET", path, "").object(); after["previous_secret"] != nil {
		t.Errorf("after the overlap %v", after)
	}
	f.call(f.Key("ws_acme", "read"), "GET", path, "").want(http.StatusForbidden)
}

func TestListPages(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.Webhook("ws_acme", "https://a.example", "")
	}
	var page struct {
		Data       []struct{ ID string }
		NextCursor *string `json:"next_cursor"`
	}
	f.operator("GET", hooks+"?limit=2", "").want(200).read(&page)
	if len(page.Data) != 2 || page.NextCursor == nil {
		t.Fatalf("first page %+v", page)
	}
	f.operator("GET", hooks+"?limit=2&cursor="+*page.NextCursor, "").want(200).read(&page)
	if len(page.Data) != 1 || page.NextCursor != nil {
		t.Fatalf("last page %+v", page)
	}
	for _, query := range []string{"limit=0", "limit=251", "limit=x", "cursor=x", "colour=red"} {
		f.operator("GET", hooks+"?"+query, "").want(422)
	}
}
