package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestTheLargestEventPassesEverywhere: source, ladder, commands, history; one byte more is dead-lettered as it came.
func TestTheLargestEventPassesEverywhere(t *testing.T) {
	t.Parallel()
	const largest = 1 << 20
	in := install(t)
	s := in.serve(t, "--retry-schedule", "1s,1s")
	rc := receive(t, func(w http.ResponseWriter, r request) {
		if r.attempt == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s.create("ws_acme", rc.URL)
	broker, topic := testenv.Kafka(t), in.prefix+".session.events"
	sized := func(id string, size int) string {
		bare := document(id, "ws_acme", "SessionStarted", `{"session_id":"k","pad":""}`)
		return strings.Replace(bare, `"pad":""`, `"pad":"`+strings.Repeat("x", size-len(bare))+`"`, 1)
	}
	tooLarge := sized("evt_too_large", largest+1)
	produceTo(t, broker, topic, 0, tooLarge, sized("evt_largest", largest))

	got := rc.wait(t, "the second attempt", 30*time.Second, func(all []request) bool { return len(all) == 2 })
	want := strings.Replace(sized("evt_largest", largest), `"workspace_id":"ws_acme",`, "", 1)
	eventually(t, 10*time.Second, func() error {
		if n := len(list[struct{}](s, "/v1/workspaces/ws_acme/deliveries?status=succeeded")); n != 1 {
			return fmt.Errorf("history does not know yet that it succeeded")
		}
		return nil
	})
	s.call("POST", "/v1/workspaces/ws_acme/deliveries/"+got[0].deliveryID+"/resend", nil, 202, nil)
	got = rc.wait(t, "the resend", 30*time.Second, func(all []request) bool { return len(all) == 3 })
	for _, r := range got {
		if string(r.body) != want {
			t.Errorf("attempt %d: %d bytes of body, want %d", r.attempt, len(r.body), len(want))
		}
	}
	eventually(t, 10*time.Second, func() error {
		rows := s.attempts("ws_acme", "")
		if len(rows) != 3 {
			return fmt.Errorf("%d attempts in history", len(rows))
		}
		var whole struct {
			Request struct {
				Body *string `json:"body"`
			} `json:"request"`
		}
		s.call("GET", "/v1/workspaces/ws_acme/attempts/"+rows[0].ID, nil, 200, &whole)
		if whole.Request.Body == nil {
			return fmt.Errorf("no payload yet")
		}
		if *whole.Request.Body != want {
			t.Errorf("%d bytes of payload in history, want %d", len(*whole.Request.Body), len(want))
		}
		return nil
	})
	for _, name := range []string{".webhook.retry.1s", ".webhook.payloads", ".webhook.commands"} {
		if n := len(readTopic(t, broker, in.prefix+name, 1, 10*time.Second)); n != 1 {
			t.Errorf("%d records on %s", n, name)
		}
	}
	letter := readTopic(t, broker, in.prefix+".webhook.dead-letter", 1, 10*time.Second)[0]
	if !bytes.Equal(letter.Value, []byte(tooLarge)) || letter.header("reason") != "too_large" {
		t.Errorf("dead letter: %d bytes, reason %q", len(letter.Value), letter.header("reason"))
	}
}
