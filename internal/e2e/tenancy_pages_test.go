package e2e

import (
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// route is a page, or an act, below a workspace.
type route struct {
	method, path string
	operator     bool
}

var (
	registered  = regexp.MustCompile(`(?m)^\td\.page\((.*), auth\.[\w.|]+, (.*)\)$`)
	webhookPath = regexp.MustCompile(`const webhook = "(.*)"`)
)

// routes reads the dashboard's routes from where they are registered, so that a later page is crossed too.
func routes(t *testing.T) []route {
	t.Helper()
	source, err := os.ReadFile("../dashboard/dashboard.go")
	if err != nil {
		t.Fatal(err)
	}
	webhook := webhookPath.FindSubmatch(source)
	if webhook == nil {
		t.Fatal("dashboard.go does not say where a webhook's pages are")
	}
	var all []route
	for _, m := range registered.FindAllSubmatch(source, -1) {
		pattern := strings.ReplaceAll(string(m[1]), "+webhook", `+"`+string(webhook[1])+`"`)
		pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, `"+"`, ""), `"`, "")
		method, path, ok := strings.Cut(pattern, " ")
		if rest := strings.NewReplacer("{workspace}", "", "{id}", "").Replace(path); !ok || strings.ContainsAny(rest, "{+") {
			t.Fatalf("this test does not understand the route %s", m[1])
		}
		all = append(all, route{method, path, strings.HasPrefix(string(m[2]), "operatorOnly(")})
	}
	if n := strings.Count(string(source), "d.page("); len(all) != n || n < 30 {
		t.Fatalf("%d routes were read of %d", len(all), n)
	}
	return all
}

// form is what an act may want; each takes what is its own.
var form = url.Values{
	"url": {"https://evil.example"}, "description": {"taken"}, "event_types": {"*"}, "types": {"*"}, "enabled": {"true"}, "event": {"SessionStarted"},
	"hours": {"0"}, "name": {"taken"}, "scopes": {"read"}, "filter": {"true"},
}

// pages: the dashboard's routes with a's session. The page about what is b's is the one about what is not there.
func (x *crossing) pages() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		x.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	visit := func(method, path string, fields url.Values) reply {
		x.t.Helper()
		req, err := http.NewRequestWithContext(x.t.Context(), method, x.s.api+path, strings.NewReader(fields.Encode()))
		if err != nil {
			x.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		x.made++
		return send(x.t, browser, req)
	}
	if r := visit("POST", "/login", url.Values{"key": {x.a.key}}); r.status != http.StatusSeeOther {
		x.t.Fatalf("sign in: %d %s", r.status, r.body)
	}
	if r := visit("GET", "/w/"+x.a.workspace+"/webhooks", nil); r.status != 200 || !strings.Contains(r.body, x.a.hooks[0].ID) {
		x.t.Fatalf("a's own page: %d %s", r.status, r.body)
	}
	same := func(rt route, theirs, nothing string, want int, ids ...string) {
		x.t.Helper()
		// A page knows its own address, to come back to it.
		got, twin := visit(rt.method, theirs, form).about(theirs), visit(rt.method, nothing, form).about(nothing)
		if got.status != want || got.without(ids...) != twin.without(ids...) {
			x.t.Errorf("%s %s: %s\nwant %d and as for what is not there: %s", rt.method, theirs, got.without(ids...), want, twin.without(ids...))
		}
		if mark := got.tells(x.b); mark != "" {
			x.t.Errorf("%s %s tells %q", rt.method, theirs, mark)
		}
	}
	for _, rt := range routes(x.t) {
		at := func(workspace, id string) string {
			return strings.NewReplacer("{workspace}", workspace, "{id}", id).Replace(rt.path)
		}
		ids := []string{x.b.hooks[0].ID}
		if strings.Contains(rt.path, "{id}") {
			ids = append(x.b.some(), x.a.hooks[0].ID)
		}
		for _, id := range ids {
			same(rt, at(x.b.workspace, id), at("ws_nobody", id), http.StatusNotFound)
			if own := id == x.a.hooks[0].ID; own || !strings.Contains(rt.path, "{id}") {
				continue
			}
			want := http.StatusNotFound
			if rt.operator {
				want = http.StatusForbidden
			}
			same(rt, at(x.a.workspace, id), at(x.a.workspace, unlike(id)), want, id, unlike(id))
		}
		for list, cursor := range x.b.cursors {
			path := at(x.a.workspace, x.a.hooks[0].ID) + "?cursor=" + cursor
			r := visit("GET", path, nil).about(path)
			if mark := r.tells(x.b); mark != "" || r.status >= 500 {
				x.t.Errorf("%s with a cursor of %s: %d, tells %q", rt.path, list, r.status, mark)
			}
		}
	}
}

// about is the page without its own address.
func (r reply) about(path string) reply {
	r.body = strings.ReplaceAll(r.body, html.EscapeString(path), "ADDRESS")
	return r
}
