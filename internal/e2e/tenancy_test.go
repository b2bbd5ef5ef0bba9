package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestTenantsCrossed has one workspace try all that another one owns, in a running program, by every call that the served
// document names: nothing of it exists, and nothing of the attempt remains.
func TestTenantsCrossed(t *testing.T) {
	in := install(t)
	s := in.serve(t, "--retry-schedule", "1h", "--api-rate", "0") // it calls faster than any quota
	x := &crossing{t: t, s: s, calls: served(t, s), a: newTenant(t, in, s, "ws_acme"), b: newTenant(t, in, s, "ws_globex")}
	broker := testenv.Kafka(t)
	before := x.b.settled(s, broker, in.prefix)
	x.run("foreign paths", x.foreignPaths)
	x.run("foreign ids", x.foreignIDs)
	x.run("foreign filters", x.foreignFilters)
	x.run("pages", x.pages)
	x.run("bad keys", x.badKeys)
	if after := x.b.settled(s, broker, in.prefix); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	x.run("scopes", x.scopes)
	x.run("idempotency", x.idempotency)
	t.Logf("%d calls crossed", x.made)
}

// crossing is tenant a trying what tenant b has.
type crossing struct {
	t     *testing.T
	s     *server
	calls []call
	a, b  *tenant
	made  int
}

// run runs a part as a test of its own.
func (x *crossing) run(name string, part func()) {
	outer := x.t
	outer.Run(name, func(t *testing.T) {
		x.t, x.s.t = t, t
		defer func() { x.t, x.s.t = outer, outer }()
		part()
	})
}

// call is an operation of the served document.
type call struct {
	id, method, path string
	query            []string
	body             string
	// needs are the scopes of the key, and "operator".
	needs []string
}

// bodies are valid bodies of the operations that take one.
var bodies = map[string]string{
	"create-webhook": `{"url":"https://evil.example","event_types":["*"],"description":"taken"}`, "update-webhook": `{"description":"taken"}`,
	"rotate-secret": `{"overlap_seconds":0}`, "test-webhook": `{"event":"SessionStarted"}`, "create-api-key": `{"name":"taken"}`,
	"update-workspace": `{"suspended":true}`,
}

// neutral are the query parameters that name nothing of a workspace.
var neutral = []string{"limit", "since", "until", "status", "event", "http_status", "error", "trigger", "step"}

// foreign are those that do, and the kind of what they name; a cursor names a place in a list.
var foreign = map[string]string{
	"delivery_id": "delivery", "event_id": "event", "webhook_id": "webhook", "session_id": "session", "cursor": "",
}

// served reads the operations from the document. What this test knows nothing of makes it fail, so that a later operation
// is crossed too.
func served(t *testing.T, s *server) []call {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			ID         string `json:"operationId"`
			Parameters []struct{ Name, In string }
			Security   []map[string][]string
			Body       *struct{} `json:"requestBody"`
		}
	}
	s.call("GET", "/openapi.json", nil, 200, &doc)
	var all []call
	for path, operations := range doc.Paths {
		for method, op := range operations {
			c := call{id: op.ID, method: strings.ToUpper(method), path: path, needs: op.Security[0]["key"], body: bodies[op.ID]}
			if op.Body != nil && c.body == "" {
				t.Fatalf("this test knows no body for %s: add one to bodies", op.ID)
			}
			for _, p := range op.Parameters {
				_, names := foreign[p.Name]
				switch {
				case p.In == "path" && p.Name != "workspace_id" && p.Name != "id":
					t.Fatalf("%s: this test does not know what to put for {%s}", path, p.Name)
				case p.In == "query" && !names && !slices.Contains(neutral, p.Name):
					t.Fatalf("%s: this test does not know whether ?%s= names something of a workspace: add it to foreign or neutral", path, p.Name)
				case p.In == "query":
					c.query = append(c.query, p.Name)
				}
			}
			all = append(all, c)
		}
	}
	if len(all) < 28 {
		t.Fatalf("the document has only %d operations", len(all))
	}
	slices.SortFunc(all, func(a, b call) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}

func (c *call) at(workspace, id string) string {
	return strings.NewReplacer("{workspace_id}", workspace, "{id}", id).Replace(c.path)
}

func (c *call) one() bool { return strings.Contains(c.path, "{id}") }

func (c *call) inWorkspace() bool { return strings.Contains(c.path, "{workspace_id}") }

func (c *call) operator() bool { return slices.Contains(c.needs, "operator") }

// same makes a call that names what is b's and one that names nothing at all: both must have the status, and not differ.
func (x *crossing) same(key, method, theirs, nothing, body string, want int, ids ...string) {
	x.t.Helper()
	for _, header := range []string{"If-None-Match", "If-Match"} { // the first one is heard by nobody
		got, twin := x.s.try(key, method, theirs, body, header, `"1"`), x.s.try(key, method, nothing, body, header, `"1"`)
		x.made += 2
		if got.status != want {
			x.t.Errorf("%s %s: %d, want %d: %s", method, theirs, got.status, want, got.body)
		}
		if a, b := got.without(ids...), twin.without(ids...); a != b {
			x.t.Errorf("%s %s differs from what is not there:\n%s\n%s", method, theirs, a, b)
		}
		if mark := got.tells(x.b); mark != "" {
			x.t.Errorf("%s %s tells %q: %s", method, theirs, mark, got.body)
		}
	}
}

// foreignPaths: with a's key, below b's workspace, with ids of b, of a, and of nobody.
func (x *crossing) foreignPaths() {
	for _, c := range x.calls {
		if !c.inWorkspace() {
			continue
		}
		ids := []string{""}
		if c.one() {
			ids = append(append(x.b.some(), x.a.some()...), unlike(x.b.ids["webhook"][0]))
		}
		for _, id := range ids {
			x.same(x.a.key, c.method, c.at(x.b.workspace, id), c.at("ws_nobody", id), c.body, http.StatusNotFound)
		}
	}
}

// foreignIDs: below a's workspace with b's ids, with a's key and with an operator's, who sees both workspaces.
func (x *crossing) foreignIDs() {
	for _, c := range x.calls {
		if !c.inWorkspace() || !c.one() {
			continue
		}
		for _, id := range x.b.some() {
			want := http.StatusNotFound
			if c.operator() {
				want = http.StatusForbidden
			}
			path, nothing := c.at(x.a.workspace, id), c.at(x.a.workspace, unlike(id))
			x.same(x.a.key, c.method, path, nothing, c.body, want, id, unlike(id))
			x.same(operatorKey, c.method, path, nothing, c.body, http.StatusNotFound, id, unlike(id))
		}
	}
}

// foreignFilters: a's lists, asked for what is b's.
func (x *crossing) foreignFilters() {
	for _, c := range x.calls {
		path := c.at(x.a.workspace, x.a.hooks[0].ID)
		if len(c.query) == 0 || !c.inWorkspace() || c.operator() {
			continue
		}
		for _, name := range c.query {
			for _, id := range x.b.ids[foreign[name]] {
				x.same(x.a.key, c.method, path+"?"+name+"="+id, path+"?"+name+"="+unlike(id), "", http.StatusOK)
				if r := x.s.try(x.a.key, c.method, path+"?"+name+"="+id, ""); r.body != "{\"data\":[],\"next_cursor\":null}\n" {
					x.t.Errorf("%s?%s=%s: %s", path, name, id, r.body)
				}
			}
		}
		if !slices.Contains(c.query, "cursor") {
			continue
		}
		// A cursor is a place in time, not a right: it leads to what is a's there, or to nothing.
		for list, cursor := range x.b.cursors {
			r := x.s.try(x.a.key, c.method, path+"?cursor="+cursor, "")
			x.made++
			if mark := r.tells(x.b); mark != "" || (r.status != 200 && r.status != 422) {
				x.t.Errorf("%s with a cursor of %s: %d, tells %q: %s", path, list, r.status, mark, r.body)
			}
		}
	}
	for _, c := range x.calls {
		if !c.inWorkspace() && c.operator() {
			x.same(x.a.key, c.method, c.path, c.path, c.body, http.StatusForbidden)
		}
	}
}

// idempotency: a key that b used is fresh for a, whatever the body.
func (x *crossing) idempotency() {
	body := bodies["create-webhook"]
	made := func(owner *tenant, body string) (id, secret string) {
		x.t.Helper()
		r := x.s.try(owner.key, "POST", "/v1/workspaces/"+owner.workspace+"/webhooks", body, "Idempotency-Key", "shared")
		var w hook
		if err := json.Unmarshal([]byte(r.body), &w); err != nil || r.status != 201 {
			x.t.Fatalf("%d %s: %v", r.status, r.body, err)
		}
		if mark := r.tells(x.b); owner == x.a && mark != "" {
			x.t.Errorf("a create tells %q: %s", mark, r.body)
		}
		return w.ID, w.Secret
	}
	id, secret := made(x.b, body)
	ownID, ownSecret := made(x.a, body)
	if id == ownID || secret == ownSecret {
		x.t.Errorf("both got %s", id)
	}
	if again, _ := made(x.a, body); again != ownID {
		x.t.Errorf("a's repeat made %s, before %s", again, ownID)
	}
}

// required is what a call must need, whatever the document says: reading is read, but for secrets; sending again is
// replay; the rest is write; and what decides over the workspace itself is the operator's.
func (c *call) required() []string {
	scope := "write"
	switch {
	case strings.HasSuffix(c.path, "/resend"), strings.HasSuffix(c.path, "/cancel"):
		scope = "replay"
	case c.method == http.MethodGet && !strings.HasSuffix(c.path, "/secret"):
		scope = "read"
	}
	if strings.Contains(c.path, "/api-keys") || strings.TrimSuffix(c.path, "/{workspace_id}") == "/v1/workspaces" {
		return []string{scope, "operator"}
	}
	return []string{scope}
}

// scopes: each call with keys of one scope.
func (x *crossing) scopes() {
	for _, c := range x.calls {
		if want := c.required(); !slices.Equal(c.needs, want) {
			x.t.Errorf("%s %s needs %v, want %v", c.method, c.path, c.needs, want)
		}
	}
	for _, scope := range []string{"read", "write", "replay"} {
		key := x.s.newKey(x.a.workspace, map[string]any{"name": scope, "scopes": []string{scope}})
		for _, c := range x.calls {
			path := c.at(x.a.workspace, unlike(x.a.ids["webhook"][0]))
			r := x.s.try(key, c.method, path, c.body)
			x.made++
			if may := slices.Equal(c.needs, []string{scope}); may == (r.status == http.StatusForbidden) || r.status >= 500 {
				x.t.Errorf("%s %s needs %v, key with %s: %d %s", c.method, path, c.needs, scope, r.status, r.body)
			}
		}
	}
}

// badKeys: keys that are expired, revoked, unknown or none are all refused alike.
func (x *crossing) badKeys() {
	soon := time.Now().Add(2 * time.Second).UTC()
	expired := x.s.newKey(x.a.workspace, map[string]any{"name": "short", "expires_at": soon.Format(time.RFC3339Nano)})
	revoked := x.s.newKey(x.a.workspace, map[string]any{"name": "revoked"})
	id := regexp.MustCompile(`^key_[0-9A-Z]+`).FindString(revoked)
	x.s.call("DELETE", "/v1/workspaces/"+x.a.workspace+"/api-keys/"+id, nil, 204, nil)
	eventually(x.t, 10*time.Second, func() error {
		if r := x.s.try(expired, "GET", "/v1/meta", ""); r.status != http.StatusUnauthorized {
			return fmt.Errorf("a key that ends at %s: %d", soon, r.status)
		}
		return nil
	})
	good := x.a.key
	bad := []string{
		expired, revoked, good[:len(good)-1], good + "0", good[:len(good)-8] + flip(good[len(good)-8:]), strings.ToUpper(good), "key_", "x",
		operatorKey + "0", operatorKey[1:], strings.Repeat("k", 5000), x.b.ids["key"][0], id,
	}
	for _, c := range x.calls {
		path := c.at(x.a.workspace, x.a.hooks[0].ID)
		first := x.s.try(bad[0], c.method, path, c.body).without()
		for _, key := range bad {
			r := x.s.try(key, c.method, path, c.body)
			x.made++
			if r.status != http.StatusUnauthorized || r.without() != first || r.tells(x.a) != "" {
				x.t.Errorf("%s %s with %.20s…: %s\nwant %s", c.method, path, key, r.without(), first)
			}
		}
		for _, header := range []string{"", "Basic " + good, "Bearer", good, "Bearer " + good + " " + good} {
			if r := x.s.try("", c.method, path, c.body, "Authorization", header); r.status != http.StatusUnauthorized || r.tells(x.a) != "" {
				x.t.Errorf("%s %s with %q: %d %s", c.method, path, header, r.status, r.body)
			}
		}
	}
}

// flip changes the first character.
func flip(s string) string {
	if s[0] == 'a' {
		return "b" + s[1:]
	}
	return "a" + s[1:]
}
