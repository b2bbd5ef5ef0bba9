package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/redis/redistest"
)

// many is more keys than a cluster has servers, so that each call goes to all of them.
const many = 48

func keys(name string) []string {
	all := make([]string, many)
	for i := range all {
		all[i] = fmt.Sprint(name, ":", i)
	}
	return all
}

// patient is a client of the documented user that has time to connect to all servers of its kind.
func patient(t *testing.T, url string) *Client {
	t.Helper()
	return newClient(t, Config{URL: url, Prefix: redistest.Prefix, CallTimeout: 5 * time.Second, Pause: time.Millisecond})
}

// useAll makes each call that the program makes, for keys that nobody used before, and checks the answers.
func useAll(t *testing.T, c *Client, name string) {
	t.Helper()
	if err := tryAll(t.Context(), c, keys(name)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func tryAll(ctx context.Context, c *Client, keys []string) error {
	for _, try := range []func(context.Context, *Client, []string) error{tryVersioned, tryClaims, tryBuckets, tryHints} {
		if err := try(ctx, c, keys); err != nil {
			return err
		}
	}
	return c.Ping(ctx)
}

func tryVersioned(ctx context.Context, c *Client, keys []string) error {
	for _, version := range []int64{7, 9, 8} {
		entries := make([]Entry, len(keys))
		for i, key := range keys {
			entries[i] = Entry{key, version, fmt.Append(nil, key, " ", version), time.Minute}
		}
		if err := c.Put(ctx, entries); err != nil {
			return err
		}
	}
	got, err := c.Get(ctx, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		if want := fmt.Sprint(key, " ", 9); got[i].Version != 9 || string(got[i].Value) != want {
			return fmt.Errorf("got %d %q, want %q", got[i].Version, got[i].Value, want)
		}
	}
	return nil
}

func tryClaims(ctx context.Context, c *Client, keys []string) error {
	claims := make([]Claim, len(keys))
	for _, mark := range []string{"first", "second"} {
		for i, key := range keys {
			claims[i] = Claim{"claim:" + key, mark}
		}
		owners, err := c.Claim(ctx, claims, time.Minute)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(owners, func(owner string) bool { return owner != "first" }) {
			return fmt.Errorf("%s claims: owners %q", mark, owners)
		}
	}
	return nil
}

func tryBuckets(ctx context.Context, c *Client, keys []string) error {
	list := make([]Withdrawal, len(keys))
	for i, key := range keys {
		list[i] = Withdrawal{"rate:" + key, 0.01, 5}
	}
	for _, want := range []int{1, 0} {
		grants, err := c.Withdraw(ctx, list)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(grants, func(g Grant) bool { return g.Starts != want }) {
			return fmt.Errorf("granted %v, want %d each", grants, want)
		}
	}
	return nil
}

func tryHints(ctx context.Context, c *Client, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	heard, ended := make(chan string, 10), make(chan error, 1)
	go func() { ended <- c.Listen(ctx, keys[0], func(text string) { heard <- text }) }()
	defer func() {
		cancel()
		<-ended //nolint:errcheck // that of the context
	}()
	for _, want := range []string{"", "hint"} {
		select {
		case text := <-heard:
			if text != want {
				return fmt.Errorf("heard %q, want %q", text, want)
			}
		case <-ctx.Done():
			return fmt.Errorf("did not hear %q", want)
		}
		if want == "" {
			if err := c.Publish(ctx, keys[0], "hint"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Each version and product does all that the program asks of it, for the user with the documented rights, also after it
// forgot the scripts.
func TestServers(t *testing.T) {
	t.Parallel()
	binaries := redistest.Binaries(t)
	binaries["the machine's"] = ""
	for name, binary := range binaries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Options{Binary: binary})
			c := patient(t, server.URL())
			useAll(t, c, "a")
			server.Do("SCRIPT", "FLUSH")
			useAll(t, c, "b")
			server.Kill()
			server.Start()
			wakes(t, c)
			useAll(t, c, "c")
		})
	}
}

// wakes has a client that did nothing meanwhile find out what became of its connections.
func wakes(t *testing.T, c *Client) {
	t.Helper()
	eventually(t, "a client that slept is good again", 3*time.Second, func() bool {
		_, err := c.Get(t.Context(), keys("any"))
		return err == nil
	})
}

// TLS with an own authority, with certificates of the client's and of the servers'. Who does not know the authority, or
// has no certificate, is refused on either side.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := redistest.NewAuthority(t)
	server := redistest.Start(t, redistest.Options{TLS: ca})
	useAll(t, patient(t, server.URL()), "a")
	for name, change := range map[string]func(q url.Values){
		"unknown authority":     func(q url.Values) { q.Del("ca") },
		"another authority":     func(q url.Values) { q.Set("ca", redistest.NewAuthority(t).File) },
		"no client certificate": func(q url.Values) { q.Del("cert"); q.Del("key") },
		"for another name":      func(q url.Values) { q.Set("server_name", "redis.example.com") },
	} {
		if err := patient(t, changed(t, server.URL(), change)).Ping(t.Context()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func changed(t *testing.T, raw string, change func(q url.Values)) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return u.String()
}

// A server that takes connections and says nothing, TLS or not, holds no caller up for longer than a call.
func TestHandshakeIsWithinTheCall(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{TLS: redistest.NewAuthority(t)})
	c := newClient(t, Config{URL: server.URL(), CallTimeout: 400 * time.Millisecond, Pause: time.Millisecond})
	server.Pause()
	for range 3 {
		began := time.Now() // of a call; a handshake alone could take two seconds
		if _, err := c.Get(t.Context(), []string{"a"}); err == nil || time.Since(began) > time.Second {
			t.Errorf("error %v after %s", err, time.Since(began))
		}
		time.Sleep(2 * time.Millisecond) // the pause
	}
	server.Resume()
	eventually(t, "it is asked again", 5*time.Second, func() bool { return c.Ping(t.Context()) == nil })
}

func eventually(t *testing.T, what string, limit time.Duration, cond func() bool) {
	t.Helper()
	for began := time.Now(); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// The documented rights are what the program needs, and no more: without any one of them something fails, and foreign
// keys and channels are out of reach.
func TestRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	for i, right := range strings.Fields(redistest.Rights) {
		server.Do("ACL", "SETUSER", "voxagent", "-"+right[1:])
		server.Do("SCRIPT", "FLUSH") // what one right let in must not spare another
		if err := tryAll(t.Context(), patient(t, server.URL()), keys(fmt.Sprint("without", i))); err == nil {
			t.Errorf("nothing needs %s", right)
		}
		server.Do("ACL", "SETUSER", "voxagent", right)
	}
	useAll(t, patient(t, server.URL()), "all")
	another := server.URL() + "/1"
	if _, err := patient(t, another).Get(t.Context(), []string{"a"}); err == nil {
		t.Error("another database needs no right")
	}
	server.Do("ACL", "SETUSER", "voxagent", "+select")
	useAll(t, patient(t, another), "another")
	foreign := newClient(t, Config{URL: server.URL(), Prefix: "other:", Pause: time.Millisecond})
	if _, err := foreign.Get(t.Context(), []string{"a"}); err == nil {
		t.Error("foreign keys can be read")
	}
	if err := foreign.Publish(t.Context(), "a", ""); err == nil {
		t.Error("foreign channels can be published to")
	}
}

// no-answer: a server that refuses a connection, or a single command, has answered nothing, and no call takes that for an answer. A
// bucket without starts, for one, would stop deliveries for good.
func TestRefusalIsNoAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	right := server.URL()
	for name, refused := range map[string]string{
		"password": strings.Replace(right, ":the-", ":not-the-", 1), "user": strings.Replace(right, "//voxagent:", "//nobody:", 1),
		"database without the right to it": right + "/1", "name of the client": right + "?client_name=x",
	} {
		c := patient(t, refused)
		try := func(call string, do func() error) {
			t.Helper()
			time.Sleep(2 * time.Millisecond) // the pause after the failure before
			if err := do(); err == nil || errors.Is(err, ErrAway) {
				t.Errorf("%s: %s: error %v", name, call, err)
			}
		}
		try("get", func() error { _, err := c.Get(t.Context(), keys("a")); return err })
		try("put", func() error { return c.Put(t.Context(), []Entry{{"a", 1, nil, time.Minute}}) })
		try("claim", func() error { _, err := c.Claim(t.Context(), []Claim{{"b", "x"}}, time.Minute); return err })
		try("withdraw", func() error { _, err := c.Withdraw(t.Context(), []Withdrawal{{"c", 1, 1}}); return err })
		try("publish", func() error { return c.Publish(t.Context(), "d", "") })
	}
}

// What is documented is what is tested.
func TestRightsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{redistest.Rights, redistest.ClusterRights, redistest.SentinelRights} {
		if !strings.Contains(string(page), " -@all "+want+"\n") && !strings.Contains(string(page), "`"+want+"`") {
			t.Errorf("docs/operations.md does not have %s", want)
		}
	}
}
