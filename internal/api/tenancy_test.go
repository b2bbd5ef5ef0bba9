package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// document is the part of the OpenAPI document that the tests read.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Summary     string `json:"summary"`
		Parameters  []struct {
			Name string `json:"name"`
		} `json:"parameters"`
		Security  []map[string]any `json:"security"`
		Responses map[string]any   `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]any `json:"schemas"`
	} `json:"components"`
}

func (f *fixture) document() document {
	f.t.Helper()
	var d document
	f.call("", "GET", "/openapi.json", "").want(200).read(&d)
	return d
}

// bodies are valid bodies of the operations that take one.
var bodies = map[string]string{
	"create-webhook":   `{"url":"https://evil.example","event_types":["*"]}`,
	"update-webhook":   `{"description":"taken"}`,
	"rotate-secret":    `{}`,
	"test-webhook":     `{"event":"SessionStarted"}`,
	"create-api-key":   `{"name":"mine"}`,
	"update-workspace": `{"suspended":true}`,
}

// TestForeignWorkspace crosses every operation with another workspace's path and ids: to a workspace's key nothing of
// another one exists, and nothing of it changes.
func TestForeignWorkspace(t *testing.T) {
	f := newFixture(t)
	at := time.Now().Add(-time.Hour)
	ids := map[string][]string{} // by workspace
	for _, ws := range []string{"ws_a", "ws_b"} {
		hook := f.Webhook(ws, "https://"+ws+".example", ws)
		d := f.Deliver(ws, hook, "SessionStarted", at, time.Time{}, []byte(`{"of":"`+ws+`"}`), apitest.Answer{Status: 500})
		f.Key(ws)
		keys, err := f.Repository.APIKeys(t.Context(), ws, subscription.Page{})
		if err != nil {
			t.Fatal(err)
		}
		ids[ws] = []string{hook, d.ID, d.Occurrence.AttemptID(hook, 1, 1), d.EventID, keys.Items[0].ID, "wh_unknown"}
	}
	key := f.Key("ws_a")
	before := state(t, f)
	crossed := 0
	for path, operations := range f.document().Paths {
		for method, op := range operations {
			if !strings.Contains(path, "{workspace_id}") {
				continue
			}
			var targets []string
			for _, id := range append(ids["ws_b"], ids["ws_a"]...) {
				targets = append(targets, strings.NewReplacer("{workspace_id}", "ws_b", "{id}", id).Replace(path))
			}
			if strings.Contains(path, "{id}") {
				for _, id := range ids["ws_b"] {
					targets = append(targets, strings.NewReplacer("{workspace_id}", "ws_a", "{id}", id).Replace(path))
				}
			}
			slices.Sort(targets)
			for _, target := range slices.Compact(targets) {
				a := f.call(key, strings.ToUpper(method), target, bodies[op.OperationID])
				forbidden := a.status == http.StatusForbidden && strings.Contains(target, "/ws_a/") // an operator's call on its own workspace
				if a.status != http.StatusNotFound && !forbidden {
					t.Errorf("%s %s: %d %s", method, target, a.status, a.body)
				}
				if strings.Contains(a.body, "ws_b") {
					t.Errorf("%s %s tells of the other workspace: %s", method, target, a.body)
				}
				crossed++
			}
		}
	}
	if crossed < 100 {
		t.Errorf("only %d calls were crossed", crossed)
	}
	if after := state(t, f); after != before {
		t.Errorf("a foreign call changed something:\n%s\n%s", before, after)
	}
}

// state is everything that a foreign call must not change, as text.
func state(t *testing.T, f *fixture) string {
	t.Helper()
	hooks, err := f.Repository.Webhooks(t.Context(), "ws_b", subscription.Page{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := f.Repository.AuditLog(t.Context(), "ws_b", subscription.Page{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{hooks, log, len(f.Commander.Resends()), len(f.Commander.Tests()), len(f.Commander.Cancellations())})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestListsHoldOwn reads every list of one workspace and finds nothing of the other.
func TestListsHoldOwn(t *testing.T) {
	f := newFixture(t)
	for _, ws := range []string{"ws_mine", "ws_other"} {
		hook := f.Webhook(ws, "https://"+ws+".example", ws)
		f.Deliver(ws, hook, "SessionStarted", time.Now(), time.Time{}, []byte(`{}`), apitest.Answer{Status: 200})
	}
	key := f.Key("ws_mine")
	for _, list := range []string{"webhooks", "attempts", "deliveries", "events", "audit-log"} {
		a := f.call(key, "GET", "/v1/workspaces/ws_mine/"+list, "").want(200)
		if strings.Contains(a.body, "ws_other") || len(a.object()["data"].([]any)) == 0 {
			t.Errorf("%s: %s", list, a.body)
		}
	}
}

func TestOddIDs(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{"%00", "a%2Fb", "%F0%9F%92%A9", strings.Repeat("x", 129), "a%20b", "a'b", "%ff"} {
		for _, path := range []string{"webhooks/", "attempts/", "deliveries/", "events/"} {
			f.operator("GET", "/v1/workspaces/ws_a/"+path+id, "").want(404)
		}
		f.operator("GET", "/v1/workspaces/"+id+"/webhooks", "").want(404)
	}
	f.operator("GET", "/v1/workspaces/ws_a/attempts?session_id=%00", "").want(422)
	f.operator("GET", "/v1/workspaces/ws_a/attempts?session_id=%ff", "").want(422)
}
