package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/dashboard/dashboardtest"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

func TestSignIn(t *testing.T) {
	s := newSite(t)
	s.get("/").redirect("/login")
	s.get(w + "/webhooks").redirect("/login?to=" + url.QueryEscape(w+"/webhooks"))
	s.post("/login", "key", "nope").want(401).has("This key is not valid")
	s.post("/login", "key", apitest.OperatorKey, "to", w+"/webhooks").redirect(w + "/webhooks")
	s.get("/").redirect("/workspaces")
	s.get("/open?workspace=ws_new").redirect("/w/ws_new/webhooks")
	s.get("/open?workspace=no%20id").redirect("/workspaces?bad=1")
	for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "evil", "javascript:alert(1)"} {
		s.post("/login", "key", apitest.OperatorKey, "to", to).redirect("/")
	}
	s.post("/logout").redirect("/login")
	s.get("/").redirect("/login")
}

func TestWorkspaceKey(t *testing.T) {
	s := newSite(t)
	s.signIn(s.Key("ws_acme"))
	s.get("/").redirect(w + "/webhooks")
	s.get(w+"/webhooks").want(200).hasNot("/workspaces", "API keys")
	s.get("/workspaces").want(404)
	s.get("/w/ws_other/webhooks").want(404)
	s.get(w + "/api-keys").want(403)
}

// lists are the pages that every workspace has.
var lists = []string{"/webhooks", "/webhooks/new", "/events", "/audit-log"}

// TestForeignPages crosses every page and act of one workspace with a key of another: nothing exists, nothing changes.
func TestForeignPages(t *testing.T) {
	s := newSite(t)
	s.signIn(s.Key("ws_other"))
	theirs := s.Webhook("ws_other", "https://theirs.example", "theirs")
	before := state(t, s)
	paths := s.pages()[2:]
	for _, act := range []string{"/edit", "/edit/try", "/enable", "/disable", "/delete", "/test", "/secret/reveal", "/secret/rotate", "/secret/expire-previous"} {
		paths = append(paths, w+"/webhooks/"+s.CRM+act)
	}
	for _, act := range []string{"/resend", "/cancel", "/payload"} {
		paths = append(paths, w+"/deliveries/"+s.Demo.Failed.ID+act)
	}
	attempt := w + "/attempts/" + s.Demo.Failed.Occurrence.AttemptID(s.CRM, 1, 1)
	paths = append(paths, attempt+"/payload", attempt+"/response", attempt+"/signature", w+"/events/evt_nobody/payload", w+"/api-keys/x/revoke")
	for _, path := range paths {
		for _, target := range []string{path, strings.Replace(path, w, "/w/ws_other", 1)} {
			own := target != path && slices.Contains(lists, strings.TrimPrefix(strings.Split(target, "?")[0], "/w/ws_other"))
			for _, method := range []string{"GET", "POST"} {
				p := s.do(method, target, url.Values{"url": {"https://evil.example"}, "event_types": {"*"}, "event": {"SessionStarted"}})
				if p.status < 400 && !own {
					t.Errorf("%s: %d", p.path, p.status)
				}
				p.hasNot("crm.example", "Analytics")
			}
		}
	}
	if after := state(t, s); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	s.get("/w/ws_other/webhooks/" + theirs).want(200)
}

// state is everything in the demo's workspace that an act can change, as text.
func state(t *testing.T, s *site) string {
	t.Helper()
	hooks, err := s.Repository.Webhooks(t.Context(), "ws_acme", subscription.Page{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.Repository.AuditLog(t.Context(), "ws_acme", subscription.Page{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{hooks, log, len(s.Commander.Resends()), len(s.Commander.Tests()), len(s.Commander.Cancellations())})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadOnlyKey(t *testing.T) {
	s := newSite(t)
	s.signIn(s.Key("ws_acme", subscription.ScopeRead))
	hook := w + "/webhooks/" + s.CRM
	s.get(hook).want(200).hasNot("Reveal", "Send test event", hook+"/edit")
	s.get(w + "/attempts/" + s.Demo.Failed.Occurrence.AttemptID(s.CRM, 1, 1)).want(200).hasNot("/resend")
	s.post(hook + "/secret/reveal").want(403).hasNot(apitest.Secret(3))
	s.post(w + "/deliveries/" + s.Demo.Failed.ID + "/resend").want(403)
	s.post(w+"/webhooks", "url", "https://x.example", "event_types", "*").want(403)
}

func TestRevokedKeyEndsSession(t *testing.T) {
	s := newSite(t)
	s.signIn(s.Key("ws_acme"))
	s.get(w + "/webhooks").want(200)
	keys, err := s.Repository.APIKeys(t.Context(), "ws_acme", subscription.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Repository.RevokeAPIKey(t.Context(), subscription.Actor{}, "ws_acme", keys.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	s.get(w + "/webhooks").redirect("/login?to=" + url.QueryEscape(w+"/webhooks"))
}

func TestForgedSession(t *testing.T) {
	s := newSite(t)
	for _, value := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", apitest.OperatorKey} {
		s.do("GET", "/workspaces", nil, "Cookie", "session="+value).redirect("/login?to=%2Fworkspaces")
	}
}

func TestCookie(t *testing.T) {
	s := newSite(t)
	p := s.post("/login", "key", apitest.OperatorKey)
	c := p.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(c, want) {
			t.Errorf("cookie %q lacks %s", c, want)
		}
	}
	if strings.Contains(c, apitest.OperatorKey) {
		t.Error("the cookie shows the key")
	}
}

func TestCrossOrigin(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	path := w + "/webhooks/" + s.CRM + "/disable"
	s.do("POST", path, url.Values{}, "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden)
	s.do("POST", path, url.Values{}, "Origin", "https://evil.example").want(http.StatusForbidden)
	s.do("POST", path, url.Values{}, "Sec-Fetch-Site", "same-origin").redirect(w + "/webhooks/" + s.CRM)
}

func TestCreateAndEdit(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	s.post(w+"/webhooks", "url", "ftp://x.example", "description", "Kept").want(422).
		has("Must begin with https:// or http://.", "Choose at least one.").want(422)
	p := s.post(w+"/webhooks", "url", "https://new.example/in", "description", "New one", "event_types", "SessionStarted", "enabled", "true", "once", "abc")
	to := p.want(303).header.Get("Location")
	again := s.post(w+"/webhooks", "url", "https://new.example/in", "description", "New one", "event_types", "SessionStarted", "enabled", "true", "once", "abc")
	again.redirect(to)
	s.get(to).want(200).has("New one", "The webhook is ready.", "Enabled", "SessionStarted", "Nothing sent yet")
	s.get(to + "/edit").want(200).has("Edit webhook")
	s.post(to+"/edit", "etag", "1", "url", "https://new.example/v2", "description", "Newer", "event_types", "*", "event_types", "SessionStarted").redirect(to)
	s.get(to).want(200).has("Newer", "https://new.example/v2", "Disabled", "Saved.")
	s.post(to+"/edit", "etag", "1", "url", "https://lost.example", "event_types", "*").want(http.StatusConflict).has("Somebody changed this webhook")
	s.post(to + "/enable").redirect(to)
	s.get(to).has("Enabled: events published from now on are sent.")
	s.get(to+"/delete").want(200).has("Delete “Newer”?", "No delivery is waiting.")
	s.post(to + "/delete").redirect(w + "/webhooks")
	s.get(to).want(404)
}

func TestSecret(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	hook := w + "/webhooks/" + s.CRM
	secret := apitest.Secret(3)
	s.get(hook).hasNot(secret)
	s.get(hook + "/secret/reveal").redirect(hook + "#secret")
	s.post(hook + "/secret/reveal").want(200).has(secret)
	s.get(hook).hasNot(secret)
	s.get(w + "/audit-log").has("Secret: reveal")
	_, rest, _ := strings.Cut(s.get(hook+"/secret/rotate").want(200).body, `name="etag" value="`)
	etag, _, _ := strings.Cut(rest, `"`)
	s.post(hook+"/secret/rotate", "hours", "24", "etag", etag).want(200).has(secret, "still signs until", "End the overlap now")
	s.post(hook+"/secret/rotate", "hours", "24", "etag", etag).redirect(hook + "#secret")
	s.get(hook).has("Not rotated")
	signature := w + "/attempts/" + s.Demo.Failed.Occurrence.AttemptID(s.CRM, 1, 1) + "/signature"
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	before := string(signer.AppendHex(nil, dashboardtest.Payload(40)))
	if both := s.post(signature).want(200).has(before, "While the secret before the rotation signs too"); strings.Count(both.text(), "v1,") != 2 {
		t.Error("not both secrets sign during the overlap")
	}
	s.post(hook + "/secret/expire-previous").redirect(hook + "#secret")
	s.post(hook+"/secret/reveal").want(200).hasNot(secret, "still signs until")
	s.post(signature).want(200).has("v1,", "webhook-timestamp", "With the secret of now").hasNot(before)
}

func TestActions(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	hook, delivery := w+"/webhooks/"+s.CRM, w+"/deliveries/"+s.Demo.Failed.ID
	s.post(hook+"/test", "event", "SessionStarted").redirect(hook)
	s.get(hook).has("A test event is on its way.")
	s.get(hook).hasNot("A test event is on its way.")
	s.post(hook+"/test", "event", "Nope").redirect(hook)
	s.get(hook).has("This event type has no example to send.")
	s.post(delivery + "/resend").redirect(delivery)
	s.get(w + "/attempts/" + s.Demo.Failed.Occurrence.AttemptID(s.CRM, 1, 3)).has("Resent: the new attempt appears here")
	s.post(delivery + "/cancel").redirect(delivery)
	s.post(w + "/deliveries/" + s.Demo.Waiting.ID + "/cancel").want(303)
	s.post(hook + "/disable").redirect(hook)
	s.post(delivery + "/resend").redirect(delivery)
	if r, c, n := s.Commander.Resends(), s.Commander.Cancellations(), s.Commander.Tests(); len(r) != 1 || len(c) != 1 || len(n) != 1 {
		t.Errorf("%d resends, %d cancellations, %d tests; want one of each", len(r), len(c), len(n))
	}
}

func TestKeysPage(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	s.post(w+"/api-keys", "name", "CI").want(422).has("Choose at least one thing")
	s.post(w+"/api-keys", "name", "CI", "scopes", "read").want(200).has("It is shown only now.", "CI")
	keys, err := s.Repository.APIKeys(t.Context(), "ws_acme", subscription.Page{})
	if err != nil {
		t.Fatal(err)
	}
	s.get(w + "/api-keys").want(200).has("CI").hasNot("_secret")
	s.post(w + "/api-keys/" + keys.Items[0].ID + "/revoke").redirect(w + "/api-keys")
	s.get(w + "/api-keys").hasNot(keys.Items[0].ID)
}

func TestOurFaults(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	s.History.Err = fmt.Errorf("pq: relation attempts does not exist")
	s.get(w+"/webhooks/"+s.CRM).want(500).has("Something failed on our side").hasNot("pq:", "relation")
	if s.logs.FilterMessage("page failed").Len() != 1 {
		t.Error("the fault was not logged")
	}
}

func TestTheme(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	s.get("/workspaces").hasNot("data-theme=")
	s.post("/theme", "theme", "dark", "to", "/workspaces").redirect("/workspaces")
	if !strings.Contains(s.get("/workspaces").body, `<html lang="en" data-theme="dark">`) {
		t.Error("the theme was not kept")
	}
	s.post("/theme", "theme", `"><script>`, "to", "//evil.example").redirect("/")
	s.get("/workspaces").hasNot("evil", "><script>")
}

func TestPages50(t *testing.T) {
	s := newSite(t)
	s.signIn(apitest.OperatorKey)
	id := s.Webhook("ws_acme", "https://many.example", "")
	for i := range 60 {
		s.Deliver("ws_acme", id, "SessionStarted", time.Now().Add(-time.Duration(i)*time.Minute), time.Time{}, []byte("{}"), apitest.Answer{Status: 200})
	}
	hook := w + "/webhooks/" + id
	p := s.get(hook).want(200)
	if n := strings.Count(p.body, "data-id="); n != 50 {
		t.Errorf("%d rows on the first page", n)
	}
	next := hook + "?cursor=50"
	if !strings.Contains(p.body, next) {
		t.Error("no link to older rows")
	}
	p = s.get(next).want(200).hasNot("data-live")
	if n := strings.Count(p.body, "data-id="); n != 10 || !strings.Contains(p.body, "← Newest") {
		t.Errorf("%d rows on the second page", n)
	}
	s.get(hook + "?cursor=zzz").want(400)
}
