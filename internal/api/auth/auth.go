package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"github.com/voxagent/dispatcher/internal/subscription"
)

// ErrBadKey says that there is no such key, or that it is expired or revoked.
var ErrBadKey = errors.New("bad key")

// MinOperatorKey is the least length of an operator key in bytes: 16 random bytes in hex are 32.
const MinOperatorKey = 16

// maxKey bounds what is hashed for a caller who has proved nothing yet.
const maxKey = 512

// Principal is who makes a call.
type Principal struct {
	// Operator is true for an operator key: it may see every workspace.
	Operator bool
	// WorkspaceID is the workspace of a workspace's key; empty for an operator.
	WorkspaceID string
	// KeyID is the id of a workspace's key (`key_…`) or the name of an operator key.
	KeyID string
	// Scopes is what the key may do.
	Scopes Scopes
}

// Actor is the principal as the audit log names it; remoteAddr is where the call came from, as net/http has it.
func (p *Principal) Actor(remoteAddr string) subscription.Actor {
	return subscription.Actor{KeyID: p.KeyID, Operator: p.Operator, Addr: Host(remoteAddr)}
}

// Host is an address without its port, if it has one.
func Host(remoteAddr string) string {
	if host, _, err := net.SplitHostPort(remoteAddr); err == nil {
		return host
	}
	return remoteAddr
}

// May says whether the principal may see the workspace at all. To one who may not, it does not exist.
func (p *Principal) May(workspaceID string) bool {
	return p.Operator || (p.WorkspaceID != "" && p.WorkspaceID == workspaceID)
}

// OperatorKey is one key of the configuration.
type OperatorKey struct {
	Name   string // shown in the audit log
	Scopes Scopes
	Key    string // at least MinOperatorKey bytes
}

// String keeps the key out of logs.
func (k OperatorKey) String() string { return "operator key " + k.Name }

// GoString keeps the key out of %#v.
func (k OperatorKey) GoString() string { return k.String() }

// WorkspaceKeys looks up keys of workspaces. *subscription.Store does it.
type WorkspaceKeys interface {
	// Authenticate returns the key whose text this is. It returns subscription.ErrKey (possibly wrapped) for one that
	// is malformed, unknown, expired or revoked; any other error means that it could not be looked up.
	Authenticate(ctx context.Context, text string) (subscription.APIKey, error)
}

// Keyring knows all keys. It is safe for concurrent use.
type Keyring struct {
	operators atomic.Pointer[[]hashedKey]
	keys      WorkspaceKeys
}

type hashedKey struct {
	sum       [sha256.Size]byte
	principal Principal
}

// New returns a keyring of the operator keys and whatever keys knows. It fails as SetOperators does.
func New(operators []OperatorKey, keys WorkspaceKeys) (*Keyring, error) {
	k := &Keyring{keys: keys}
	if err := k.SetOperators(operators); err != nil {
		return nil, err
	}
	return k, nil
}

// SetOperators replaces the operator keys. It fails, and leaves them as they are, if a key is too short, has no name or
// scope, or if two share a name or a key.
func (k *Keyring) SetOperators(operators []OperatorKey) error {
	var faults []error
	hashed := make([]hashedKey, 0, len(operators))
	names := make(map[string]bool)
	sums := make(map[[sha256.Size]byte]bool)
	for i, op := range operators {
		sum := sha256.Sum256([]byte(op.Key))
		switch {
		case op.Name == "":
			faults = append(faults, fmt.Errorf("operator key %d has no name", i+1))
		case len(op.Key) < MinOperatorKey || len(op.Key) > maxKey:
			faults = append(faults, fmt.Errorf("operator key %s: want %d to %d bytes", op.Name, MinOperatorKey, maxKey))
		case op.Scopes == 0:
			faults = append(faults, fmt.Errorf("operator key %s has no scope", op.Name))
		case names[op.Name]:
			faults = append(faults, fmt.Errorf("operator key %s is there twice", op.Name))
		case sums[sum]:
			faults = append(faults, fmt.Errorf("operator key %s is the same as another", op.Name))
		}
		names[op.Name], sums[sum] = true, true
		hashed = append(hashed, hashedKey{sum, Principal{Operator: true, KeyID: op.Name, Scopes: op.Scopes}})
	}
	if faults != nil {
		return errors.Join(faults...)
	}
	k.operators.Store(&hashed)
	return nil
}

// Bearer takes the key out of an Authorization header; false if it is not of the form `Bearer KEY`.
func Bearer(authorization string) (key string, ok bool) {
	scheme, key, ok := strings.Cut(authorization, " ")
	key = strings.TrimSpace(key)
	return key, ok && strings.EqualFold(scheme, "Bearer") && key != ""
}

// Authenticate returns who holds the key: ErrBadKey if nobody does, another error if that could not be found out.
func (k *Keyring) Authenticate(ctx context.Context, key string) (Principal, error) {
	if key == "" || len(key) > maxKey {
		return Principal{}, ErrBadKey
	}
	sum := sha256.Sum256([]byte(key))
	var found *hashedKey
	operators := *k.operators.Load()
	for i := range operators {
		if subtle.ConstantTimeCompare(sum[:], operators[i].sum[:]) == 1 {
			found = &operators[i]
		}
	}
	if found != nil {
		return found.principal, nil
	}
	if k.keys == nil {
		return Principal{}, ErrBadKey
	}
	return k.workspaceKey(ctx, key)
}

func (k *Keyring) workspaceKey(ctx context.Context, text string) (Principal, error) {
	key, err := k.keys.Authenticate(ctx, text)
	if errors.Is(err, subscription.ErrKey) {
		return Principal{}, ErrBadKey
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up key: %w", err)
	}
	p := Principal{WorkspaceID: key.WorkspaceID, KeyID: key.ID}
	for _, scope := range key.Scopes {
		p.Scopes |= scopeOf(string(scope))
	}
	return p, nil
}
