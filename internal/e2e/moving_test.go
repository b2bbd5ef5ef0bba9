package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

// TestMovingIn: webhooks of one installation are exported and imported into an empty one. Their customers notice nothing:
// ids and secrets are the same.
func TestMovingIn(t *testing.T) {
	const hooks, workspaces = 1000, 40
	rc := receive(t, nil)
	old := install(t)
	s := old.serve(t, "--roles", "api")
	secrets := map[string]string{} // by the path that the webhook points to
	ids := map[string]string{}
	for i := range hooks {
		path := fmt.Sprintf("/%d", i)
		w := s.create(fmt.Sprintf("ws_%d", i%workspaces), rc.URL+path, fmt.Sprintf("Conversation%d*", i))
		secrets[path], ids[path] = w.Secret, w.ID
	}
	var rotated struct {
		Secret string `json:"secret"`
	}
	s.call("POST", "/v1/workspaces/ws_7/webhooks/"+ids["/7"]+"/secret/rotate", map[string]any{}, http.StatusOK, &rotated)
	s.call("PATCH", "/v1/workspaces/ws_8/webhooks/"+ids["/8"], map[string]any{
		"filter": `data.session_id == "s8"`, "headers": map[string]string{"X-Token": "moved"}, "description": "the eighth",
	}, http.StatusOK, nil)
	file := filepath.Join(t.TempDir(), "webhooks.jsonl")
	if out := must(t, nil, old.env, "webhooks", "export", "--actor", "ana", file); !strings.Contains(out, "1000 webhooks exported") {
		t.Errorf("export says %q", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	var log page[struct{ Action, Actor_name string }]
	s.call("GET", "/v1/workspaces/ws_3/audit-log?limit=1", nil, http.StatusOK, &log)
	if log.Data[0].Action != "webhook.export" {
		t.Errorf("audit log: %+v", log.Data)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	in := install(t)
	in.env = append(in.env, "DISPATCHER_ENCRYPTION_KEY=HxwdHh8YGRobFBUWFxAREhMMDQ4PCAkKCwQFBgcAAQI=")
	d := in.serve(t) // it runs while they move in
	broken := `{"id":"wh_1","workspace_id":"ws_1","url":"http://10.1.1.1/?token=hunter2","event_types":["*"],"secret":"short"}` + "\n" + `{"idd":1}` + "\n" +
		`{"id":"wh_3","workspace_id":"ws_1","url":"https://example.com/","event_types":["*"],"secret":"0123456789abcdef","headers":{"X-A":"***"}}` + "\n"
	out, code := run(t, strings.NewReader(string(content)+broken), in.env, "webhooks", "import", "--dry-run")
	for _, want := range []string{
		"line 1001 (wh_1): url: must lead to a public address", "line 1001 (wh_1): secret: want 16 to 256", `line 1002: json: unknown field "idd"`,
		"line 1003 (wh_3): headers.X-A: *** is what the API shows", "1000 webhooks could be imported, 3 refused",
	} {
		if code == 0 || !strings.Contains(out, want) || strings.Contains(out, "hunter2") {
			t.Errorf("dry run: code %d, not %q in:\n%s", code, want, out)
		}
	}
	for _, want := range []string{"1000 webhooks imported, 0 were there already", "0 webhooks imported, 1000 were there already, 0 of them different"} {
		if out := must(t, strings.NewReader(string(content)), in.env, "webhooks", "import", "-"); !strings.Contains(out, want) {
			t.Errorf("import says %q, want %q", out, want)
		}
	}
	again := must(t, nil, in.env, "webhooks", "export")
	if lines, _, _ := strings.Cut(again, "1000 webhooks exported"); lines != string(content) {
		t.Errorf("what is exported then differs: %d bytes, %d before", len(lines), len(content))
	}
	// What the API shows, with the secret added, is a line too.
	var shownByAPI map[string]any
	s.call("GET", "/v1/workspaces/ws_9/webhooks/"+ids["/9"], nil, http.StatusOK, &shownByAPI)
	shownByAPI["secret"] = secrets["/9"]
	asLine, err := json.Marshal(shownByAPI)
	if err != nil {
		t.Fatal(err)
	}
	if out := must(t, strings.NewReader(string(asLine)), in.env, "webhooks", "import"); !strings.Contains(out, "1 were there already, 0 of them different") {
		t.Errorf("import of what the API shows says %q", out)
	}
	time.Sleep(time.Second) // what a change may take
	docs := make([]string, hooks)
	for i := range docs {
		docs[i] = document(fmt.Sprintf("evt_%d", i), fmt.Sprintf("ws_%d", i%workspaces), fmt.Sprintf("Conversation%d", i), fmt.Sprintf(`{"session_id":"s%d"}`, i))
	}
	// A prefix selects longer names too: Conversation1* also gets Conversation10.
	in.publish(t, docs...)
	perWebhook := map[string]int{}
	rc.wait(t, "an event for each webhook", 60*time.Second, func(all []request) bool {
		clear(perWebhook)
		for _, r := range all {
			perWebhook[r.path]++
		}
		return len(perWebhook) == hooks
	})
	for _, r := range rc.requests() {
		if err := verify(r, secrets[r.path]); err != nil {
			t.Errorf("%s: %v", r.path, err)
		}
		if r.path == "/7" && webhook.Verify(r.header, r.body, rotated.Secret) != nil {
			t.Error("the secret of the rotation under way does not sign")
		}
		if token := r.header.Get("X-Token"); (r.path == "/8") != (token == "moved") {
			t.Errorf("%s: X-Token %q", r.path, token)
		}
	}
	var first struct {
		ID        string    `json:"id"`
		CreatedAt time.Time `json:"created_at"`
	}
	line, _, _ := strings.Cut(string(content), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatal(err)
	}
	var shown struct {
		CreatedAt time.Time `json:"created_at"`
	}
	d.call("GET", "/v1/workspaces/ws_0/webhooks/"+first.ID, nil, http.StatusOK, &shown)
	if !shown.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("created at %s, was %s", shown.CreatedAt, first.CreatedAt)
	}
}
