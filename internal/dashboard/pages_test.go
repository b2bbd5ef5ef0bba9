package dashboard_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/dashboard/dashboardtest"
	"github.com/voxagent/dispatcher/internal/subscription"
)

var (
	elsewhere = regexp.MustCompile(`(?i)(?:src|href|action|formaction|srcset|poster|data)\s*=\s*["']?\s*(?:[a-z]+:)?//`)
	inline    = regexp.MustCompile(`(?i)<style|\sstyle\s*=|\son[a-z]+\s*=\s*["']|javascript:|<script>|<script type="module">`)
)

// TestEveryPage looks at all pages for what none may have: something from elsewhere, inline script or style, a missing
// policy; and for what each must have.
func TestEveryPage(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	for _, path := range s.pages() {
		p := s.get(path)
		if p.status != 200 && !strings.Contains(path, "nope") && path != "/nothing" {
			t.Errorf("%s: %d", path, p.status)
		}
		markup := escaped.ReplaceAllString(p.body, "")
		if m := elsewhere.FindString(markup); m != "" {
			t.Errorf("%s loads something from elsewhere: %s", path, m)
		}
		if m := inline.FindString(markup); m != "" {
			t.Errorf("%s has script or style of its own: %s", path, m)
		}
		csp := p.header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, rule) {
				t.Errorf("%s: policy %q lacks %s", path, csp, rule)
			}
		}
		if p.header.Get("X-Content-Type-Options") != "nosniff" || p.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, p.header)
		}
		if !strings.Contains(p.body, `<html lang="en"`) || !strings.Contains(p.body, "<h1") && !strings.Contains(p.body, "<h2") {
			t.Errorf("%s has no language or no heading", path)
		}
		checkLabels(t, path, p.body)
	}
	if n := s.logs.Len(); n != 0 {
		t.Errorf("%d lines were logged: %v", n, s.logs.All()[0])
	}
}

// escaped is text between tags, in which a URL or a word that looks like script is only text; values of fields that
// hold an address of the reader's own are text too.
var escaped = regexp.MustCompile(`(?s)<pre.*?</pre>|data-copy="[^"]*"|value="[^"]*"|placeholder="[^"]*"`)

var field = regexp.MustCompile(`<(?:input|select|textarea)\s[^>]*>`)

// checkLabels fails for a field that has no label.
func checkLabels(t *testing.T, path, body string) {
	t.Helper()
	for _, f := range field.FindAllString(body, -1) {
		id := regexp.MustCompile(`\sid="([^"]+)"`).FindStringSubmatch(f)
		if strings.Contains(f, `type="hidden"`) {
			continue
		}
		if len(id) != 2 || !strings.Contains(body, `for="`+id[1]+`"`) {
			t.Errorf("%s: no label for %s", path, f)
		}
	}
}

// ownText is what goes back to a form or to the clipboard as it is, and is not shown elsewhere.
var ownText = regexp.MustCompile(`value="[^"]*"|data-copy="[^"]*"|<textarea[^>]*>[^<]*</textarea>`)

// TestHostileText puts a text that would run as script into every field that a page shows.
func TestHostileText(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	id := s.Webhook(dashboardtest.Workspace, "https://x.example/?q="+dashboardtest.Hostile, dashboardtest.Hostile)
	d := s.Deliver(dashboardtest.Workspace, id, dashboardtest.Hostile, time.Now(), time.Now().Add(time.Hour), []byte(dashboardtest.Hostile),
		apitest.Answer{Status: 500, Body: dashboardtest.Hostile}, apitest.Answer{Error: "timeout", Detail: dashboardtest.Hostile})
	if _, err := s.Repository.Update(t.Context(), subscription.Actor{KeyID: dashboardtest.Hostile, Name: dashboardtest.Hostile, Addr: dashboardtest.Hostile},
		dashboardtest.Workspace, id, subscription.Patch{EventTypes: &[]string{dashboardtest.Hostile}, Filter: new(dashboardtest.Hostile)}, 0); err != nil {
		t.Fatal(err)
	}
	hook := w + "/webhooks/" + id
	for _, path := range []string{
		w + "/webhooks", hook, hook + "?status=waiting", hook + "/edit", hook + "/delete", hook + "/secret/rotate", w + "/events",
		w + "/attempts/" + d.Occurrence.AttemptID(id, 1, 1), w + "/attempts/" + d.Occurrence.AttemptID(id, 1, 2), w + "/events/" + d.EventID,
		w + "/audit-log", w + "/webhooks?cursor=" + "%3Cscript%3E", w + "/events?session_id=%3Cscript%3Ewindow.broken",
	} {
		p := s.get(path)
		p.body = ownText.ReplaceAllString(p.body, "")
		p.hasNot("<script>", "<img", "\u202e", "\u200b", "\x01", `onerror="window`)
	}
	attempt := w + "/attempts/" + d.Occurrence.AttemptID(id, 1, 1)
	s.get(attempt).want(200).has("&lt;script&gt;window.broken=1&lt;/script&gt;", "U+202E", "U+200B", "U+0001")
	download := s.get(attempt + "/response").want(200)
	if download.body != dashboardtest.Hostile || !strings.HasPrefix(download.header.Get("Content-Disposition"), "attachment") ||
		download.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("download %q as %v", download.body, download.header)
	}
}

func TestKeyTexts(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	hook := w + "/webhooks/" + s.CRM
	s.get(w+"/webhooks").want(200).has("Webhooks", "+ Create Webhook", "CRM sync", "https://crm.example/hooks/voxagent", "2 types", "Failing", "Disabled by hand")
	s.get(w+"/webhooks/new").want(200).has("URL", "Description", "Event Types", "All, also future ones", "ConversationComplete", "Enabled", "Save")
	s.get(hook).want(200).
		has("CRM sync", "Secret", "Reveal", "Request History", "Timestamp HTTP Status Event Attempt Duration Payload Response", "Send test event", "200", "500", "timeout", "2 of 8").
		hasNot(apitest.Secret(3))
	s.get(hook + "?status=failed").want(200).has("500").hasNot("<span>SessionStarted")
	s.get(hook+"?status=waiting").want(200).has("waiting · next try in", "3 of 8", "1 of 8")
	s.get(hook+"?event=SessionStarted&http_status=5xx").want(200).has("Nothing matches", "Clear filters")
	s.get(w+"/attempts/"+s.Demo.Waiting.Occurrence.AttemptID(s.CRM, 1, 2)).want(200).
		has("Your server answered 500 after 182 ms.", "Tried 2 of 8 times; next try at", "Resend", "Cancel", "Next attempt", "Copy as curl", "webhook-id")
	s.get(w+"/attempts/"+s.Demo.Timeout.Occurrence.AttemptID(s.CRM, 1, 1)).want(200).
		has("Your server gave no complete answer within 5 s.", "nothing more is sent by itself", "There was no answer: timeout.")
	s.get(w + "/attempts/" + s.Demo.Succeeded.Occurrence.AttemptID(s.CRM, 1, 1)).want(200).has("Your server answered 200 after 41 ms: delivered.")
	s.get(w+"/deliveries/"+s.Queued.ID).want(200).has("Nothing was sent yet.", "The first try is at")
	s.get(w+"/events/evt_nobody").want(200).has("Nobody got it: no webhook wanted it.", "It was disabled when the event arrived.", "It has not selected this event type.")
	s.get("/w/ws_new/webhooks").want(200).has("No webhooks yet", "dispatcher listen")
}

func TestRawAndPretty(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	path := w + "/attempts/" + s.Demo.Succeeded.Occurrence.AttemptID(s.CRM, 1, 1)
	s.get(path).has(`&#34;duration_seconds&#34;: 42.50,`)
	s.get(path + "?raw=payload").has(`&#34;duration_seconds&#34;:42.50,&#34;history&#34;`)
	if body := s.get(path + "/payload").want(200).body; body != string(dashboardtest.Payload(1)) {
		t.Errorf("download is not the payload: %s", body)
	}
}

func TestLargePayloadIsFolded(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	d := s.Deliver(dashboardtest.Workspace, s.CRM, "ConversationComplete", time.Now(), time.Time{}, dashboardtest.Payload(2000), apitest.Answer{Status: 200})
	began := time.Now()
	p := s.get(w + "/attempts/" + d.Occurrence.AttemptID(s.CRM, 1, 1))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the page took %s", took)
	}
	p.want(200).has("Only the first 100 KB are shown")
	if len(p.body) > 600<<10 {
		t.Errorf("the page has %d bytes", len(p.body))
	}
}

func TestRowsFragment(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	hook := w + "/webhooks/" + s.CRM
	p := s.do("GET", hook, nil, "Voxagent-Fragment", "rows").want(200)
	if !strings.HasPrefix(p.body, `<div id="rows"`) || strings.Contains(p.body, "<html") {
		t.Errorf("fragment %.80s", p.body)
	}
	s.client = s.browser()
	s.do("GET", hook, nil, "Voxagent-Fragment", "rows").want(http.StatusUnauthorized)
}

func TestAssets(t *testing.T) {
	s := newSite(t)
	links := regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(s.get("/login").body, -1)
	if len(links) != 3 {
		t.Fatalf("links %v", links)
	}
	for _, link := range links {
		a := s.get(link[1]).want(200)
		if !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %q", link[1], a.header.Get("Cache-Control"))
		}
		if strings.Contains(link[1], "app.js") && len(a.body) > 15<<10 {
			t.Errorf("the script has %d bytes, at most 15 KB are promised", len(a.body))
		}
		if strings.Contains(a.body, "http://") && !strings.Contains(a.body, "www.w3.org") || strings.Contains(a.body, "https://") || strings.Contains(a.body, "@import") {
			t.Errorf("%s names another origin", link[1])
		}
	}
	s.get("/assets/nothing").want(404)
}
