package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// Topics of `dispatcher dev`.
const (
	devSessions = "voxagent.session.events"
	devHistory  = "voxagent.webhook.history"
)

// client is a Kafka client that others wrote, used as a developer would at a terminal.
type client struct {
	// produce writes a value with a key to a topic.
	produce func(t *testing.T, broker, topic, key, value string)
	// consume reads a topic from its beginning until it has n records.
	consume func(t *testing.T, broker, topic string, n int) []printed
}

// printed is a record as a client printed it.
type printed struct {
	key, value string
	headers    map[string]string
}

// TestClientsOfOthers: dev's broker takes events from the usual command-line clients, and they read the history.
func TestClientsOfOthers(t *testing.T) {
	s := dev(t)
	rc := receive(t, nil)
	created := s.create("ws_acme", rc.URL, "SessionStarted")
	broker := s.broker()
	sent := 0
	for name, with := range map[string]client{
		"kcat":          {kcatProduce, kcatConsume},
		"console tools": {consoleProduce, consoleConsume},
	} {
		sent++
		t.Run(name, func(t *testing.T) {
			id, session := fmt.Sprintf("evt_client_%d", sent), fmt.Sprintf("ses_%d", sent)
			data := fmt.Sprintf(`{"session_id":%q,"text":"Zoë —  שלום","big":9007199254740993,"n": 1.10}`, session)
			with.produce(t, broker, devSessions, session, document(id, "ws_acme", "SessionStarted", data))
			all := rc.wait(t, "the event", 20*time.Second, func(all []request) bool { return len(all) >= sent })
			got := all[len(all)-1]
			want := fmt.Sprintf(`{"id":%q,"event":"SessionStarted","timestamp":"2026-11-23T08:00:00.123Z","data":%s}`, id, data)
			if string(got.body) != want || got.eventID != id {
				t.Errorf("body\n got %s\nwant %s", got.body, want)
			}
			if err := verify(got, created.Secret); err != nil {
				t.Error(err)
			}
			s.sessionIs(t, id, session)
			historyTells(t, with.consume(t, broker, devHistory, 2*sent), got)
		})
	}
}

// sessionIs checks that the event's row, once it is there, has the record's key as its session.
func (s *server) sessionIs(t *testing.T, eventID, session string) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		events := list[struct {
			ID string `json:"id"`
		}](s, "/v1/workspaces/ws_acme/events?session_id="+session)
		if len(events) != 1 || events[0].ID != eventID {
			return fmt.Errorf("events of session %s: %+v", session, events)
		}
		return nil
	})
}

// historyTells checks that the history, as the client printed it, has the event's record and that of its attempt.
func historyTells(t *testing.T, records []printed, r request) {
	t.Helper()
	found := map[string]int{}
	for _, record := range records {
		if record.key != r.eventID {
			continue
		}
		kind := record.headers["record-type"]
		found[kind]++
		if !json.Valid([]byte(record.value)) || record.headers["workspace-id"] != "ws_acme" || record.headers["record-id"] == "" ||
			record.headers["schema-version"] == "" {
			t.Errorf("%s: headers %v, value %s", kind, record.headers, record.value)
		}
		if kind == "attempt" && !strings.Contains(record.value, r.deliveryID) {
			t.Errorf("attempt of another delivery than %s: %s", r.deliveryID, record.value)
		}
	}
	if len(found) != 2 || found["event"] != 1 || found["attempt"] != 1 {
		t.Errorf("history of %s: %v", r.eventID, found)
	}
}

// atTerminal runs a client's command and returns what it printed.
func atTerminal(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, complaint.Bytes())
	}
	return string(out)
}

func kcatProduce(t *testing.T, broker, topic, key, value string) {
	t.Helper()
	atTerminal(t, value+"\n", "kcat", "-P", "-b", broker, "-t", topic, "-k", key, "-X", "acks=all")
}

func kcatConsume(t *testing.T, broker, topic string, n int) []printed {
	t.Helper()
	out := atTerminal(t, "", "kcat", "-C", "-b", broker, "-t", topic, "-o", "beginning", "-c", fmt.Sprint(n), "-J")
	var all []printed
	for line := range strings.Lines(out) {
		var record struct {
			Key     string   `json:"key"`
			Payload string   `json:"payload"`
			Headers []string `json:"headers"` // name, value, name, value
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("kcat printed %s: %v", line, err)
		}
		p := printed{record.Key, record.Payload, map[string]string{}}
		for i := 0; i+1 < len(record.Headers); i += 2 {
			p.headers[record.Headers[i]] = record.Headers[i+1]
		}
		all = append(all, p)
	}
	return all
}

// console runs one of Kafka's own command-line tools.
func console(t *testing.T, stdin, class string, args ...string) string {
	t.Helper()
	jars := filepath.Join(testenv.Fetched(t, "console"), "*")
	return atTerminal(t, stdin, "java", append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars,
		"org.apache.kafka.tools." + class}, args...)...)
}

func consoleProduce(t *testing.T, broker, topic, key, value string) {
	t.Helper()
	console(t, key+"\t"+value+"\n", "ConsoleProducer", "--bootstrap-server", broker, "--topic", topic,
		"--reader-property", "parse.key=true")
}

func consoleConsume(t *testing.T, broker, topic string, n int) []printed {
	t.Helper()
	out := console(t, "", "consumer.ConsoleConsumer", "--bootstrap-server", broker, "--topic", topic, "--from-beginning",
		"--max-messages", fmt.Sprint(n), "--timeout-ms", "30000",
		"--formatter-property", "print.headers=true", "--formatter-property", "print.key=true")
	var all []printed
	for line := range strings.Lines(out) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3) // headers, key, value
		if len(fields) != 3 {
			t.Fatalf("the console consumer printed %q", line)
		}
		p := printed{fields[1], fields[2], map[string]string{}}
		for header := range strings.SplitSeq(fields[0], ",") {
			name, value, _ := strings.Cut(header, ":")
			p.headers[name] = value
		}
		all = append(all, p)
	}
	return all
}
