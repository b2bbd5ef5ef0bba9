package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// ids are the ids of the events that came, sorted, each as often as it came.
func ids(all []request) []string {
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.eventID
	}
	slices.Sort(out)
	return out
}

// exactly waits for as many events as wanted, and checks that they are these. One too many shows in the next call.
func exactly(t *testing.T, rc *receiver, want []string) {
	t.Helper()
	slices.Sort(want)
	got := rc.wait(t, fmt.Sprintf("%d requests", len(want)), 30*time.Second, func(all []request) bool { return len(all) >= len(want) })
	if have := ids(got); !slices.Equal(have, want) {
		t.Errorf("events that came:\n got %q\nwant %q", have, want)
	}
}

// TestPublishedTwiceIsDeliveredOnce, and a record that is read again after a kill is no duplicate of itself.
func TestPublishedTwiceIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	s := in.serve(t)
	rc := swallow(t)
	hook := s.create("ws_acme", rc.url())
	batch := documents("evt", 5)
	in.publish(t, batch...)
	for range batch {
		rc.next(t, 20*time.Second)
	}
	s.signal(syscall.SIGKILL, 5*time.Second)

	s = in.serve(t)
	rc.answer()
	for range batch {
		rc.next(t, 20*time.Second)
	}
	in.publish(t, batch...)
	for i := range batch {
		s.whyNot(fmt.Sprintf("evt_%d", i), hook.ID, "duplicate")
	}
	if n := len(rc.ids); n != 0 {
		t.Errorf("%d requests for what was published again", n)
	}
	if n := s.metric("dispatcher_events_total", `result="duplicate"`); n != float64(len(batch)) {
		t.Errorf("%v events were taken for duplicates, want %d", n, len(batch))
	}
	succeeded := list[struct{}](s, "/v1/workspaces/ws_acme/deliveries?status=succeeded")
	if len(succeeded) != len(batch) {
		t.Errorf("%d deliveries succeeded, want %d", len(succeeded), len(batch))
	}
}

// TestTopicsChangeWhileRunning: a source topic is deleted and made again, so that new events stand where old ones did;
// another one gets more partitions.
func TestTopicsChangeWhileRunning(t *testing.T) {
	t.Parallel()
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	hook := s.create("ws_acme", rc.URL)
	broker, sessions, conversations := testenv.Kafka(t), in.prefix+".session.events", in.prefix+".conversation.events"
	var want []string
	event := func(name string) string {
		want = append(want, name)
		return document(name, "ws_acme", "SessionStarted", `{"session_id":"k"}`)
	}
	produceTo(t, broker, sessions, 3, event("evt_old_0"), event("evt_old_1"), event("evt_old_2"))
	exactly(t, rc, want)

	deleteTopics(t, broker, sessions)
	must(t, nil, in.env, "topics", "create", "--with-sources")
	eventually(t, 20*time.Second, func() error { // until the broker has the new log, records go to the old one
		if end := endOffset(t, broker, sessions, 3); end != 0 {
			return fmt.Errorf("partition 3 ends at %d", end)
		}
		return nil
	})
	if first := produceTo(t, broker, sessions, 3, event("evt_new_0"), event("evt_new_1"), event("evt_new_2"),
		event("evt_new_3"), event("evt_new_4")); first != 0 {
		t.Fatalf("the first new event stands at %d", first)
	}
	exactly(t, rc, want)

	addPartitions(t, broker, conversations, partitions+2)
	eventually(t, 20*time.Second, func() error { // until the broker has told itself
		if end := endOffset(t, broker, conversations, partitions+1); end != 0 {
			return fmt.Errorf("partition %d ends at %d", partitions+1, end)
		}
		return nil
	})
	produceTo(t, broker, conversations, partitions+1, event("evt_added_0"), event("evt_added_1"))
	exactly(t, rc, want)
	for _, r := range rc.requests() {
		if err := verify(r, hook.Secret); err != nil {
			t.Error(err)
		}
	}
	if n := s.metric("dispatcher_events_total", `result="duplicate"`); n != 0 {
		t.Errorf("%v events were taken for old ones", n)
	}
}

// TestFirstStartOnAFullTopic: latest, earliest and a time each begin where they say.
func TestFirstStartOnAFullTopic(t *testing.T) {
	t.Parallel()
	in := install(t)
	broker, topic := testenv.Kafka(t), in.prefix+".session.events"
	event := func(name string) string { return document(name, "ws_acme", "SessionStarted", `{"session_id":"k"}`) }
	// The API alone joins no group of the events.
	front := in.serve(t, "--roles", "api")
	rc := receive(t, nil)
	front.create("ws_acme", rc.URL)
	front.signal(stopSignal, 10*time.Second)
	produceTo(t, broker, topic, 0, event("evt_a"))
	produceTo(t, broker, topic, 5, event("evt_b"))
	at := time.Now().Truncate(time.Second).Add(time.Second)
	time.Sleep(time.Until(at.Add(10 * time.Millisecond))) // RFC 3339 as people write it: whole seconds
	produceTo(t, broker, topic, 0, event("evt_c"))

	var want []string
	for _, tc := range []struct {
		start string
		begin []string
	}{
		{"earliest", []string{"evt_a", "evt_b", "evt_c"}},
		{at.UTC().Format(time.RFC3339), []string{"evt_c"}},
		{"latest", nil},
	} {
		s := in.serve(t, "--kafka-start", tc.start, "--dedupe-window", "0")
		marker := "evt_after_" + tc.start[:4]
		produceTo(t, broker, topic, 0, event(marker))
		produceTo(t, broker, topic, 5, event(marker))
		// What an earlier start published after itself, the ones that begin before it see again.
		want = append(append(want, tc.begin...), marker, marker)
		exactly(t, rc, want)
		if code := s.signal(stopSignal, 15*time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		deleteGroup(t, broker, in.prefix+"-dispatcher")
		if tc.start == "earliest" {
			want = append(want, marker, marker) // younger than the time that the next one starts at
		}
	}
}

// TestRecordsDeletedUnread: it goes on at the first one that is kept, and says what was lost.
func TestRecordsDeletedUnread(t *testing.T) {
	t.Parallel()
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	s.create("ws_acme", rc.URL)
	broker, topic := testenv.Kafka(t), in.prefix+".session.events"
	event := func(name string) string { return document(name, "ws_acme", "SessionStarted", `{"session_id":"k"}`) }
	produceTo(t, broker, topic, 7, event("evt_read"))
	exactly(t, rc, []string{"evt_read"})
	if code := s.signal(stopSignal, 15*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	var docs []string
	for i := range 10 {
		docs = append(docs, event(fmt.Sprintf("evt_%d", i)))
	}
	first := produceTo(t, broker, topic, 7, docs...)
	deleteRecords(t, broker, topic, 7, first+6)
	s = in.serve(t)
	exactly(t, rc, []string{"evt_read", "evt_6", "evt_7", "evt_8", "evt_9"})
	if lost := s.metric("dispatcher_consumer_lost_records_total", `topic="`+topic+`"`); lost != 6 {
		t.Errorf("the metric says that %v records were lost, want 6", lost)
	}
	notice := readTopic(t, broker, in.prefix+".webhook.notices", 1, 10*time.Second)[0]
	if !bytes.Contains(notice.Value, []byte(`"type":"events.lost"`)) || !bytes.Contains(notice.Value, []byte(`"count":6`)) {
		t.Errorf("notice: %s", notice.Value)
	}
}

// TestLimits: too old, suspended, and rates that delay and drop nothing.
func TestLimits(t *testing.T) {
	t.Parallel()
	types := filepath.Join(t.TempDir(), "types.json")
	catalogue := `[{"name":"SessionStarted","description":"d"},{"name":"ConversationComplete","description":"d","max_age":"1h"}]`
	if err := os.WriteFile(types, []byte(catalogue), 0o600); err != nil {
		t.Fatal(err)
	}
	in := install(t)
	s := in.serve(t, "--event-types", types)
	rc := receive(t, nil)
	const workspace = "/v1/workspaces/ws_acme"
	hook := s.create("ws_acme", rc.URL)

	in.publish(t, document("evt_aged", "ws_acme", "ConversationComplete", `{"session_id":"s"}`)) // of 2026-11-23
	s.whyNot("evt_aged", hook.ID, "expired")
	s.call("PATCH", workspace, map[string]any{"suspended": true}, 200, nil)
	time.Sleep(time.Second) // a change holds a second after its answer
	in.publish(t, document("evt_suspended", "ws_acme", "SessionStarted", `{"session_id":"s"}`))
	s.whyNot("evt_suspended", hook.ID, "suspended")
	if all := rc.requests(); len(all) != 0 {
		t.Fatalf("%d requests, the first for %s", len(all), all[0].eventID)
	}

	const rate, events = 10, 50 // a burst of one second's, the rest at the rate: 4 s, plus what the ladder adds
	var want []string
	for kind, path := range map[string]string{"workspace": workspace, "webhook": workspace + "/webhooks/" + hook.ID} {
		s.call("PATCH", workspace, map[string]any{"suspended": false, "max_per_second": nil}, 200, nil)
		s.call("PATCH", path, map[string]any{"max_per_second": rate}, 200, nil)
		time.Sleep(time.Second) // a change holds a second after its answer
		in.publish(t, documents("evt_"+kind, events)...)
		want = append(want, numbered("evt_"+kind, events)...)
		exactly(t, rc, want)
		starts := s.starts(t, "evt_"+kind, events)
		if took := starts[events-1].Sub(starts[0]); took < 3500*time.Millisecond {
			t.Errorf("%d requests at %d a second by the %s took %s", events, rate, kind, took)
		}
		for i := range events - 2*rate - 1 { // the burst of a second and what one second refills
			if within := starts[i+2*rate+1].Sub(starts[i]); within < time.Second {
				t.Errorf("%s: %d requests within %s", kind, 2*rate+2, within)
				break
			}
		}
	}
}

// starts are when the attempts for the n events whose ids begin so started, in order, as the history has them: a receiver
// that was busy itself would see them closer together.
func (s *server) starts(t *testing.T, beginning string, n int) (all []time.Time) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		all = nil
		for _, a := range s.attempts("ws_acme", "") {
			if strings.HasPrefix(a.EventID, beginning) {
				all = append(all, a.Timestamp)
			}
		}
		if len(all) != n {
			return fmt.Errorf("%d of %d attempts in history", len(all), n)
		}
		return nil
	})
	slices.SortFunc(all, time.Time.Compare)
	return all
}
