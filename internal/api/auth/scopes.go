package auth

import (
	"fmt"
	"strings"
)

// Scopes is a set of what a key may do.
type Scopes uint8

// The scopes. None implies another.
const (
	Read   Scopes = 1 << iota // see webhooks, attempts, deliveries, events
	Write                     // change webhooks, reveal and rotate secrets, send tests
	Replay                    // resend, cancel
)

// All is every scope.
const All = Read | Write | Replay

var scopeNames = [...]struct {
	scope Scopes
	name  string
}{{Read, "read"}, {Write, "write"}, {Replay, "replay"}}

// Has says whether the set holds all of want.
func (s Scopes) Has(want Scopes) bool { return s&want == want }

// Names lists the set as the API writes it: read, write, replay, in this order.
func (s Scopes) Names() []string {
	names := make([]string, 0, len(scopeNames))
	for _, n := range scopeNames {
		if s.Has(n.scope) {
			names = append(names, n.name)
		}
	}
	return names
}

// String is Names with commas.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// ParseScopes is the inverse of Names; it fails on an unknown name.
func ParseScopes(names []string) (Scopes, error) {
	var s Scopes
	for _, name := range names {
		scope := scopeOf(name)
		if scope == 0 {
			return 0, fmt.Errorf("unknown scope %q: want read, write or replay", name)
		}
		s |= scope
	}
	return s, nil
}

// scopeOf is 0 for a name that is none.
func scopeOf(name string) Scopes {
	for _, n := range scopeNames {
		if n.name == name {
			return n.scope
		}
	}
	return 0
}
