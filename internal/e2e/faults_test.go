package e2e

import (
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestBadConfigurationStopsAtOnce: each fault is one clear line, within 10 s, without a stack trace.
func TestBadConfigurationStopsAtOnce(t *testing.T) {
	in := install(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	other := testenv.Postgres(t) // without a schema
	for name, tc := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"unknown flag":           {nil, []string{"--no-such-flag"}, "--no-such-flag"},
		"unreachable broker":     {[]string{"DISPATCHER_KAFKA_BROKERS=127.0.0.1:1"}, nil, "127.0.0.1:1"},
		"missing topics":         {[]string{"DISPATCHER_KAFKA_PREFIX=nobody-made-these"}, nil, "nobody-made-these.webhook.history"},
		"short key":              {[]string{"DISPATCHER_ENCRYPTION_KEY=" + base64.StdEncoding.EncodeToString([]byte("short"))}, nil, "--encryption-key"},
		"no key":                 {[]string{"DISPATCHER_ENCRYPTION_KEY="}, nil, "--encryption-key"},
		"bad CIDR":               {nil, []string{"--allowed-networks", "10.0.0.0/99"}, "--allowed-networks"},
		"bad proxy in front":     {nil, []string{"--trusted-proxies", "10.0.0.1"}, "--trusted-proxies"},
		"short audit log":        {nil, []string{"--audit-retention", "1h"}, "--audit-retention"},
		"bad ports":              {nil, []string{"--allowed-ports", "443,https"}, "--allowed-ports"},
		"bad proxy":              {[]string{"DISPATCHER_FORWARD_PROXY=socks5://u:topsecret@h:1080"}, nil, "--forward-proxy"},
		"no proxy URL":           {[]string{"DISPATCHER_FORWARD_PROXY=u:topsecret@h:3128"}, nil, "--forward-proxy"},
		"no CA file":             {nil, []string{"--receiver-ca", "/no/such/file"}, "--receiver-ca"},
		"bad CA file":            {nil, []string{"--receiver-ca", "faults_test.go"}, "--receiver-ca"},
		"port in use":            {nil, []string{"--http-addr", taken.Addr().String()}, "--http-addr"},
		"bad schedule":           {nil, []string{"--retry-schedule", "5s,soon"}, "--retry-schedule"},
		"bad start":              {nil, []string{"--kafka-start", "yesterday"}, "--kafka-start"},
		"too long URLs":          {nil, []string{"--max-url-bytes", "9000"}, "--max-url-bytes"},
		"bad role":               {nil, []string{"--roles", "consumer,dancer"}, "--roles"},
		"schema missing":         {[]string{"DISPATCHER_DATABASE_URL=" + other}, nil, "dispatcher migrate"},
		"database away":          {[]string{"DISPATCHER_DATABASE_URL=postgres://u:topsecret@127.0.0.1:1/x"}, nil, "--database-url"},
		"database URL":           {[]string{"DISPATCHER_DATABASE_URL=mysql://u:topsecret@h/x"}, nil, "--database-url"},
		"operator key too short": {[]string{"DISPATCHER_OPERATOR_KEY=abc"}, nil, "--operator-key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			out, code := run(t, nil, append(append([]string{}, in.env...), tc.env...), append([]string{"serve"}, tc.args...)...)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if code == 0 {
				t.Error("exit code 0")
			}
			if !strings.Contains(out, tc.want) || strings.Contains(out, "goroutine") || strings.Contains(out, "topsecret") {
				t.Errorf("output:\n%s", out)
			}
			faults := 0
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "dispatcher: ") {
					faults++
				}
			}
			// A topic and a schema have a line each.
			if faults == 0 || faults > 1 && name != "missing topics" && name != "schema missing" {
				t.Errorf("%d lines of faults:\n%s", faults, out)
			}
		})
	}
}

// TestWhatIsNoEventIsDeadLettered: bytes untouched, with a reason, and the partition moves on.
func TestWhatIsNoEventIsDeadLettered(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	s.create("ws_acme", rc.URL)
	broker := testenv.Kafka(t)
	bad := map[string]string{
		`{"id":"x"`: "bad_json",
		`{"event":"A","Event":"B","workspace_id":"ws_acme","data":{}}`:                             "duplicate_key",
		`{"event":"A","workspace_id":"ws_acme"}`:                                                   "missing_field",
		`{"event":"A B","workspace_id":"ws_acme","data":{}}`:                                       "bad_field",
		`{"event":"A","workspace_id":"ws_acme","data":{"x":"` + strings.Repeat("y", 1<<20) + `"}}`: "too_large",
	}
	var values []string
	for v := range bad {
		values = append(values, v)
	}
	values = append(values, document("evt_after", "ws_acme", "SessionStarted", `{"session_id":"k"}`))
	produceRaw(t, broker, in.prefix+".session.events", "k", values) // one key: one partition, in order
	rc.wait(t, "the good event behind the bad ones", 30*time.Second, func(all []request) bool { return len(all) == 1 })
	dead := readTopic(t, broker, in.prefix+".webhook.dead-letter", len(bad), 20*time.Second)
	for _, m := range dead {
		reason, ok := bad[string(m.Value)]
		if !ok || m.header("reason") != reason {
			t.Errorf("dead letter %.60q: reason %q, want %q", m.Value, m.header("reason"), reason)
		}
		if m.header("detail") == "" || m.header("source-topic") != in.prefix+".session.events" ||
			m.header("source-partition") == "" || m.header("source-offset") == "" || string(m.Key) != "k" {
			t.Errorf("dead letter %.60q: key %q, headers %v", m.Value, m.Key, m.Headers)
		}
	}
	if notices := readTopic(t, broker, in.prefix+".webhook.notices", len(bad), 20*time.Second); len(notices) != len(bad) {
		t.Errorf("%d notices", len(notices))
	}
}
