package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestOpenAPIDocument has schemathesis make requests of the document that the program serves: valid ones and broken ones
// for each operation, and chains of them. Nothing may fail on our side, and all answers, headers and refusals must be as
// the document says. It takes as long as API_FUZZ says (a duration; 25s if it says nothing) and shows its seed, which
// API_FUZZ_SEED repeats.
func TestOpenAPIDocument(t *testing.T) {
	length, err := time.ParseDuration(fromEnv("API_FUZZ", "25s"))
	if err != nil {
		t.Fatal(err)
	}
	s := install(t).serve(t)
	s.fillHistory()
	pinned, err := filepath.Abs("testdata/schemathesis")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(testenv.Fetched(t, "schemathesis"), "python", "bin", "st"),
		"--config-file", filepath.Join(pinned, "schemathesis.toml"), "run", s.api+"/openapi.json", "--checks", "all",
		"--exclude-checks", "object_level_authorization", // it needs two users' data; TestTenantsCrossed is thorough
		"--max-time", fmt.Sprint(int(length.Seconds())), "--max-examples", fmt.Sprint(max(20, int(length.Seconds()))),
		"--seed", fromEnv("API_FUZZ_SEED", "1"), "--continue-on-failure", "--generation-database", "none", "--no-color",
		// The keys in its output are this test's, and without them a failure cannot be repeated.
		"--output-sanitize", "false")
	cmd.Dir = t.TempDir() // it leaves files where it runs
	cmd.Env = append(os.Environ(), "PYTHONPATH="+pinned, "PYTHONDONTWRITEBYTECODE=1", "DISPATCHER_URL="+s.api, "DISPATCHER_KEY="+s.key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("schemathesis: %v\n%s", err, tail(string(out), 60_000))
	}
	if text := s.text(); strings.Contains(text, "panicked") || strings.Contains(text, `"level":"error"`) {
		t.Error("the program logged errors")
	}
	_, summary, _ := strings.Cut(string(out), "= SUMMARY =")
	t.Log(strings.Trim(summary, "=\n"))
}

// fillHistory leaves deliveries of all kinds in a workspace that the document's examples name.
func (s *server) fillHistory() {
	s.t.Helper()
	rc := receive(s.t, func(w http.ResponseWriter, r request) {
		if r.path == "/fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	for _, path := range []string{"/works", "/fails"} {
		h := s.create("ws_acme", rc.URL+path)
		for range 3 {
			s.call("POST", "/v1/workspaces/ws_acme/webhooks/"+h.ID+"/test", map[string]any{"event": "SessionStarted"}, 202, nil)
		}
	}
	eventually(s.t, 20*time.Second, func() error {
		if n := len(s.attempts("ws_acme", "")); n < 6 {
			return fmt.Errorf("%d attempts in the history", n)
		}
		return nil
	})
}

// fromEnv is a variable of the environment, or what stands for it.
func fromEnv(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
