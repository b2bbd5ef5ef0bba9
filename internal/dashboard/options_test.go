package dashboard_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/dashboard"
	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// storedSite is a site whose webhooks are in a database and keep to the program's rules; its history is in memory.
type storedSite struct {
	*site
	webhooks *subscription.Store
}

func newStoredSite(t *testing.T) *storedSite {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite::memory:", sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), subscription.Migrations()); err != nil {
		t.Fatal(err)
	}
	in := apitest.New()
	rules, errRules := delivery.NewRules(delivery.Config{})
	keys, errKeys := subscription.NewKeyring(bytes.Repeat([]byte("k"), subscription.KeySize))
	webhooks, errStore := subscription.NewStore(db, keys, subscription.Config{
		CheckURL: rules.CheckURL, CheckHeader: rules.CheckHeader, EventTypes: func() []string { return in.Types().Names() },
	})
	keyring, err := auth.New([]auth.OperatorKey{{Name: "tests", Scopes: auth.All, Key: apitest.OperatorKey}}, webhooks)
	if err := errors.Join(errRules, errKeys, errStore, err); err != nil {
		t.Fatal(err)
	}
	s := &storedSite{&site{Installation: in, t: t}, webhooks}
	s.serve(dashboard.Deps{
		Keyring: keyring, Webhooks: webhooks, Workspaces: webhooks, History: in.History, Catalogue: in.Types,
		Actions: command.New(webhooks, in.History, in.Types, in.Commander),
	})
	s.signIn(apitest.OperatorKey)
	return s
}

// hooks are the workspace's webhooks with the values of their headers.
func (s *storedSite) hooks() (all []subscription.Portable) {
	s.t.Helper()
	err := s.webhooks.Export(s.t.Context(), subscription.Actor{KeyID: "tests"}, "ws_acme", func(p *subscription.Portable) error {
		all = append(all, *p)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// hook is the only one.
func (s *storedSite) hook() subscription.Portable {
	s.t.Helper()
	all := s.hooks()
	if len(all) != 1 {
		s.t.Fatalf("%d webhooks, want one", len(all))
	}
	return all[0]
}

const opened = `<details class="more" id="more" open>`

func TestMoreOptions(t *testing.T) {
	s := newStoredSite(t)
	s.get(w+"/webhooks/new").want(200).has("More options", "Filter", "Try on recent events", "Headers", "Max requests a second").hasNot(opened)
	to := s.post(w+"/webhooks", "url", "https://a.example", "event_types", "*", "enabled", "true", "once", "abc",
		"filter", "event == \"ConversationComplete\" &&\r\n  data.duration_seconds > 60 ", "max_per_second", "2.5",
		"header_name", "X-Api-Key", "header_value", "s3cret", "header_name", "", "header_value", "", "header_name", "X-Tenant", "header_value", "acme",
	).want(303).header.Get("Location")
	made := s.hook()
	if made.Filter != "event == \"ConversationComplete\" &&\n  data.duration_seconds > 60" || made.MaxPerSecond != 2.5 ||
		!slices.Equal(made.Headers, []event.Header{{"X-Api-Key", "s3cret"}, {"X-Tenant", "acme"}}) {
		t.Errorf("created %+v", made)
	}
	s.get(to).want(200).has("data.duration_seconds &gt; 60", "X-Api-Key: ***", "2.5 requests a second").hasNot("s3cret")
	form := s.get(to+"/edit").want(200).has("X-Api-Key", "Remove").hasNot("s3cret", "acme\"")
	if !strings.Contains(form.body, opened) || !strings.Contains(form.body, `value="2.5"`) {
		t.Error("the form does not show what is set")
	}
	// An empty value keeps, another one replaces, a mark removes, a row adds.
	s.post(to+"/edit", "etag", "1", "url", "https://a.example", "event_types", "*", "enabled", "true", "filter", "", "max_per_second", "",
		"stored_name", "X-Api-Key", "stored_value", "", "stored_name", "X-Tenant", "stored_value", "other", "header_name", "X-New", "header_value", "1").redirect(to)
	if got := s.hook(); got.Filter != "" || got.MaxPerSecond != 0 ||
		!slices.Equal(got.Headers, []event.Header{{"X-Api-Key", "s3cret"}, {"X-Tenant", "other"}, {"X-New", "1"}}) {
		t.Errorf("edited %+v", got)
	}
	s.post(to+"/edit", "etag", "2", "url", "https://a.example", "event_types", "*", "stored_name", "X-Api-Key", "stored_value", "",
		"stored_name", "X-Tenant", "stored_value", "", "stored_name", "X-New", "stored_value", "", "remove", "X-Tenant", "remove", "X-Api-Key").redirect(to)
	if got := s.hook(); !slices.Equal(got.Headers, []event.Header{{"X-New", "1"}}) {
		t.Errorf("headers %v", got.Headers)
	}
}

// TestSameFormAnotherFilter: what is below "More options" belongs to the form too, when it is sent twice.
func TestSameFormAnotherFilter(t *testing.T) {
	s := newStoredSite(t)
	send := func(fields ...string) result {
		return s.post(w+"/webhooks", append([]string{"url", "https://a.example", "event_types", "*", "once", "abc"}, fields...)...)
	}
	to := send("filter", "true").want(303).header.Get("Location")
	send("filter", "true").redirect(to)
	for _, other := range [][]string{
		{"filter", "false"}, {"filter", "true", "max_per_second", "1"}, {"filter", "true", "header_name", "X-A", "header_value", "1"},
	} {
		send(other...).want(http.StatusConflict).has("This form was sent before.")
	}
}

func TestFaultsOfOptions(t *testing.T) {
	s := newStoredSite(t)
	p := s.post(w+"/webhooks", "url", "nowhere", "filter", "true &&\r\n  evnt == \"x\"", "max_per_second", "many",
		"header_name", "Host", "header_value", "typed-once", "header_name", "X-Good", "header_value", "1").want(422).
		has("Line 2, column 3: undeclared reference to &#39;evnt&#39;", "Host can&#39;t be set.", "Want a number from 0.0001 to 100000. Leave it empty for no limit.", "Must begin with")
	for _, kept := range []string{opened, "true &amp;&amp;\n  evnt == &#34;x&#34;</textarea>", `value="many"`, `value="typed-once"`, `value="X-Good"`} {
		if !strings.Contains(p.body, kept) {
			t.Errorf("the form lost %s", kept)
		}
	}
	for _, test := range []struct{ fields, says string }{
		{"max_per_second=0", "Want a number from"},
		{"max_per_second=-1", "Want a number from"},
		{"max_per_second=1e999", "Want a number from"},
		{"max_per_second=2,5", "Want a number from"},
		{"header_name=X-A&header_value=", "Give it a value."},
		{"header_name=&header_value=x", "Give it a name."},
		{"header_name=X-A&header_value=1&header_name=x-a&header_value=2", "It is there already"},
		{"header_name=no+name&header_value=1", "no name is not a header name."},
		{"header_name=X-A&header_value=%C3%A9", "X-A must have a value without control"},
		{"header_name=" + strings.Repeat("x", 200) + "%20&header_value=%0A%C3%A9", strings.Repeat("x", 128) + " must have a value"},
		{"header_name=X-B&header_value=" + strings.Repeat("b", 5000), "They are 5003 bytes together"},
		{"filter=" + url.QueryEscape("event == \"\x00\""), "Want at most 4096 bytes of text."},
		{"filter=event", "Want an expression that is true or false"},
	} {
		form, err := url.ParseQuery("url=https://a.example&event_types=*&" + test.fields)
		if err != nil {
			t.Fatal(err)
		}
		p := s.do("POST", w+"/webhooks", form).want(422).has(test.says)
		if !strings.Contains(p.body, opened) {
			t.Errorf("%s: the fault is out of sight", test.fields)
		}
	}
	if all := s.hooks(); len(all) != 0 {
		t.Errorf("%d webhooks were created", len(all))
	}
}

// TestEditNamesItsFaults: what has no name in a new webhook has none in an old one.
func TestEditNamesItsFaults(t *testing.T) {
	s := newStoredSite(t)
	to := s.post(w+"/webhooks", "url", "https://a.example", "event_types", "*", "header_name", "X-Api-Key", "header_value", "1").want(303).header.Get("Location")
	s.post(to+"/edit", "url", "https://a.example", "event_types", "*", "stored_name", "X-Api-Key", "stored_value", "", "remove", "X-Api-Key",
		"header_name", "x-api-key", "header_value", "2").want(422).has("It is there already: enter its value there.")
	s.post(to+"/edit", "url", "https://a.example", "event_types", "*", "stored_name", "X-Api-Key", "stored_value", "\u00e9", "filter", "(").want(422).
		has("X-Api-Key must have a value without control", "Line 1, column 2")
	if got := s.hook(); !slices.Equal(got.Headers, []event.Header{{"X-Api-Key", "1"}}) {
		t.Errorf("headers %v", got.Headers)
	}
}
