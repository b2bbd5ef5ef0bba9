package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// promised is every call of the contract that is built.
var promised = []string{
	"GET /v1/event-types", "GET /v1/meta", "GET /v1/workspaces", "PATCH W",
	"POST W/webhooks", "GET W/webhooks", "GET W/webhooks/{id}", "PATCH W/webhooks/{id}", "DELETE W/webhooks/{id}",
	"GET W/webhooks/{id}/secret", "POST W/webhooks/{id}/secret/rotate", "POST W/webhooks/{id}/secret/expire-previous",
	"POST W/webhooks/{id}/test", "GET W/webhooks/{id}/attempts", "GET W/webhooks/{id}/stats", "GET W/attempts",
	"GET W/deliveries", "GET W/attempts/{id}", "GET W/webhooks/{id}/deliveries", "GET W/deliveries/{id}", "GET W/events",
	"GET W/events/{id}", "POST W/deliveries/{id}/resend", "POST W/deliveries/{id}/cancel", "GET W/audit-log",
	"POST W/api-keys", "GET W/api-keys", "DELETE W/api-keys/{id}",
}

func TestDocumentListsEveryRoute(t *testing.T) {
	f := newFixture(t)
	d := f.document()
	if !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %q, want 3.1", d.OpenAPI)
	}
	found := map[string]bool{}
	ids := map[string]bool{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			found[strings.ToUpper(method)+" "+path] = true
			if ids[op.OperationID] || op.Summary == "" || len(op.Security) == 0 {
				t.Errorf("%s %s: id %q is there twice, or it has no summary or no security", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
			statuses := []string{"401", "403", "422", "500"}
			for _, p := range op.Parameters {
				if refusal := map[string]string{"If-Match": "412", "Idempotency-Key": "409"}[p.Name]; refusal != "" {
					statuses = append(statuses, refusal)
				}
			}
			for _, status := range statuses {
				if op.Responses[status] == nil {
					t.Errorf("%s: %s is not documented", op.OperationID, status)
				}
			}
		}
	}
	for _, call := range promised {
		call = strings.Replace(call, " W", " /v1/workspaces/{workspace_id}", 1)
		if !found[call] {
			t.Errorf("%s is not in the document", call)
		}
		delete(found, call)
	}
	for call := range found {
		t.Errorf("%s is in the document but not promised", call)
	}
}

// TestDocumentedRoutesAnswer calls every documented route without a key: each must be routed (401, not 404).
func TestDocumentedRoutesAnswer(t *testing.T) {
	f := newFixture(t)
	for path, operations := range f.document().Paths {
		for method := range operations {
			f.call("", strings.ToUpper(method), strings.NewReplacer("{workspace_id}", "w", "{id}", "i").Replace(path), "").want(http.StatusUnauthorized)
		}
	}
}

func TestDocumentReferencesResolve(t *testing.T) {
	f := newFixture(t)
	text := f.call("", "GET", "/openapi.json", "").want(200).body
	schemas := f.document().Components.Schemas
	refs := regexp.MustCompile(`"\$ref":"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(refs) < 20 {
		t.Fatalf("only %d references", len(refs))
	}
	for _, ref := range refs {
		if schemas[ref[1]] == nil {
			t.Errorf("%s is referred to but not there", ref[1])
		}
	}
	if schemas["ErrorModel"] != nil || strings.Contains(text, "ErrorModel") {
		t.Error("the framework's own error is in the document")
	}
}

var elsewhere = regexp.MustCompile(`(?i)(?:src|href|action)\s*=\s*["']?(?:https?:)?//|@import|url\(`)

func TestDocsStandAlone(t *testing.T) {
	f := newFixture(t)
	page := f.call("", "GET", "/docs", "").want(200)
	if elsewhere.MatchString(page.body) || strings.Contains(page.body, "<script") || strings.Contains(page.body, " style=") {
		t.Error("the page loads something from elsewhere, or has scripts or styles of its own")
	}
	for _, text := range []string{"Create a webhook", "Why, or why not", "/v1/workspaces/{workspace_id}/webhooks", "$KEY"} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the page does not hold %q", text)
		}
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") {
		t.Errorf("policy %q", csp)
	}
	if css := f.call("", "GET", "/docs/docs.css", "").want(200); elsewhere.MatchString(css.body) {
		t.Error("the stylesheet loads something")
	}
	f.call("", "GET", "/docs/", "").want(http.StatusMovedPermanently)
	f.call("", "GET", "/docs/nothing", "").want(404)
}
