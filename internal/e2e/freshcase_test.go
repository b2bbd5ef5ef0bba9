package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

// freshChange is a kind of change.
type freshChange struct {
	name    string
	prepare func(c *freshCase)
	make    func(c *freshCase)
	// old tells whether a request was made by the state before the change; nil: each was.
	old func(c *freshCase, r timed) bool
	// goesOn says that requests go on, by the new state.
	goesOn bool
	// refuses has the old URL answer 500, so that there are retries of what came before the change.
	refuses bool
}

var changes = []freshChange{
	{name: "disabled", make: disable},
	{name: "deleted", make: remove},
	{name: "suspended", make: suspend},
	{name: "other types", make: func(c *freshCase) { c.patch(map[string]any{"event_types": []string{"ConversationComplete"}}) }},
	{name: "moved", make: move, old: atOldURL, goesOn: true},
	{name: "previous secret expired", prepare: rotate, make: expirePrevious, old: byOldSecret, goesOn: true},
	{name: "disabled with retries", make: disable, refuses: true},
	{name: "deleted with retries", make: remove, refuses: true},
	{name: "suspended with retries", make: suspend, refuses: true},
	{name: "moved with retries", make: move, old: atOldURL, goesOn: true, refuses: true},
}

func disable(c *freshCase) { c.patch(map[string]any{"enabled": false}) }
func remove(c *freshCase)  { c.via.call("DELETE", c.path(), nil, 204, nil) }
func move(c *freshCase)    { c.patch(map[string]any{"url": c.rc.url(c.id, "new")}) }
func suspend(c *freshCase) {
	c.via.call("PATCH", "/v1/workspaces/"+c.workspace, map[string]any{"suspended": true}, 200, nil)
}
func rotate(c *freshCase) { c.via.call("POST", c.path()+"/secret/rotate", nil, 200, nil) }
func expirePrevious(c *freshCase) {
	c.via.call("POST", c.path()+"/secret/expire-previous", nil, 204, nil)
}

func atOldURL(c *freshCase, r timed) bool { return r.part == c.oldPart() }
func byOldSecret(c *freshCase, r timed) bool {
	return webhook.VerifyHex(r.body, r.signature, c.hook.Secret) == nil
}

// freshCase is one change of one webhook.
type freshCase struct {
	freshChange
	via       *server // which is asked for it
	rc        *clocked
	id        int
	workspace string
	hook      hook
	answered  time.Time // the change has
}

func (c *freshCase) path() string { return "/v1/workspaces/" + c.workspace + "/webhooks/" + c.hook.ID }

func (c *freshCase) oldPart() string {
	if c.refuses {
		return "refusing"
	}
	return "old"
}

func (c *freshCase) patch(body map[string]any) { c.via.call("PATCH", c.path(), body, 200, nil) }

func (c *freshCase) byOldState(r timed) bool { return c.old == nil || c.old(c, r) }

// flows waits until there were requests for events of each partition, which two dispatchers share, all from a time on and
// all by the state as it is.
func (c *freshCase) flows(t *testing.T) {
	t.Helper()
	changed := !c.answered.IsZero()
	eventually(t, 20*time.Second, func() error {
		var seen [partitions]bool
		for _, r := range c.rc.requests(c.id) {
			if !changed || (!c.byOldState(r) && r.started.After(c.answered)) {
				seen[r.partition] = true
			}
		}
		for at, ok := range seen {
			if !ok {
				return fmt.Errorf("%s: no request for an event of partition %d, changed: %t", c.name, at, changed)
			}
		}
		return nil
	})
}

// judge returns how long after the change the last request by the old state started.
func (c *freshCase) judge(t *testing.T, trouble string) (last time.Duration) {
	t.Helper()
	late := 0
	for _, r := range c.rc.requests(c.id) {
		if !c.byOldState(r) {
			continue
		}
		after := r.started.Sub(c.answered)
		last = max(last, after)
		if after > takesEffect {
			late++
		}
	}
	if late > 0 {
		t.Errorf("Redis %s: %s: %d requests by the old state, the last one after %s", trouble, c.name, late, last)
	}
	return last
}

// complete waits until all n events have come; where the old URL refused them, at the new one.
func (c *freshCase) complete(t *testing.T, n int) {
	t.Helper()
	if !c.goesOn {
		return
	}
	eventually(t, 10*time.Second, func() error {
		came := map[string]bool{}
		for _, r := range c.rc.requests(c.id) {
			if !c.refuses || !c.byOldState(r) {
				came[r.eventID] = true
			}
		}
		if len(came) < n {
			return fmt.Errorf("%s: %d of %d events came", c.name, len(came), n)
		}
		return nil
	})
}

// freshKey is an API key that is used all the time, at both dispatchers, for the API and as a session of the dashboard.
type freshKey struct {
	via     *server // which is asked to revoke it
	path    string  // of the key
	text    string
	revoked time.Time
	uses    sync.WaitGroup
	stop    context.CancelFunc

	mu   sync.Mutex
	used map[string][]use // by door
}

// use is one use of a key.
type use struct {
	started time.Time
	status  int
}

// prepareKeys makes two keys that will be revoked, one through each dispatcher, and uses them.
func (f *fresh) prepareKeys() (all []*freshKey) {
	f.t.Helper()
	for _, via := range f.servers[:2] {
		workspace := fmt.Sprint("ws_", f.rc.next())
		var made struct{ ID, Key string }
		path := "/v1/workspaces/" + workspace + "/api-keys"
		via.call("POST", path, map[string]any{"name": "a key"}, 201, &made)
		ctx, cancel := context.WithCancel(f.t.Context())
		k := &freshKey{via: via, path: path + "/" + made.ID, text: made.Key, stop: cancel, used: map[string][]use{}}
		f.t.Cleanup(k.end)
		session := via.signIn(made.Key)
		for i, s := range f.servers[:2] {
			api, page := s.api+"/v1/workspaces/"+workspace+"/webhooks", s.api+"/w/"+workspace+"/webhooks"
			k.use(ctx, fmt.Sprint("API of ", i), api, http.Header{"Authorization": {"Bearer " + made.Key}})
			k.use(ctx, fmt.Sprint("dashboard of ", i), page, http.Header{"Cookie": {session}})
		}
		all = append(all, k)
	}
	return all
}

// signIn returns the cookie of a session.
func (s *server) signIn(key string) string {
	s.t.Helper()
	resp, err := unfollowed.PostForm(s.api+"/login", url.Values{"key": {key}})
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(resp.Cookies()) == 0 {
		s.t.Fatalf("signing in: status %d, no cookie", resp.StatusCode)
	}
	return resp.Cookies()[0].String()
}

// unfollowed is a client that shows redirects as they are.
var unfollowed = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// use gets an address ten times a second.
func (k *freshKey) use(ctx context.Context, door, address string, header http.Header) {
	k.uses.Go(func() {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			started := time.Now()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
			if err != nil {
				return // the address is the test's own
			}
			req.Header = header
			if resp, err := unfollowed.Do(req); err == nil {
				_ = resp.Body.Close()
				k.mu.Lock()
				k.used[door] = append(k.used[door], use{started, resp.StatusCode})
				k.mu.Unlock()
			}
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
}

func (k *freshKey) revoke() { k.via.call("DELETE", k.path, nil, 204, nil) }

func (k *freshKey) end() {
	k.stop()
	k.uses.Wait()
}

// judge returns how long after the revocation the last good use started. Each door was open before and shut after it.
func (k *freshKey) judge(t *testing.T, trouble string) (last time.Duration) {
	t.Helper()
	k.end()
	for door, uses := range k.used {
		good, refused := 0, 0
		for _, u := range uses {
			after := u.started.Sub(k.revoked)
			switch u.status {
			case http.StatusOK:
				good++
				last = max(last, after)
			case http.StatusUnauthorized, http.StatusSeeOther:
				refused++
			}
			if u.status == http.StatusOK && after > takesEffect {
				t.Errorf("Redis %s: %s took a key that was revoked %s before", trouble, door, after)
			}
		}
		if good == 0 || refused == 0 {
			t.Errorf("Redis %s: %s took the key %d times and refused it %d times", trouble, door, good, refused)
		}
	}
	return last
}
