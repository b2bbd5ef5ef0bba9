package subscription

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestRotation(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		c := create(t, s, "ws", hook("https://example.com"))
		id, secrets := c.Webhook.ID, must[Secrets](t)

		first := secrets(s.Rotate(ctx, someone, "ws", id, -1, 0))
		if first.Previous != c.Secret || first.Current == c.Secret || !first.PreviousExpiresAt.Equal(clk.Now().Add(24*time.Hour)) {
			t.Fatalf("first rotation expires at %v", first.PreviousExpiresAt)
		}
		if _, err := s.Rotate(ctx, someone, "ws", id, -1, c.Webhook.Version); !errors.Is(err, ErrVersion) {
			t.Errorf("the same rotation again: %v", err)
		}
		second := secrets(s.Rotate(ctx, someone, "ws", id, time.Hour, c.Webhook.Version+1))
		if second.Previous != first.Current {
			t.Error("a rotation within an overlap does not end it")
		}
		if diff := cmp.Diff(second, secrets(s.Reveal(ctx, someone, "ws", id))); diff != "" {
			t.Error("revealed another state than rotated to")
		}
		clk.add(time.Hour)
		if got := secrets(s.Reveal(ctx, someone, "ws", id)); got.Previous != "" || got.Current != second.Current || !got.PreviousExpiresAt.IsZero() {
			t.Error("the previous secret outlives its overlap")
		}
		third := secrets(s.Rotate(ctx, someone, "ws", id, time.Hour, 0))
		if err := errors.Join(s.ExpirePrevious(ctx, someone, "ws", id), s.ExpirePrevious(ctx, someone, "ws", id)); err != nil {
			t.Error(err)
		}
		if got := secrets(s.Reveal(ctx, someone, "ws", id)); got.Previous != "" || got.Current != third.Current {
			t.Error("the overlap was not ended")
		}
		if now := secrets(s.Rotate(ctx, someone, "ws", id, 0, 0)); now.Previous != "" {
			t.Error("a rotation without overlap keeps the old secret")
		}
		_, err := s.Rotate(ctx, someone, "ws", id, 31*24*time.Hour, 0)
		wantFaults(t, "long overlap", err, "body.overlap_seconds")
	})
}

func TestSealedRoundTripAndTamper(t *testing.T) {
	ring := testKeys(t, 'a', 'b')
	plain := []byte("whsec_something")
	sealed := ring.seal("ws", "wh_1", plain)
	if strings.Contains(string(sealed), "something") {
		t.Fatal("not sealed")
	}
	if got, err := ring.open("ws", "wh_1", sealed); err != nil || string(got) != string(plain) {
		t.Fatalf("opened %q, %v", got, err)
	}
	if slices.Equal(sealed, ring.seal("ws", "wh_1", plain)) {
		t.Error("the same text is sealed alike twice")
	}
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, err := ring.open("ws", "wh_1", bad); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := ring.open("ws", "wh_1", sealed[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	for _, other := range [][2]string{{"ws2", "wh_1"}, {"ws", "wh_2"}, {"ws\x00wh_1", ""}} {
		if _, err := ring.open(other[0], other[1], sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("opened for %q: %v", other, err)
		}
	}
	if _, err := testKeys(t, 'b').open("ws", "wh_1", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("opened by another key: %v", err)
	}
	if got, err := testKeys(t, 'c', 'a').open("ws", "wh_1", sealed); err != nil || string(got) != string(plain) {
		t.Errorf("an older key opened %q, %v", got, err)
	}
}

func TestParseKeys(t *testing.T) {
	one := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("1", 32)))
	if ring, err := ParseKeys(one + ", " + one); err != nil || len(ring.keys) != 2 {
		t.Errorf("two keys: %v", err)
	}
	for _, bad := range []string{"", "secretish!", one + ",", base64.StdEncoding.EncodeToString([]byte("secretish"))} {
		if _, err := ParseKeys(bad); err == nil || strings.Contains(err.Error(), "secretish") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestResealAndCheckKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		ctx := t.Context()
		old := newTestStore(t, db)
		want := map[string]string{}
		for i := range resealBatch + 5 {
			c := create(t, old, fmt.Sprintf("ws%d", i%3), hook(fmt.Sprintf("https://example.com/%d?t=hunter2", i)))
			want[c.Webhook.ID] = string(c.Secret)
		}
		fresh, err := NewStore(db, testKeys(t, 'n'), testConfig())
		if err != nil {
			t.Fatal(err)
		}
		wantIs(t, "check without the old key", fresh.CheckKeys(ctx), ErrSealed)
		both, err := NewStore(db, testKeys(t, 'n', 'k'), testConfig())
		if err != nil {
			t.Fatal(err)
		}
		if err := both.CheckKeys(ctx); err != nil {
			t.Error(err)
		}
		if n, err := both.Reseal(ctx); n != resealBatch+5 || err != nil {
			t.Fatalf("moved %d, %v", n, err)
		}
		if n, err := both.Reseal(ctx); n != 0 || err != nil {
			t.Fatalf("moved %d again, %v", n, err)
		}
		if err := fresh.CheckKeys(ctx); err != nil {
			t.Error(err)
		}
		for _, ws := range []string{"ws0", "ws1", "ws2"} {
			for _, w := range must[List[Webhook]](t)(fresh.Webhooks(ctx, ws, Page{Limit: 250})).Items {
				got := must[Secrets](t)(fresh.Reveal(ctx, someone, ws, w.ID))
				if string(got.Current) != want[w.ID] || !strings.HasSuffix(w.URL, "hunter2") {
					t.Errorf("webhook %s lost its secret or URL", w.ID)
				}
			}
		}
	})
}

// Every method with a workspace sees nothing of another one.
func TestWorkspacesAreIsolated(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		s, ctx := newTestStore(t, db), t.Context()
		w := create(t, s, "mine", hook("https://example.com")).Webhook
		key, _, err := s.CreateAPIKey(ctx, someone, "mine", NewAPIKey{Name: "k"})
		if err != nil {
			t.Fatal(err)
		}
		before := len(audit(t, s, "mine"))
		url := "https://example.org"
		for name, call := range map[string]func(ws, id string) error{
			"Webhook":        func(ws, id string) error { _, err := s.Webhook(ctx, ws, id); return err },
			"Update":         func(ws, id string) error { _, err := s.Update(ctx, someone, ws, id, Patch{URL: &url}, 0); return err },
			"Delete":         func(ws, id string) error { _, err := s.Delete(ctx, someone, ws, id, 0); return err },
			"Reveal":         func(ws, id string) error { _, err := s.Reveal(ctx, someone, ws, id); return err },
			"Rotate":         func(ws, id string) error { _, err := s.Rotate(ctx, someone, ws, id, 0, 0); return err },
			"ExpirePrevious": func(ws, id string) error { return s.ExpirePrevious(ctx, someone, ws, id) },
			"RevokeAPIKey":   func(ws, _ string) error { return s.RevokeAPIKey(ctx, someone, ws, key.ID) },
		} {
			for _, ws := range []string{"other", "", "mine\x00", "mine' OR '1'='1"} {
				wantIs(t, name+" from "+ws, call(ws, w.ID), ErrNotFound)
			}
			for _, id := range []string{"", "wh_x", "%", "\x00", "\xff"} {
				if name != "RevokeAPIKey" {
					wantIs(t, name+" of "+id, call("mine", id), ErrNotFound)
				}
			}
		}
		for name, n := range map[string]int{
			"Webhooks": len(must[List[Webhook]](t)(s.Webhooks(ctx, "other", Page{})).Items),
			"no text":  len(must[List[Webhook]](t)(s.Webhooks(ctx, "mine\x00", Page{})).Items),
			"APIKeys":  len(must[List[APIKey]](t)(s.APIKeys(ctx, "other", Page{})).Items),
			"AuditLog": len(audit(t, s, "other")),
		} {
			if n != 0 {
				t.Errorf("%s shows %d of another workspace", name, n)
			}
		}
		if got := must[Webhook](t)(s.Webhook(ctx, "mine", w.ID)); got.Version != 1 || len(audit(t, s, "mine")) != before {
			t.Errorf("another workspace left a trace: %+v", got)
		}
	})
}

func TestAPIKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = clk.Now }), t.Context()
		key, text, err := s.CreateAPIKey(ctx, someone, "ws", NewAPIKey{Name: "ci", Scopes: []Scope{ScopeWrite, ScopeRead, ScopeWrite}, ExpiresAt: clk.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		got := must[APIKey](t)(s.Authenticate(ctx, text))
		key.LastUsedAt = clk.Now()
		if diff := cmp.Diff(key, got); diff != "" {
			t.Error(diff)
		}
		for i := range len(text) {
			bad := []byte(text)
			bad[i] ^= 1
			_, err := s.Authenticate(ctx, string(bad))
			wantIs(t, fmt.Sprint("byte ", i), err, ErrKey)
		}
		forged := key.ID + "_" + strings.Repeat("A", keySecretLen)
		for _, bad := range []string{"", "key_", text + "0", text[1:], forged + checksum(forged), strings.Repeat("k", 1<<16)} {
			_, err := s.Authenticate(ctx, bad)
			wantIs(t, shorten(bad), err, ErrKey)
		}
		_, other, err := s.CreateAPIKey(ctx, someone, "ws", NewAPIKey{Name: "for ever"})
		if err != nil {
			t.Fatal(err)
		}
		clk.add(time.Hour)
		_, err = s.Authenticate(ctx, text)
		wantIs(t, "expired", err, ErrKey)
		again := must[APIKey](t)(s.Authenticate(ctx, other))
		if len(again.Scopes) != 3 || !again.LastUsedAt.Equal(clk.Now()) {
			t.Errorf("got %+v", again)
		}
		once := NewAPIKey{Name: "once", Idempotency: Idempotency{Key: "k", Fingerprint: [32]byte{1}}}
		made, _, err := s.CreateAPIKey(ctx, someone, "ws", once)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.CreateAPIKey(ctx, someone, "ws", once)
		wantIs(t, "a repeat", err, ErrKeyShown)
		once.Idempotency.Fingerprint[0]++
		_, _, err = s.CreateAPIKey(ctx, someone, "ws", once)
		wantIs(t, "another request", err, ErrIdempotency)
		if err := s.RevokeAPIKey(ctx, someone, "ws", made.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.RevokeAPIKey(ctx, someone, "ws", again.ID); err != nil {
			t.Fatal(err)
		}
		_, err = s.Authenticate(ctx, other)
		wantIs(t, "revoked", err, ErrKey)
		_, _, err = s.CreateAPIKey(ctx, someone, "ws", NewAPIKey{Scopes: []Scope{"admin"}, ExpiresAt: clk.Now()})
		wantFaults(t, "bad key", err, "body.name", "body.scopes[0]", "body.expires_at")
		if list := must[List[APIKey]](t)(s.APIKeys(ctx, "ws", Page{})); len(list.Items) != 1 || list.Items[0].ID != key.ID {
			t.Errorf("list: %+v", list)
		}
	})
}

func TestAuditLogTellsEverythingButSecrets(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, db *sqldb.DB) {
		clk := newClock()
		s, ctx := newTestStore(t, db, func(c *Config) { c.Now = func() time.Time { clk.add(time.Millisecond); return clk.Now() } }), t.Context()
		n := hook(secretURL)
		n.Headers, n.Secret = []event.Header{{"X-Key", "hunter2"}}, "hunter2-hunter2-hunter2"
		w := create(t, s, "ws", n).Webhook
		off, url, value := false, "https://user:hunter2@example.com/hook?token=hunter2x&b=1&hunter2", "hunter2b"
		must[Webhook](t)(s.Update(ctx, someone, "ws", w.ID, Patch{Enabled: &off}, 0))
		must[Webhook](t)(s.Update(ctx, someone, "ws", w.ID, Patch{URL: &url}, 0))
		must[Webhook](t)(s.Update(ctx, someone, "ws", w.ID, Patch{Headers: map[string]*string{"X-Key": &value}}, 0))
		must[Secrets](t)(s.Reveal(ctx, someone, "ws", w.ID))
		must[Secrets](t)(s.Rotate(ctx, someone, "ws", w.ID, -1, 0))
		if err := s.ExpirePrevious(ctx, someone, "ws", w.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Audit(ctx, someone, "ws", "webhook.test", w.ID, map[string]string{"event": "X"}); err != nil {
			t.Fatal(err)
		}
		must[Webhook](t)(s.Delete(ctx, someone, "ws", w.ID, 0))
		var actions []string
		for _, e := range audit(t, s, "ws") {
			actions = append(actions, e.Action)
			if e.Actor != someone || e.TargetID != w.ID || e.WorkspaceID != "ws" {
				t.Errorf("entry %+v", e)
			}
			if e.Action == "webhook.update" && strings.Contains(string(e.After), "url") && !strings.Contains(string(e.Before), `"url"`) {
				t.Errorf("change of a hidden part of the URL: %s -> %s", e.Before, e.After)
			}
			if e.Action == "webhook.update" && strings.Contains(string(e.After), "headers") {
				if string(e.Before) != `{"headers":{"X-Key":"***"}}` || string(e.After) != string(e.Before) {
					t.Errorf("change of a header's value: %s -> %s", e.Before, e.After)
				}
			}
			if e.Action == "webhook.update" && strings.Contains(string(e.Before), "enabled") {
				if string(e.Before) != `{"enabled":true}` || string(e.After) != `{"disabled_reason":"customer","enabled":false}` {
					t.Errorf("%s -> %s", e.Before, e.After)
				}
			}
		}
		slices.Reverse(actions)
		want := []string{"webhook.create", "webhook.update", "webhook.update", "webhook.update", "webhook.secret.reveal", "webhook.secret.rotate",
			"webhook.secret.expire_previous", "webhook.test", "webhook.delete"}
		if diff := cmp.Diff(want, actions); diff != "" {
			t.Error(diff)
		}
		wantNothingIn(t, db, "hunter2")
	})
}

// wantNothingIn looks for text in every column of every table.
func wantNothingIn(t *testing.T, db *sqldb.DB, text string) {
	t.Helper()
	for _, table := range []string{"webhooks", "workspaces", "changes", "audit_log", "api_keys", "idempotency_keys", "overrides"} {
		rows, err := db.Query(t.Context(), `SELECT * FROM `+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				t.Fatal(err)
			}
			for i, cell := range cells {
				if strings.Contains(fmt.Sprintf("%s", *cell.(*any)), text) {
					t.Errorf("%s.%s holds %q in the clear", table, columns[i], text)
				}
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever may write to Redis cannot make webhooks, enable them, or turn them to other events: entries are marked.
func TestMarks(t *testing.T) {
	ring, other := testKeys(t, 'b', 'a'), testKeys(t, 'c')
	entry := (&snapshot{workspace: "ws", filledAt: 7, hooks: []hookState{{id: "wh_1", types: []string{"A"}, sealed: []byte("x")}}}).encode()
	marked := ring.mark("ws", 9, slices.Clone(entry))
	for name, reader := range map[string]*Keyring{"the same": ring, "rotated since": testKeys(t, 'd', 'b')} {
		if got, ok := reader.unmark("ws", 9, marked); !ok || !bytes.Equal(got, entry) {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	if _, ok := other.unmark("ws", 9, marked); ok {
		t.Error("read without the key")
	}
	if _, ok := ring.unmark("ws2", 9, marked); ok {
		t.Error("taken for another workspace's")
	}
	if _, ok := ring.unmark("ws", 10, marked); ok {
		t.Error("taken for a newer one")
	}
	for i := range marked {
		changed := slices.Clone(marked)
		changed[i] ^= 1
		if _, ok := ring.unmark("ws", 9, changed); ok {
			t.Errorf("changed at byte %d of %d", i, len(marked))
		}
		if _, ok := ring.unmark("ws", 9, marked[:i]); ok {
			t.Errorf("cut off at byte %d", i)
		}
	}
}
