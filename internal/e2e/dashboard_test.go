package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/dashboard/browsertest"
)

// hostile is a text that runs as script wherever it is shown as anything but text.
const hostile = `</pre><script>window.broken=1</script><img src=x onerror="window.broken=1">`

// TestDashboardInChromium follows the documented steps by what the pages show: create a webhook, reveal its secret,
// publish events, see what became of them.
func TestDashboardInChromium(t *testing.T) {
	release := make(chan struct{})
	rc := receive(t, func(w http.ResponseWriter, r request) {
		switch r.eventID {
		case "evt_fails":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, `{"error":"db is read-only"}`)
		case "evt_hangs":
			<-release
		case "evt_hostile":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusTeapot)
			_, _ = fmt.Fprint(w, hostile)
		default:
			_, _ = fmt.Fprint(w, "all good")
		}
	})
	t.Cleanup(func() { close(release) })
	s := dev(t, "--request-timeout", "3s", "--retry-schedule", "1h") // in which this busy process can answer
	b := browsertest.Open(t)

	b.SignIn(s.api, s.key)
	b.Fill("Workspace ID", "ws_acme")
	b.Click("Open")
	b.See("No webhooks yet")
	b.Click("Webhooks")
	b.Click("+ Create Webhook")
	b.Fill("URL", rc.URL+"/hook")
	b.Fill("Description", "Receiver of the test")
	b.Check("All, also future ones", true)
	b.Check("Enabled", true)
	b.Click("Save")
	b.See("Receiver of the test", "Request History")
	b.Click("Reveal")
	b.See("Hide")
	secret := shownSecret(t, b.Text())
	hookPage := strings.TrimSuffix(b.URL(), "/secret/reveal#secret")
	b.Go(hookPage)
	b.SeeNot(secret)

	time.Sleep(time.Second) // what is published a second after the answer matches the webhook
	var docs []string
	for _, id := range []string{"evt_works", "evt_fails", "evt_hangs", "evt_hostile"} {
		docs = append(docs, document(id, "ws_acme", "ConversationComplete", fmt.Sprintf(`{"session_id":"ses_%s","said":%q}`, id, hostile)))
	}
	must(t, strings.NewReader(strings.Join(docs, "\n")), nil, "publish", "--kafka-brokers", s.broker(), "-")
	for _, status := range []string{"200", "500", "timeout", "418"} { // they come in without a reload
		b.SeeRow("HTTP Status", status)
	}
	for _, r := range rc.requests() {
		if err := verify(r, secret); err != nil {
			t.Errorf("with the secret that was revealed: %v", err)
		}
	}
	for status, says := range map[string][]string{
		"200":     {"Your server answered 200", "all good", `"id": "evt_works"`},
		"500":     {"Your server answered 500", "Tried 1 of 2 times; next try at", `"error": "db is read-only"`},
		"timeout": {"Your server gave no complete answer within 3 s.", "There was no answer: timeout."},
		"418":     {"Your server answered 418", "<script>window.broken=1</script>"},
	} {
		b.Go(hookPage)
		b.OpenRow("HTTP Status", status)
		b.See(append(says, "ConversationComplete", "<script>window.broken=1<")...)
	}
	b.Go(hookPage)
	filters(b)
	b.Clean()
}

// filters gives the webhook on the page a filter, after a look at what it does to the events so far.
func filters(b *browsertest.Browser) {
	b.Click("Edit")
	b.Click("More options Filter, headers, rate limit")
	b.Fill("Filter", `data.language == "de"`)
	b.Click("Try on recent events")
	b.See("The last 4 events:", "No such key: language. Ask has(data.language) first.")
	b.Fill("Filter", `data.session_id == "ses_evt_works"`)
	b.Click("Try on recent events")
	b.SeeRow("Filter", "does not match")
	b.SeeRow("Filter", "matches")
	b.Click("Save")
	b.See("Saved.", `data.session_id == "ses_evt_works"`)
}

// shownSecret finds the secret on a page.
func shownSecret(t *testing.T, text string) string {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "whsec_") && !strings.Contains(word, "•") {
			return word
		}
	}
	t.Fatalf("no secret on the page:\n%s", text)
	return ""
}
