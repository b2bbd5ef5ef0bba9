package docstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// awkward is data that whoever parses and writes JSON again changes: text beyond ASCII, escapes, spaces, forms of numbers.
const awkward = `{"session_id":"ses_1","name":"Zoë","say":"\u00e9 שלום 👋\/",  "list" : [ 1.0 , 1e3, -0, 0.10,9007199254740993 ] , "none":{ }}`

// bodyOf builds the request body of an event, as the dispatcher does.
func bodyOf(t *testing.T, id, data string) []byte {
	t.Helper()
	record := fmt.Sprintf(`{"id":%q,"event":"SessionStarted","workspace_id":"ws_acme","timestamp":"2026-11-23T08:00:00.123Z","data":%s}`, id, data)
	e, err := event.Parse([]byte(record), event.Meta{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return event.Body(&e)
}

// signed are the headers of a request, as the dispatcher signs it: with two secrets, during a rotation from the first to the
// second.
func signed(t *testing.T, id string, body []byte, at time.Time, secrets ...string) http.Header {
	t.Helper()
	signer, err := webhook.NewSigner(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	sig := signer.Sign(id, at, body)
	header := http.Header{}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Voxagent-Webhooks/test", "X-Voxagent-Event": "SessionStarted",
		webhook.HeaderSignature: sig.Hex, webhook.HeaderID: id, webhook.HeaderTimestamp: sig.Timestamp,
		webhook.HeaderStandardSignature: sig.Standard,
	} {
		header.Set(name, value)
	}
	return header
}

// forged is a request that a receiver has to refuse.
type forged struct {
	name   string
	body   []byte
	header http.Header
}

// forgeries are the ways to change a genuine request that every receiver has to notice, by the scheme that it checks.
func forgeries(t *testing.T, id, secret string, hex bool) []forged {
	t.Helper()
	body := bodyOf(t, id, awkward)
	var parsed map[string]any
	if err := json.Unmarshal(body, &parsed); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	genuine := signed(t, id, body, time.Now(), secret)
	with := func(name, value string) http.Header {
		changed := maps.Clone(genuine)
		changed.Set(name, value)
		return changed
	}
	all := []forged{
		{"a changed letter", bytes.Replace(body, []byte("Zoë"), []byte("Zoe"), 1), genuine},
		{"another form of a number", bytes.Replace(body, []byte("1.0"), []byte("1.00"), 1), genuine},
		{"parsed and written again", again, genuine},
		{"a line feed more", append(bytes.Clone(body), '\n'), genuine},
		{"no body", nil, genuine},
		{"no UTF-8", []byte("\xff\xfe"), genuine},
		{"another secret", body, signed(t, id, body, time.Now(), webhook.NewSecret())},
		{"another event's signature", body, signed(t, id, bodyOf(t, id, "{}"), time.Now(), secret)},
		{"no headers", body, http.Header{}},
	}
	if hex {
		return append(all,
			forged{"no signature", body, with(webhook.HeaderSignature, "")},
			forged{"nonsense for a signature", body, with(webhook.HeaderSignature, "nonsense")},
			forged{"a part of the signature", body, with(webhook.HeaderSignature, genuine.Get(webhook.HeaderSignature)[:62])},
		)
	}
	return append(all,
		forged{"no signature", body, with(webhook.HeaderStandardSignature, "")},
		forged{"nonsense for a signature", body, with(webhook.HeaderStandardSignature, "nonsense")},
		forged{"a short signature", body, with(webhook.HeaderStandardSignature, "v1,AAAA")},
		forged{"no id", body, with(webhook.HeaderID, "")},
		forged{"another id", body, with(webhook.HeaderID, "evt_other")},
		forged{"no time", body, with(webhook.HeaderTimestamp, "")},
		forged{"another time", body, with(webhook.HeaderTimestamp, fmt.Sprint(time.Now().Unix()+7))},
		forged{"nonsense for a time", body, with(webhook.HeaderTimestamp, "today")},
		forged{"six minutes old", body, signed(t, id, body, time.Now().Add(-6*time.Minute), secret)},
		forged{"six minutes ahead", body, signed(t, id, body, time.Now().Add(6*time.Minute), secret)},
	)
}

// post sends a request and returns the status of its answer.
func post(t *testing.T, url string, body []byte, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	status, err := answer(r)
	if err != nil {
		t.Error(err)
	}
	return status
}

// answer makes a request and returns the status; redirects are not followed, as the dispatcher does not.
func answer(r *http.Request) (int, error) {
	client := http.Client{
		Timeout:       30 * time.Second, // the machine may be busy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode, err
}

// TestDocumentedRequest: the request that the page shows is what the dispatcher would send by the secret that it names.
func TestDocumentedRequest(t *testing.T) {
	head, body, ok := strings.Cut(strings.TrimSuffix(snippet(t, "receiving/request.http"), "\n"), "\n\n")
	if !ok {
		t.Fatal("no empty line behind the headers")
	}
	header := http.Header{}
	for line := range strings.SplitSeq(head, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			header.Set(name, value)
		}
	}
	page := read(t, pages[0])
	_, rest, ok := strings.Cut(page, "The secret of this example is `")
	secret, _, _ := strings.Cut(rest, "`")
	if !ok {
		t.Fatal("the page names no secret")
	}
	if err := (webhook.Verifier{Secrets: []string{secret}, Tolerance: -1}).Verify(header, []byte(body)); err != nil {
		t.Error(err)
	}
	if err := webhook.VerifyHex([]byte(body), header.Get(webhook.HeaderSignature), secret); err != nil {
		t.Error(err)
	}
	if length := header.Get("Content-Length"); length != fmt.Sprint(len(body)) {
		t.Errorf("Content-Length: %s, the body has %d bytes", length, len(body))
	}
	e, err := event.Parse([]byte(snippet(t, "record/event.json")), event.Meta{}, 1<<20)
	if err != nil || string(event.Body(&e)) != body {
		t.Errorf("the event on the page for publishers makes another body: %v\n%s", err, event.Body(&e))
	}
}
