package docstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// singleFiles are the files that no receiver or relay has: the tests in this file and those of requests and outbox run them.
var singleFiles = []string{
	"receiving/request.http", "record/event.json",
	"inbox/table.sql", "inbox/receive.sql", "inbox/work.sql",
	"outbox/table.sql", "outbox/write.sql",
	"testing/send.sh", "testing/listen.sh", "testing/sign.sh",
	"check/events.ndjson", "check/validate.sh", "check/validate.txt", "check/schema.sh", "check/publish.sh",
}

// shell runs the pages' commands with the dispatcher of this checkout.
type shell struct {
	folder string
	env    []string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{folder: t.TempDir()}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(s.folder, "bin", "dispatcher"),
		"github.com/voxagent/dispatcher/cmd/dispatcher")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.env = append(os.Environ(), "PATH="+filepath.Join(s.folder, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	return s
}

// run runs a snippet and returns what it printed.
func (s *shell) run(t *testing.T, name string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", snippet(t, name))
	cmd.Dir, cmd.Env = s.folder, append(slices.Clip(s.env), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// file writes a snippet into the folder under the name that the commands have for it.
func (s *shell) file(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, filepath.Base(name)), []byte(snippet(t, name)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCommands(t *testing.T) {
	s := newShell(t)
	t.Run("validate", func(t *testing.T) {
		s.file(t, "check/events.ndjson")
		out, err := s.run(t, "check/validate.sh")
		if want := snippet(t, "check/validate.txt"); err == nil || out != want {
			t.Errorf("%v, printed\n%s\nthe page has\n%s", err, out, want)
		}
	})
	t.Run("schema", func(t *testing.T) {
		out, err := s.run(t, "check/schema.sh")
		want, wantErr := event.Schema("event")
		if got := read(t, filepath.Join(s.folder, "event.schema.json")); err != nil || wantErr != nil ||
			strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
			t.Errorf("%v, %v, %s\n%s", err, wantErr, out, got)
		}
	})
	t.Run("sign", func(t *testing.T) {
		secret := webhook.NewSecret()
		server, got := verifying(t, secret)
		out, err := s.run(t, "testing/sign.sh", "WEBHOOK_SECRET="+secret, "PORT="+server.Port())
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if body := string((<-got).body); !strings.Contains(body, "Zoë") {
			t.Errorf("sent %s", body)
		}
	})
	t.Run("listen", s.testListen)
	t.Run("dev", s.testDev)
}

// testListen: listen stands in front of a receiver and changes nothing.
func (s *shell) testListen(t *testing.T) {
	secret := webhook.NewSecret()
	server, got := verifying(t, secret)
	port := freePort(t)
	command := strings.Replace(snippet(t, "testing/listen.sh"), "127.0.0.1:9000", "127.0.0.1:"+port, 1)
	p := start(t, command, s.folder, append(slices.Clip(s.env), "WEBHOOK_SECRET="+secret, "PORT="+server.Port()))
	p.await("listening", 20*time.Second, func(lines []string) bool { return strings.Contains(strings.Join(lines, "\n"), "listening") })
	body := bodyOf(t, "evt_1", awkward)
	if status := post(t, "http://127.0.0.1:"+port, body, signed(t, "evt_1", body, time.Now(), secret)); status != http.StatusNoContent {
		t.Errorf("answered %d", status)
	}
	if passed := (<-got).body; !bytes.Equal(passed, body) {
		t.Errorf("passed on %s", passed)
	}
	p.await("verdict", 20*time.Second, func(lines []string) bool { return strings.Contains(strings.Join(lines, "\n"), "verified") })
}

// testDev: what the pages do with a running dispatcher, done with `dispatcher dev`.
func (s *shell) testDev(t *testing.T) {
	const key = "operator-key-of-the-docs-test"
	p := start(t, "exec dispatcher dev --http-addr 127.0.0.1:0 --ops-addr 127.0.0.1:0 --kafka-addr 127.0.0.1:0", s.folder,
		append(slices.Clip(s.env), "DISPATCHER_OPERATOR_KEY="+key))
	var api, kafka string
	p.await("addresses", time.Minute, func(lines []string) bool {
		for _, line := range lines {
			if address, ok := strings.CutPrefix(line, "dashboard: "); ok {
				api = strings.TrimSuffix(address, "/")
			}
			if address, ok := strings.CutPrefix(line, "kafka: "); ok {
				kafka = address
			}
		}
		return api != "" && kafka != ""
	})

	s.file(t, "record/event.json")
	out, err := s.run(t, "check/publish.sh", "KAFKA_BROKERS="+kafka)
	if err != nil || strings.Count(out, "1 published, 0 refused") != 2 {
		t.Errorf("%v\n%s", err, out)
	}

	secret := webhook.NewSecret()
	server, got := verifying(t, secret)
	create, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/v1/workspaces/ws_docs/webhooks",
		strings.NewReader(`{"id":"wh_docs","secret":"`+secret+`","event_types":["*"],"url":"`+server.String()+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	create.Header.Set("Authorization", "Bearer "+key)
	create.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(create)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var hook struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&hook); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("creating the webhook was answered %d, %v", response.StatusCode, err)
	}
	out, err = s.run(t, "testing/send.sh", "API="+api, "API_KEY="+key, "WORKSPACE=ws_docs", "WEBHOOK="+hook.ID)
	if err != nil || !strings.Contains(out, "dlv_") {
		t.Fatalf("%v\n%s", err, out)
	}
	if sent := <-got; sent.header.Get("X-Voxagent-Test") != "1" || !strings.HasPrefix(sent.header.Get("Webhook-Id"), "evt_test_") {
		t.Errorf("headers %v", sent.header)
	}
}

// request is one that arrived and was verified.
type request struct {
	header http.Header
	body   []byte
}

// verifying is a receiver that checks both signatures; what fits arrives in the channel.
func verifying(t *testing.T, secret string) (*url.URL, <-chan request) {
	t.Helper()
	got := make(chan request, 8) // no test sends more
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = webhook.Verify(r.Header, body, secret)
		}
		if err == nil {
			err = webhook.VerifyHex(body, r.Header.Get(webhook.HeaderSignature), secret)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		got <- request{r.Header, body}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return address, got
}

// TestInbox: the SQL of the page keeps each event once and lets workers take them side by side.
func TestInbox(t *testing.T) {
	database := testenv.Postgres(t)
	connect := func() *pgx.Conn {
		db, err := pgx.Connect(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close(t.Context()) })
		return db
	}
	first, second := connect(), connect()
	if _, err := first.Exec(t.Context(), snippet(t, "inbox/table.sql")); err != nil {
		t.Fatal(err)
	}
	body := bodyOf(t, "evt_1", awkward)
	for _, arrival := range []struct {
		id  string
		new int64
	}{{"evt_1", 1}, {"evt_1", 0}, {"evt_2", 1}} {
		tag, err := first.Exec(t.Context(), snippet(t, "inbox/receive.sql"), arrival.id, body)
		if err != nil || tag.RowsAffected() != arrival.new {
			t.Errorf("%s: %d rows, %v", arrival.id, tag.RowsAffected(), err)
		}
	}
	// Both workers are in the middle of their work at the same time, then there is none left.
	steps := strings.SplitAfter(snippet(t, "inbox/work.sql"), ";\n")
	for _, worker := range []struct {
		db *pgx.Conn
		id string
	}{{first, "evt_1"}, {second, "evt_2"}} {
		if got := take(t, worker.db, steps, body); got != worker.id {
			t.Errorf("took %q, wanted %s", got, worker.id)
		}
	}
	finish(t, first, steps, "evt_1")
	finish(t, second, steps, "evt_2")
	if got := take(t, first, steps, body); got != "" {
		t.Errorf("%s is taken again", got)
	}
}

// take runs the page's transaction until the work and returns what it got to work on.
func take(t *testing.T, db *pgx.Conn, steps []string, body []byte) (id string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), steps[0]); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(t.Context(), steps[1])
	if err != nil {
		t.Fatal(err)
	}
	var stored []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &stored}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if id != "" && !bytes.Equal(stored, body) {
		t.Errorf("%s was stored as %s", id, stored)
	}
	return id
}

// finish runs the rest of the transaction.
func finish(t *testing.T, db *pgx.Conn, steps []string, id string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), steps[2], id); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), steps[3]); err != nil {
		t.Fatal(err)
	}
}
