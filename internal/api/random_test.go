package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

// randomCalls is how many calls a run makes on each database.
const randomCalls = 4000

// TestRandomCalls makes calls from pieces that are valid, nearly so, or nothing of the kind. Whatever comes: nothing fails
// on our side, every answer is well formed and says nothing of what is inside, and the other workspace is neither seen nor
// changed. API_SEED repeats a run.
func TestRandomCalls(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("API_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("API_SEED=%d", seed)
	for name, open := range map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "sqlite::memory:" },
		"postgres": func(t *testing.T) string { return testenv.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, open(t))
			r := rolls{rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // repeatable, not secret
			before, statuses := l.theirs(t), map[int]int{}
			for i := range randomCalls {
				if i%50 == 0 { // some calls delete what others need
					l.renew(t)
				}
				c := l.roll(r)
				status, complaint := l.judge(t, &c)
				if complaint != "" {
					t.Errorf("call %d: %s\n%+v", i, complaint, c)
				}
				statuses[status]++
			}
			if after := l.theirs(t); after != before {
				t.Errorf("the other workspace changed:\n%s\n%s", before, after)
			}
			for _, status := range []int{200, 201, 404, 422} {
				if statuses[status] < randomCalls/1000 {
					t.Errorf("only %d answers %d: the calls are too wild or too tame: %v", statuses[status], status, statuses)
				}
			}
			t.Log(statuses)
		})
	}
}

// FuzzCall lets the fuzzer write the calls of a workspace's key.
func FuzzCall(f *testing.F) {
	l := newLab(f, "sqlite::memory:")
	for _, s := range []struct{ method, target, header, body string }{
		{"GET", "/v1/workspaces/ws_a/attempts?webhook_id=" + l.ids["ws_b"][0] + "&limit=5&status=failed&http_status=5xx", "", ""},
		{"GET", "/v1/workspaces/ws_a/events?since=2026-11-23T08:00:00Z&cursor=", "", ""},
		{"GET", "/v1/workspaces/ws_b/deliveries/" + l.ids["ws_b"][1], "", ""},
		{"GET", "/v1/workspaces/ws_a/webhooks/" + l.ids["ws_a"][0] + "/stats?step=5m", "", ""},
		{"POST", "/v1/workspaces/ws_a/webhooks", "Idempotency-Key: k", l.bodies["create-webhook"]},
		{"PATCH", "/v1/workspaces/ws_a/webhooks/" + l.ids["ws_a"][0], `If-Match: "1"`, l.bodies["update-webhook"]},
		{"POST", "/v1/workspaces/ws_a/webhooks/" + l.ids["ws_b"][0] + "/test", "Accept: */*", l.bodies["test-webhook"]},
		{"DELETE", "/v1/workspaces/ws_a/api-keys/x", "Content-Type: text/plain", "{}"},
	} {
		f.Add(s.method, s.target, s.header, []byte(s.body))
	}
	before := l.theirs(f)
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		name, value, _ := strings.Cut(header, ": ")
		c := random{Key: l.keys["ws_a"], Method: method, Target: target, Header: [2]string{name, value}, Body: string(body)}
		if _, complaint := l.judge(t, &c); complaint != "" {
			t.Errorf("%s\n%+v", complaint, c)
		}
		if after := l.theirs(t); after != before {
			t.Errorf("the other workspace changed:\n%s\n%s", before, after)
		}
	})
}

// lab is an installation with two workspaces that have something of everything.
type lab struct {
	*stored
	keys   map[string]string   // by workspace
	ids    map[string][]string // by workspace: webhook, delivery, attempt, event, session, key
	lists  []string            // cursors of both
	calls  []documented
	bodies map[string]string
}

// documented is an operation of the served document.
type documented struct {
	id, method, path string
	query            []string
}

func newLab(t testing.TB, url string) *lab {
	t.Helper()
	l := &lab{
		stored: newStored(t, url), keys: map[string]string{}, ids: map[string][]string{}, bodies: map[string]string{
			"create-webhook": `{"url":"https://a.example/in","description":"text","event_types":["SessionStarted","*"],"enabled":true,"max_per_second":5,"filter":null,"headers":{"X-A":"b"}}`,
			"update-webhook": `{"url":"https://a.example/2","description":null,"event_types":["Conversation*"],"enabled":false,"max_per_second":null,"headers":{"X-A":null,"X-B":"c"}}`,
			"rotate-secret":  `{"overlap_seconds":60}`, "test-webhook": `{"event":"SessionStarted"}`,
			"create-api-key": `{"name":"key","scopes":["read"],"expires_at":"2099-01-01T00:00:00Z"}`, "update-workspace": `{"suspended":false,"max_per_second":100,"max_webhooks":50}`,
		},
	}
	for _, workspace := range []string{"ws_a", "ws_b"} {
		l.fill(t, workspace)
	}
	for _, place := range []string{"1.\x00", "1.\xff", "-1.", "9223372036854775807.wh_x", "99999999999999999999.x", "\x10\x00"} { // of no list
		l.lists = append(l.lists, base64.RawURLEncoding.EncodeToString([]byte(place)))
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
		}
	}
	l.call("", "GET", "/openapi.json", "").want(200).read(&doc)
	for path, operations := range doc.Paths {
		for method, op := range operations {
			d := documented{id: op.OperationID, method: strings.ToUpper(method), path: path}
			for _, p := range op.Parameters {
				if p.In == "query" {
					d.query = append(d.query, p.Name)
				}
			}
			l.calls = append(l.calls, d)
		}
	}
	slices.SortFunc(l.calls, func(a, b documented) int { return strings.Compare(a.id, b.id) })
	return l
}

// hush stands in all that is the other workspace's and that no call names.
const hush = "hush-of-ws_b"

// fill gives a workspace a webhook, a key, and an event that is being delivered.
func (l *lab) fill(t testing.TB, workspace string) {
	t.Helper()
	mark := strings.Replace(hush, "ws_b", workspace, 1)
	_, key, err := l.webhooks.CreateAPIKey(t.Context(), subscription.Actor{KeyID: mark, Operator: true}, workspace, subscription.NewAPIKey{Name: mark})
	if err != nil {
		t.Fatal(err)
	}
	l.keys[workspace] = key
	hook := l.call(key, "POST", "/v1/workspaces/"+workspace+"/webhooks", `{"url":"https://x.example/`+mark+`","event_types":["*"],"description":"`+mark+`"}`).want(201).object()["id"].(string)
	at := time.Now().UTC().Truncate(time.Millisecond).Add(-time.Hour)
	ids := []string{hook}
	for i := range 3 {
		o := event.Meta{Topic: mark, Offset: int64(i), Time: at}.Occurrence(workspace)
		source := event.Source{Topic: mark, Offset: int64(i)}
		id, session := fmt.Sprintf("evt_%s_%d", workspace, i), "session-"+workspace
		err := l.history.Fold(t.Context(), []store.Record{
			{History: &event.EventRecord{
				EventID: id, Event: "SessionStarted", WorkspaceID: workspace, SessionID: session, Occurrence: o, Timestamp: event.FormatTime(at),
				RecordTimestamp: at, ReceivedAt: at, Source: source, Generation: 1, BodySize: 11,
				Matched: []event.Match{{WebhookID: hook, DeliveryID: o.DeliveryID(hook)}},
			}},
			{History: &event.AttemptRecord{
				ID: o.AttemptID(hook, 1, 1), DeliveryID: o.DeliveryID(hook), WebhookID: hook, WorkspaceID: workspace, EventID: id,
				Event: "SessionStarted", SessionID: session, Occurrence: o, Source: source, EventTimestamp: event.FormatTime(at), Chain: 1,
				Attempt: 1, Trigger: event.TriggerEvent, Timestamp: at, Status: event.Failed, HTTPStatus: 500, DeliveryStatus: event.Pending,
				NextAttemptAt: at.Add(24 * time.Hour), Request: event.Request{URL: "https://x.example/" + mark}, Response: event.Response{Body: event.Text(mark)},
			}},
			{Occurrence: o, Payload: []byte(`{"said":"` + mark + `"}`)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.DeliveryID(hook), o.AttemptID(hook, 1, 1), id, session)
	}
	l.ids[workspace] = append(ids, key[:len("key_")+26])
	for _, list := range []string{"attempts", "deliveries", "events", "audit-log"} {
		var page struct {
			Next *string `json:"next_cursor"`
		}
		if l.call(key, "GET", "/v1/workspaces/"+workspace+"/"+list+"?limit=1", "").want(200).read(&page); page.Next != nil {
			l.lists = append(l.lists, *page.Next)
		}
	}
}

// renew gives the workspace that calls a key and a webhook that are there.
func (l *lab) renew(t testing.TB) {
	t.Helper()
	_, key, err := l.webhooks.CreateAPIKey(t.Context(), subscription.Actor{KeyID: "tests"}, "ws_a", subscription.NewAPIKey{Name: "another"})
	if err != nil {
		t.Fatal(err)
	}
	l.keys["ws_a"] = key
	created, err := l.webhooks.Create(t.Context(), subscription.Actor{KeyID: "tests"}, "ws_a", subscription.New{
		URL: "https://a.example", EventTypes: []string{"*"},
	}, subscription.Idempotency{})
	if errors.Is(err, subscription.ErrLimit) {
		return // there are enough
	}
	if err != nil {
		t.Fatal(err)
	}
	l.ids["ws_a"][0] = created.Webhook.ID
}

// theirs is all that the other workspace has.
func (l *lab) theirs(t testing.TB) string {
	f := fixture{t: t, handler: l.handler} // a fuzz target has a t of its own
	var all strings.Builder
	for _, path := range []string{"webhooks", "attempts", "deliveries", "events", "audit-log", "api-keys"} {
		all.WriteString(f.call(apitest.OperatorKey, "GET", "/v1/workspaces/ws_b/"+path, "").want(200).body)
	}
	return all.String()
}

// random is a call as it is sent.
type random struct {
	Key, Method, Target string
	Header              [2]string
	Body                string
}

// inside is what our own words never are: names of what this is made of, and what such things say of themselves.
var inside = regexp.MustCompile(`(?i)\b(sql|sqlite|postgres|pgx|goroutine|runtime error|reflect|strconv|huma|SQLSTATE|nil pointer)\b|\.go:\d|json: |subscription\.|store\.|api\.[A-Z]|interface ?\{\}|map\[string`)

// judge makes the call and says what is wrong with its answer, "" if nothing. What no HTTP server would hand on is left out.
func (l *lab) judge(t testing.TB, c *random) (status int, complaint string) {
	t.Helper()
	target, err := url.ParseRequestURI(c.Target)
	if err != nil || !strings.HasPrefix(c.Target, "/v1/") {
		return 0, ""
	}
	req, err := http.NewRequestWithContext(t.Context(), c.Method, "/", io.NopCloser(strings.NewReader(c.Body)))
	if err != nil {
		return 0, ""
	}
	req.URL, req.RequestURI, req.RemoteAddr = target, c.Target, "192.0.2.1:1234"
	req.Header.Set("Content-Type", "application/json")
	if c.Header[0] != "" {
		req.Header.Set(c.Header[0], c.Header[1])
	}
	if !strings.EqualFold(c.Header[0], "Authorization") {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, req)
	return w.Code, fault(w, c)
}

func fault(w *httptest.ResponseRecorder, c *random) string {
	body := w.Body.String()
	if w.Code >= 500 {
		return fmt.Sprintf("%d: %s", w.Code, body)
	}
	if !strings.Contains(c.Target, "ws_b") && strings.Contains(body, hush) || c.Key != apitest.OperatorKey && strings.Contains(body, hush) {
		return "it tells of the other workspace: " + body
	}
	if w.Code < 400 {
		if len(body) > 0 && !json.Valid([]byte(body)) && w.Code != http.StatusMovedPermanently && w.Code != http.StatusTemporaryRedirect {
			return fmt.Sprintf("%d, and no JSON: %.200q", w.Code, body)
		}
		return ""
	}
	var p api.Problem
	decode := json.NewDecoder(bytes.NewReader([]byte(body)))
	decode.DisallowUnknownFields()
	if err := decode.Decode(&p); err != nil || p.Status != w.Code || p.Title == "" || w.Header().Get("Content-Type") != "application/problem+json" {
		return fmt.Sprintf("%d, and no problem (%v): %.300q", w.Code, err, body)
	}
	if len(body) > 64<<10 {
		return fmt.Sprintf("an answer of %d bytes", len(body))
	}
	var ours strings.Builder
	ours.WriteString(p.Detail + p.Code + p.Type)
	for _, f := range p.Errors {
		ours.WriteString("\n" + f.Message)
	}
	if found := inside.FindString(ours.String()); found != "" {
		return fmt.Sprintf("it says %q: %s", found, ours.String())
	}
	return ""
}
