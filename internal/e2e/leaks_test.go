package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// planted are values that must appear nowhere, each by what it is.
type planted map[string]string

// in says which planted values stand in text, as they are, in hex or in base64.
func (p planted) in(text string) []string {
	var found []string
	for what, value := range p {
		for _, form := range []string{
			value, hex.EncodeToString([]byte(value)), url.QueryEscape(value),
			// Base64 of a value within something else depends on where it begins; these are its whole middle.
			base64.RawStdEncoding.EncodeToString([]byte(value))[:len(value)], base64.RawStdEncoding.EncodeToString([]byte(".." + value))[4:len(value)],
			base64.RawStdEncoding.EncodeToString([]byte("." + value))[4:len(value)],
		} {
			if strings.Contains(text, form) {
				found = append(found, what)
				break
			}
		}
	}
	return found
}

// TestNothingSecretGetsOut plants known values in every place that takes one, has a dispatcher do all that it can do to them,
// and looks for them in everything that it writes: logs at debug level, metrics, answers, topics, Redis, SQL.
func TestNothingSecretGetsOut(t *testing.T) {
	in := install(t)
	in.env = append(in.env, "DISPATCHER_REQUEST_TIMEOUT=2s")
	s := in.serve(t, "--log-level", "debug", "--retry-schedule", "1s,1h")
	const hooks, key = "/v1/workspaces/ws_acme/webhooks", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	redisURL, _ := url.Parse(testenv.Redis(t))
	databaseURL, _ := url.Parse(testenv.Postgres(t))
	redisPassword, _ := redisURL.User.Password()
	databasePassword, _ := databaseURL.User.Password()
	secrets := planted{
		"a secret that was brought": "whsec_cGxhbnRlZC1zZWNyZXQtMDEyMzQ1Njc4OQ==", "a URL's password": "planted-url-password", "a URL's query": "planted-url-query",
		"a header's value": "planted-header-value", "the operator key": operatorKey, "the encryption key": key,
		"the password of Redis": redisPassword, "the password of PostgreSQL": databasePassword,
	}
	withCredentials := func(target string) string {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		u.RawQuery = "token=" + secrets["a URL's query"]
		return u.String()
	}

	// Every kind of end: answered, refused, resent, silent, unresolvable, broken TLS.
	rc := receive(t, func(w http.ResponseWriter, r request) {
		if r.path == "/fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	silent := swallow(t)
	defer silent.answer()
	_, selfSignedPort, _ := strings.Cut(selfSigned(t), ":")
	var first hook
	for i, target := range []string{
		rc.URL + "/works", rc.URL + "/fails", silent.url(), "http://" + closedAddress(t), "https://no-such-name.invalid/",
		"https://127.0.0.1:" + selfSignedPort + "/",
	} {
		var w hook
		s.call("POST", hooks, map[string]any{
			"url": withCredentials(target), "event_types": []string{"*"}, "headers": map[string]string{"Authorization": "Bearer " + secrets["a header's value"]},
			"secret": secrets["a secret that was brought"] + strings.Repeat("x", i),
		}, http.StatusCreated, &w)
		if i == 0 {
			first = w
		}
	}
	var rotated struct{ Secret string }
	s.call("POST", hooks+"/"+first.ID+"/secret/rotate", map[string]any{}, http.StatusOK, &rotated)
	secrets["a secret that was made"] = rotated.Secret
	s.call("GET", hooks+"/"+first.ID+"/secret", nil, http.StatusOK, nil)
	var made struct{ Key string }
	s.call("POST", "/v1/workspaces/ws_acme/api-keys", map[string]any{"name": "backend"}, http.StatusCreated, &made)
	secrets["a workspace's key"] = made.Key
	secrets["a key with a wrong end"] = made.Key[:len(made.Key)-1] + "_"
	if got := s.try(secrets["a key with a wrong end"], "GET", hooks, "").status; got != http.StatusUnauthorized {
		t.Errorf("a wrong key: %d", got)
	}
	time.Sleep(time.Second)
	in.publish(t, document("evt_1", "ws_acme", "ConversationComplete", `{"session_id":"s1"}`), document("evt_2", "ws_acme", "SessionStarted", `{"session_id":"s1"}`))
	s.call("POST", hooks+"/"+first.ID+"/test", map[string]any{"event": "SessionStarted"}, http.StatusAccepted, nil)
	rc.wait(t, "requests and retries", 20*time.Second, func(all []request) bool { return len(all) >= 6 })
	eventually(t, 20*time.Second, func() error {
		if n := len(s.attempts("ws_acme", "")); n < 2*6+2*5 {
			return fmt.Errorf("%d attempts in history", n)
		}
		return nil
	})
	for i, r := range rc.requests() {
		if r.header.Get("Authorization") != "Bearer "+secrets["a header's value"] {
			t.Errorf("the receiver did not get what was planted: %v", r.header)
		}
		secrets[fmt.Sprintf("signature %d", i)] = r.header.Get(webhook.HeaderSignature)
		for j, sum := range strings.Fields(r.header.Get(webhook.HeaderStandardSignature)) {
			secrets[fmt.Sprintf("standard signature %d.%d", i, j)] = strings.TrimPrefix(sum, "v1,")
		}
	}

	outputs := map[string]string{}
	look := func(name, text string) { outputs[name] += text + "\n" }
	answer := func(method, path, body string, names ...string) {
		look("answer to "+method+" "+path+strings.Join(names, ""), s.try(operatorKey, method, path, body).body)
	}
	for _, path := range []string{
		"/audit-log", "/attempts", "/deliveries", "/events", "/events/evt_1", "/api-keys", "/webhooks/" + first.ID + "/attempts", "/webhooks/" + first.ID + "/stats",
	} {
		answer("GET", "/v1/workspaces/ws_acme"+path, "")
	}
	for _, a := range s.attempts("ws_acme", "") {
		answer("GET", "/v1/workspaces/ws_acme/attempts/"+a.ID, "")
	}
	wrong := fmt.Sprintf(`{"url":%q,"secret":%q,"headers":{"Host":%q},"event_types":[1]}`, "ftp://u:"+secrets["a URL's password"]+"@x",
		secrets["a secret that was brought"]+"\x01", secrets["a header's value"])
	answer("POST", hooks, wrong, " (all wrong)")
	answer("POST", hooks, strings.Replace(wrong, `[1]`, `["*"]`, 1), " (wrong)")
	answer("POST", hooks, wrong[:len(wrong)-1], " (cut off)")
	answer("PATCH", hooks+"/"+first.ID, `{"url":"http://u:`+secrets["a URL's password"]+`@10.1.2.3/?token=`+secrets["a URL's query"]+` x"}`, "")
	answer("GET", "/v1/workspaces/ws_acme/events?session_id="+url.QueryEscape(strings.Repeat("x", 600)), "")

	look("metrics", s.ops("/metrics").body)
	look("goroutines", s.ops("/debug/pprof/goroutine?debug=2").body)
	in.topicsOut(t, look)
	redisOut(t, in.prefix, look)
	in.databaseOut(t, look)
	if code := s.signal(stopSignal, 20*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	look("log", s.text())

	for name, text := range outputs {
		for _, what := range secrets.in(text) {
			t.Errorf("%s is in %s", what, name)
		}
	}
	for _, name := range []string{"log", "database", "redis", "topic history", "topic retry.1s"} {
		if !strings.Contains(outputs[name], "ws_acme") {
			t.Errorf("%s: not even the workspace is there, so it was not looked at", name)
		}
	}
	t.Logf("%d planted values, %d outputs, %d bytes", len(secrets), len(outputs), total(outputs))
}

func total(texts map[string]string) (n int) {
	for _, text := range texts {
		n += len(text)
	}
	return n
}

// topicsOut shows every record of the dispatcher's own topics.
func (in *installation) topicsOut(t *testing.T, look func(name, text string)) {
	t.Helper()
	broker := testenv.Kafka(t)
	for _, topic := range []string{"history", "payloads", "commands", "notices", "retry.1s"} {
		name := in.prefix + ".webhook." + topic
		for _, m := range readTopic(t, broker, name, endOf(t, broker, name), 20*time.Second) {
			look("topic "+topic, fmt.Sprintf("%s %s %s", m.Key, m.Value, m.Headers))
		}
	}
}

// redisOut shows every key of the installation with what it holds.
func redisOut(t *testing.T, prefix string, look func(name, text string)) {
	t.Helper()
	options, err := goredis.ParseURL(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(options)
	defer func() { _ = client.Close() }()
	ctx := t.Context()
	keys := client.Scan(ctx, 0, prefix+":*", 1000).Iterator()
	for keys.Next(ctx) {
		content, err := client.Dump(ctx, keys.Val()).Result()
		if err != nil {
			t.Fatal(err)
		}
		look("redis", keys.Val()+" "+content)
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
}

// databaseOut shows every row of the installation's database.
func (in *installation) databaseOut(t *testing.T, look func(name, text string)) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, in.variable("DISPATCHER_DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tables, err := conn.Query(ctx, `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(tables, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		rows, err := conn.Query(ctx, `SELECT t::text FROM `+name+` t`)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		look("database", name+" "+strings.Join(texts, "\n"))
	}
}

// variable is a setting of the installation.
func (in *installation) variable(name string) string {
	for _, v := range in.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
