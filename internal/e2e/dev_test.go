package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const stopSignal = syscall.SIGTERM

// dev starts `dispatcher dev` on free ports and finds its dashboard and key.
func dev(t testing.TB, args ...string) *server {
	t.Helper()
	p := start(t, []string{"DISPATCHER_OPERATOR_KEY=" + operatorKey}, append([]string{
		"dev", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0",
	}, args...)...)
	return &server{process: p, api: strings.TrimSuffix(p.after("dashboard: ", 60*time.Second), "/"), key: operatorKey}
}

// broker is the address of dev's Kafka.
func (s *server) broker() string {
	s.t.Helper()
	return s.after("kafka: ", 10*time.Second)
}

func TestDemoDeliversVerifiedEvents(t *testing.T) {
	s := dev(t, "--demo")
	s.waitFor("three verified deliveries", 30*time.Second, func(out string) bool {
		return strings.Count(out, "\nverified dlv_") >= 3
	})
	began := time.Now()
	if code := s.signal(syscall.SIGINT, 10*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s to end", took)
	}
}

// TestDevOutlivesAKill: with --data, nothing that was published is lost by a kill -9.
func TestDevOutlivesAKill(t *testing.T) {
	dir := t.TempDir()
	rc := receive(t, nil)
	s := dev(t, "--data", dir)
	hook := s.create("ws_acme", rc.URL)
	const events = 2000
	docs := make([]string, events)
	for i := range docs {
		docs[i] = document(fmt.Sprintf("evt_%d", i), "ws_acme", "SessionStarted", fmt.Sprintf(`{"session_id":"s%d"}`, i%50))
	}
	must(t, strings.NewReader(strings.Join(docs, "\n")), nil, "publish", "--kafka-brokers", s.broker(), "-")
	rc.wait(t, "a part of the requests", 20*time.Second, func(all []request) bool { return len(all) > events/10 })
	s.signal(syscall.SIGKILL, 5*time.Second)

	s = dev(t, "--data", dir)
	all := rc.wait(t, "every event", 60*time.Second, func(all []request) bool { return distinct(all) == events })
	for _, r := range all {
		if err := verify(r, hook.Secret); err != nil {
			t.Fatal(err)
		}
	}
	s.inHistory("ws_acme", rc)
	t.Logf("%d events, %d requests: %d repeated by the kill", events, len(all), len(all)-events)
	// At most what was on the wire or had ended since the last commit (250 ms) is repeated.
	if repeated := len(all) - events; repeated > events/2 {
		t.Errorf("%d requests were repeated", repeated)
	}
}

// distinct counts the events of requests.
func distinct(all []request) int {
	seen := make(map[string]bool, len(all))
	for _, r := range all {
		seen[r.eventID] = true
	}
	return len(seen)
}

// inHistory waits until every (delivery, attempt) that the receiver saw has exactly one row.
func (s *server) inHistory(workspace string, rc *receiver) {
	s.t.Helper()
	eventually(s.t, 60*time.Second, func() error {
		rows := map[string]int{}
		for _, a := range s.attempts(workspace, "") {
			rows[fmt.Sprintf("%s %d", a.DeliveryID, a.Attempt)]++
		}
		for _, r := range rc.requests() {
			if n := rows[fmt.Sprintf("%s %d", r.deliveryID, r.attempt)]; n != 1 {
				return fmt.Errorf("%s attempt %d has %d rows", r.deliveryID, r.attempt, n)
			}
		}
		return nil
	})
}

// TestServeOutlivesAKill is the same on real services.
func TestServeOutlivesAKill(t *testing.T) {
	in := install(t)
	rc := receive(t, func(w http.ResponseWriter, r request) {
		if r.attempt == 1 && strings.HasSuffix(r.eventID, "7") { // a tenth fails once
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := in.serve(t, "--retry-schedule", "1s,1s")
	s.create("ws_acme", rc.URL)
	const events = 5000
	docs := make([]string, events)
	for i := range docs {
		docs[i] = document(fmt.Sprintf("evt_%d", i), "ws_acme", "SessionStarted", fmt.Sprintf(`{"session_id":"s%d"}`, i%50))
	}
	in.publish(t, docs...)
	rc.wait(t, "a part of the requests", 20*time.Second, func(all []request) bool { return len(all) > events/5 })
	s.signal(syscall.SIGKILL, 5*time.Second)
	s = in.serve(t, "--retry-schedule", "1s,1s")
	rc.wait(t, "every event", 90*time.Second, func(all []request) bool { return distinct(all) == events })
	eventually(t, 60*time.Second, func() error {
		if n := len(list[struct{}](s, "/v1/workspaces/ws_acme/deliveries?status=succeeded")); n != events {
			return fmt.Errorf("%d of %d deliveries succeeded", n, events)
		}
		return nil
	})
	s.inHistory("ws_acme", rc)
}
