package dashboard_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/dashboard"
	"github.com/voxagent/dispatcher/internal/dashboard/dashboardtest"
)

// site is the dashboard over an installation in memory, with one reader's browser.
type site struct {
	*apitest.Installation
	dashboardtest.Demo

	t      *testing.T
	server *httptest.Server
	client *http.Client
	logs   *observer.ObservedLogs
}

// schedule is the default one: eight attempts.
var schedule = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Installation: apitest.New(), t: t}
	s.Demo = dashboardtest.Fill(s.Installation, time.Now())
	s.serve(dashboard.Deps{
		Keyring: s.Keyring, Webhooks: s.Repository, Workspaces: s.Repository, History: s.History, Actions: s.Actions, Catalogue: s.Types,
	})
	return s
}

// serve starts the dashboard over deps.
func (s *site) serve(deps dashboard.Deps) {
	s.t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	h, err := dashboard.New(dashboard.Config{
		SessionKey: make([]byte, 32), RetrySchedule: schedule, DeliveryTimeout: 5 * time.Second,
	}, deps, zap.New(core))
	if err != nil {
		s.t.Fatal(err)
	}
	s.logs = logs
	s.server = httptest.NewServer(h)
	s.t.Cleanup(s.server.Close)
	s.client = s.browser()
}

// browser is a client with cookies of its own that follows no redirect.
func (s *site) browser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// result is what a page answered.
type result struct {
	t      *testing.T
	path   string
	status int
	header http.Header
	body   string
}

func (s *site) do(method, path string, form url.Values, headers ...string) result {
	s.t.Helper()
	var content io.Reader
	if form != nil {
		content = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return result{s.t, method + " " + path, res.StatusCode, res.Header, string(body)}
}

func (s *site) get(path string) result { s.t.Helper(); return s.do("GET", path, nil) }

func (s *site) post(path string, fields ...string) result {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return s.do("POST", path, form)
}

// signIn signs in with a key and fails if that does.
func (s *site) signIn(key string) {
	s.t.Helper()
	s.post("/login", "key", key).redirect("/")
}

func (r result) want(status int) result {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d: %s", r.path, r.status, status, r.body)
	}
	return r
}

func (r result) redirect(to string) {
	r.t.Helper()
	if r.want(http.StatusSeeOther).header.Get("Location") != to {
		r.t.Fatalf("%s: leads to %q, want %q", r.path, r.header.Get("Location"), to)
	}
}

// has fails unless the page's visible text holds each of these.
func (r result) has(texts ...string) result {
	r.t.Helper()
	visible := r.text()
	for _, text := range texts {
		if !strings.Contains(visible, text) {
			r.t.Errorf("%s does not show %q", r.path, text)
		}
	}
	return r
}

func (r result) hasNot(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if strings.Contains(r.body, text) {
			r.t.Errorf("%s holds %q", r.path, text)
		}
	}
	return r
}

var (
	tag    = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// text is the page without tags, with single spaces.
func (r result) text() string {
	return strings.TrimSpace(spaces.ReplaceAllString(tag.ReplaceAllString(r.body, " "), " "))
}

const w = "/w/" + dashboardtest.Workspace

// pages is every page that a GET shows.
func (s *site) pages() []string {
	hook := w + "/webhooks/" + s.CRM
	attempt := w + "/attempts/" + s.Demo.Failed.Occurrence.AttemptID(s.CRM, 1, 2)
	return []string{
		"/login", "/workspaces", w + "/webhooks", w + "/webhooks/new", hook, hook + "?status=failed", hook + "?status=waiting",
		hook + "?status=succeeded&event=SessionStarted&http_status=2xx&within=24h", hook + "?http_status=timeout", hook + "/edit",
		hook + "/delete", hook + "/secret/rotate", w + "/webhooks/" + s.Analytics, w + "/webhooks/" + s.Analytics + "/edit", w + "/webhooks/" + s.Old, attempt,
		attempt + "?raw=payload", w + "/attempts/" + s.Demo.Hostile.Occurrence.AttemptID(s.CRM, 1, 1),
		w + "/attempts/" + s.Demo.Waiting.Occurrence.AttemptID(s.CRM, 1, 2), w + "/attempts/" + s.Demo.Succeeded.Occurrence.AttemptID(s.CRM, 1, 1),
		w + "/deliveries/" + s.Queued.ID, w + "/events", w + "/events?session_id=" + s.Demo.Failed.SessionID,
		w + "/events/" + s.Demo.Failed.EventID, w + "/events/evt_nobody", w + "/audit-log", w + "/api-keys", "/nothing", w + "/webhooks/wh_nope",
	}
}
