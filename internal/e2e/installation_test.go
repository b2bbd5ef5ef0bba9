package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// installation is one set of topics, database and keys on the real services.
type installation struct {
	prefix string
	env    []string
}

const operatorKey = "operator-key-for-tests-0123456789"

// install makes topics and schema for a test of its own.
func install(t testing.TB) *installation {
	t.Helper()
	prefix := testenv.Prefix(t)
	in := &installation{prefix: prefix, env: []string{
		"DISPATCHER_KAFKA_BROKERS=" + testenv.Kafka(t), "DISPATCHER_KAFKA_PREFIX=" + prefix,
		"DISPATCHER_REDIS_URL=" + testenv.Redis(t), "DISPATCHER_REDIS_PREFIX=" + prefix,
		"DISPATCHER_DATABASE_URL=" + testenv.Postgres(t),
		"DISPATCHER_ENCRYPTION_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"DISPATCHER_OPERATOR_KEY=" + operatorKey,
		"DISPATCHER_KAFKA_START=earliest",
		"DISPATCHER_ALLOWED_NETWORKS=127.0.0.0/8",
		"DISPATCHER_HTTP_ADDR=127.0.0.1:0", "DISPATCHER_OPS_ADDR=127.0.0.1:0",
	}}
	broker := testenv.Kafka(t)
	t.Cleanup(func() { deleteTopics(t, broker, prefix) }) // each partition costs the broker memory
	must(t, nil, in.env, "migrate")
	must(t, nil, in.env, "topics", "create", "--with-sources")
	return in
}

// serve starts a dispatcher and waits until it is ready.
func (in *installation) serve(t testing.TB, args ...string) *server {
	t.Helper()
	p := start(t, in.env, append([]string{"serve"}, args...)...)
	return attach(p)
}

// server is a running dispatcher with its API.
type server struct {
	*process
	api string // http://host:port
	key string
}

// attach waits until a `serve` is ready and finds its API, if it has one.
func attach(p *process) *server {
	p.t.Helper()
	p.waitFor("readiness", 30*time.Second, func(out string) bool { return strings.Contains(out, `"ready"`) })
	s := &server{process: p, key: operatorKey}
	if _, rest, ok := strings.Cut(p.text(), `"api":"`); ok {
		addr, _, _ := strings.Cut(rest, `"`)
		s.api = "http://" + addr
	}
	return s
}

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

// try makes a call with a key ("": none) and takes whatever comes.
func (s *server) try(key, method, path, body string, headers ...string) reply {
	s.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.api+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return send(s.t, http.DefaultClient, req)
}

// ops asks the port of metrics and health.
func (s *server) ops(path string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.after(`"ops":"`, 0)+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	return send(s.t, http.DefaultClient, req)
}

func send(t testing.TB, client *http.Client, req *http.Request) reply {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// call makes an API call and decodes its answer into out (nil: not wanted); it fails the test on another status than want.
func (s *server) call(method, path string, body any, want int, out any) {
	s.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
	}
	answer := s.try(s.key, method, path, string(text))
	if answer.status != want {
		s.t.Fatalf("%s %s: status %d, want %d\n%s", method, path, answer.status, want, answer.body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer.body), out); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, answer.body)
	}
}

// hook is what the tests need of a created webhook.
type hook struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// create makes a webhook.
func (s *server) create(workspace, target string, types ...string) hook {
	s.t.Helper()
	if len(types) == 0 {
		types = []string{"*"}
	}
	var w hook
	s.call("POST", "/v1/workspaces/"+workspace+"/webhooks", map[string]any{"url": target, "event_types": types}, 201, &w)
	return w
}

// attempt is a row of the request history.
type attempt struct {
	ID            string     `json:"id"`
	DeliveryID    string     `json:"delivery_id"`
	WebhookID     string     `json:"webhook_id"`
	EventID       string     `json:"event_id"`
	Attempt       int        `json:"attempt"`
	Trigger       string     `json:"trigger"`
	Timestamp     time.Time  `json:"timestamp"`
	Status        string     `json:"status"`
	HTTPStatus    *int       `json:"http_status"`
	Error         *string    `json:"error"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	DurationMS    float64    `json:"duration_ms"`
	Response      *struct {
		Body string `json:"body"`
	} `json:"response"`
}

// ended is when the attempt was over: what delays count from.
func (a attempt) ended() time.Time {
	return a.Timestamp.Add(time.Duration(a.DurationMS * float64(time.Millisecond)))
}

type page[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next_cursor"`
}

// list reads all pages of a list.
func list[T any](s *server, path string) []T {
	s.t.Helper()
	var all []T
	cursor := ""
	for {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		var p page[T]
		s.call("GET", path+sep+"limit=250&cursor="+url.QueryEscape(cursor), nil, 200, &p)
		all = append(all, p.Data...)
		if p.Next == nil {
			return all
		}
		cursor = *p.Next
	}
}

// attempts are all attempts of a workspace that match query, newest first.
func (s *server) attempts(workspace, query string) []attempt {
	s.t.Helper()
	return list[attempt](s, "/v1/workspaces/"+workspace+"/attempts"+query)
}

// eventually repeats check until it returns nil; the last error is the test's.
func eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond) // a poll of another process, which has no way to call us
	}
}

// publish publishes documents, one a line.
func (in *installation) publish(t testing.TB, docs ...string) {
	t.Helper()
	must(t, strings.NewReader(strings.Join(docs, "\n")), in.env, "publish", "-")
}

// document builds an event.
func document(id, workspace, eventType, data string) string {
	return fmt.Sprintf(`{"id":%q,"event":%q,"workspace_id":%q,"timestamp":"2026-11-23T08:00:00.123Z","data":%s}`, id, eventType, workspace, data)
}
