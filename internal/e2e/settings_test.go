package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSettingsFilesAreReadAgain: operator keys and event types follow their files within a second, and a file that is wrong
// or gone changes nothing.
func TestSettingsFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	keys, types := filepath.Join(dir, "keys"), filepath.Join(dir, "types.json")
	write := func(path, content string) {
		t.Helper()
		// As container platforms do: another file in its place, at once.
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	const ana, ben, cleo = "key-of-ana-0123456789", "key-of-ben-0123456789", "key-of-cleo-0123456789"
	write(keys, "# who may what\nana read,write,replay "+ana+"\nben read "+ben+"\n")
	write(types, `[{"name":"CallTransferred","description":"A call went on to a person."}]`)
	s := dev(t, "--operator-keys", keys, "--event-types", types, "--max-webhooks", "2", "--max-event-types", "3", "--max-url-bytes", "40")
	const hooks = "/v1/workspaces/ws_acme/webhooks"
	body := func(types ...string) string {
		return `{"url":"https://example.com/in","event_types":["` + strings.Join(types, `","`) + `"]}`
	}
	expect := func(what string, want int, key, method, path, body string) {
		t.Helper()
		if got := s.try(key, method, path, body).status; got != want {
			t.Errorf("%s: status %d, want %d", what, got, want)
		}
	}
	within := func(what string, want int, key, method, path, body string) {
		t.Helper()
		for written, asked := time.Now(), time.Now(); ; asked = time.Now() {
			if s.try(key, method, path, body).status == want {
				return
			}
			if late := asked.Sub(written); late > time.Second { // whatever time the answer took
				t.Fatalf("%s: not for who asks %s later", what, late)
			}
			time.Sleep(20 * time.Millisecond) // nothing tells that the file was read
		}
	}
	expect("ana writes", http.StatusCreated, ana, "POST", hooks, body("CallTransferred"))
	expect("ben reads", http.StatusOK, ben, "GET", hooks, "")
	expect("ben writes", http.StatusForbidden, ben, "POST", hooks, body("CallTransferred"))
	expect("an unknown type", http.StatusUnprocessableEntity, ana, "POST", hooks, body("CallEnded"))
	expect("four types", http.StatusUnprocessableEntity, ana, "POST", hooks, body("A*", "B*", "C*", "D*"))
	expect("a long URL", http.StatusUnprocessableEntity, ana, "POST", hooks, strings.Replace(body("*"), "/in", "/"+strings.Repeat("x", 40), 1))
	expect("a second webhook", http.StatusCreated, ana, "POST", hooks, body("*"))
	expect("a third webhook", http.StatusConflict, ana, "POST", hooks, body("*"))

	write(keys, "ana read "+ana+"\ncleo read,write "+cleo+"\n")
	within("ben is out", http.StatusUnauthorized, ben, "GET", hooks, "")
	expect("ana's scopes", http.StatusForbidden, ana, "POST", hooks, body("*"))
	expect("cleo", http.StatusConflict, cleo, "POST", hooks, body("*"))
	write(types, `[{"name":"CallTransferred"},{"name":"CallEnded"}]`)
	const other = "/v1/workspaces/ws_other/webhooks"
	within("a new type", http.StatusCreated, cleo, "POST", other, body("CallEnded"))

	write(keys, "ana everything "+ana+"\n")
	write(types, `[{"name":"?"}]`)
	s.waitFor("word of the faults", 5*time.Second, func(out string) bool {
		return strings.Contains(out, "--operator-keys is wrong") && strings.Contains(out, "--event-types is wrong")
	})
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	s.waitFor("word of the missing file", 5*time.Second, func(out string) bool { return strings.Contains(out, "--operator-keys cannot be read") })
	expect("cleo, still", http.StatusConflict, cleo, "POST", hooks, body("*"))
	expect("the type, still", http.StatusCreated, cleo, "POST", other, body("CallEnded"))
	for _, key := range []string{ana, ben, cleo} {
		if strings.Contains(s.text(), key) {
			t.Error("a key is in the log")
		}
	}
}

// TestCallsAreCounted: a key that asks too often is told when to come back; others are not held up.
func TestCallsAreCounted(t *testing.T) {
	s := dev(t, "--api-rate", "5")
	var made struct{ Key string }
	s.call("POST", "/v1/workspaces/ws_acme/api-keys", map[string]any{"name": "backend"}, http.StatusCreated, &made)
	refused := 0
	for range 30 {
		answer := s.try(made.Key, "GET", "/v1/workspaces/ws_acme/webhooks", "")
		switch answer.status {
		case http.StatusOK:
		case http.StatusTooManyRequests:
			refused++
			if answer.header.Get("Retry-After") != "1" || answer.header.Get("RateLimit-Remaining") != "0" {
				t.Errorf("refused with %v", answer.header)
			}
		default:
			t.Errorf("status %d", answer.status)
		}
	}
	if refused < 5 || refused > 20 {
		t.Errorf("%d of 30 calls were refused", refused)
	}
	s.call("GET", "/v1/workspaces/ws_acme/webhooks", nil, http.StatusOK, nil)
}
