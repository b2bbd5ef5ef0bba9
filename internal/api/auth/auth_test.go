package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// keys knows the key "key_good_00000000"; everything else is unknown, or away when err is set.
type keys struct{ err error }

func (k keys) Authenticate(_ context.Context, text string) (subscription.APIKey, error) {
	switch {
	case k.err != nil:
		return subscription.APIKey{}, k.err
	case text != "key_good_00000000":
		return subscription.APIKey{}, fmt.Errorf("look: %w", subscription.ErrKey)
	}
	return subscription.APIKey{ID: "key_good", WorkspaceID: "ws_a", Scopes: []subscription.Scope{subscription.ScopeRead, subscription.ScopeReplay}}, nil
}

func TestAuthenticate(t *testing.T) {
	ring, err := auth.New([]auth.OperatorKey{
		{Name: "one", Scopes: auth.All, Key: "operator-key-one"}, {Name: "two", Scopes: auth.Read, Key: "operator-key-two"},
	}, keys{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ring.Authenticate(t.Context(), "operator-key-two")
	if err != nil || !p.Operator || p.KeyID != "two" || p.Scopes != auth.Read || !p.May("ws_any") {
		t.Errorf("operator %+v, %v", p, err)
	}
	p, err = ring.Authenticate(t.Context(), "key_good_00000000")
	if err != nil || p.Operator || p.KeyID != "key_good" || p.Scopes.String() != "read,replay" || !p.May("ws_a") || p.May("ws_b") || p.May("") {
		t.Errorf("workspace %+v, %v", p, err)
	}
	for _, key := range []string{"", "x", "operator-key-on", "operator-key-one ", strings.Repeat("x", 4096)} {
		if p, err := ring.Authenticate(t.Context(), key); !errors.Is(err, auth.ErrBadKey) || p != (auth.Principal{}) {
			t.Errorf("%q: %+v, %v", key, p, err)
		}
	}
	if (&auth.Principal{}).May("") {
		t.Error("nobody may see no workspace")
	}
}

func TestLookupFails(t *testing.T) {
	away := errors.New("away")
	ring, err := auth.New(nil, keys{away})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Authenticate(t.Context(), "key_good_00000000"); !errors.Is(err, away) || errors.Is(err, auth.ErrBadKey) {
		t.Errorf("error %v: a key that could not be looked up is not a bad key", err)
	}
}

func TestNewRefuses(t *testing.T) {
	const key = "operator-key-one"
	for want, ops := range map[string][]auth.OperatorKey{
		"has no name":            {{Scopes: auth.All, Key: key}},
		"want 16 to 512 bytes":   {{Name: "a", Scopes: auth.All, Key: "short"}},
		"has no scope":           {{Name: "a", Key: key}},
		"is there twice":         {{Name: "a", Scopes: auth.All, Key: key}, {Name: "a", Scopes: auth.All, Key: key + "2"}},
		"is the same as another": {{Name: "a", Scopes: auth.All, Key: key}, {Name: "b", Scopes: auth.All, Key: key}},
	} {
		_, err := auth.New(ops, keys{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key) {
			t.Errorf("%v, want one that says %q and not the key", err, want)
		}
	}
}

func TestOperatorKeyHidesItself(t *testing.T) {
	k := auth.OperatorKey{Name: "a", Key: "operator-key-one"}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%v", &k)} {
		if strings.Contains(text, "operator-key-one") {
			t.Errorf("%q shows the key", text)
		}
	}
}

func TestBearer(t *testing.T) {
	for in, want := range map[string]string{
		"Bearer abc": "abc", "bearer  abc ": "abc", "BEARER abc": "abc", "Bearer": "", "Bearer ": "", "Basic abc": "", "": "", "abc": "",
	} {
		if got, ok := auth.Bearer(in); got != want && ok || ok != (want != "") {
			t.Errorf("Bearer(%q) = %q, %v", in, got, ok)
		}
	}
}

func TestScopes(t *testing.T) {
	s, err := auth.ParseScopes([]string{"replay", "read", "read"})
	if err != nil || s.String() != "read,replay" || !s.Has(auth.Read) || s.Has(auth.Write) || s.Has(auth.All) {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := auth.ParseScopes([]string{"admin"}); err == nil {
		t.Error("an unknown scope was taken")
	}
}
