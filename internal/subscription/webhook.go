package subscription

import (
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Webhook is a workspace's subscription as its owner sees it. It holds no secret, and Headers have no values.
type Webhook struct {
	ID, WorkspaceID  string
	URL, Description string
	// EventTypes are known names, `*`, or a prefix with a trailing `*`; in the order given.
	EventTypes     []string
	Enabled        bool
	DisabledReason DisabledReason // empty while enabled
	Health         Health
	FailingSince   time.Time // zero while Health is ok
	MaxPerSecond   float64   // requests a second over all dispatchers; 0: no limit
	Filter         string    // CEL over event and data; empty: none
	// Headers are the static request headers; every value is "***".
	Headers              []event.Header
	CreatedAt, UpdatedAt time.Time
	// Epoch is raised by disabling and deleting.
	Epoch int64
	// Version is raised by every change that an owner sees, health included; it is what an ETag shows.
	Version int64
}

// DisabledReason says who or what disabled a webhook.
type DisabledReason string

// The reasons.
const (
	DisabledByCustomer DisabledReason = "customer"
	DisabledByOperator DisabledReason = "operator"
	DisabledGone       DisabledReason = "gone"    // the receiver answered 410
	DisabledFailing    DisabledReason = "failing" // nothing but failures for too long
)

// Health says how a webhook's deliveries have been going.
type Health string

// The states of health.
const (
	HealthOK      Health = "ok"
	HealthFailing Health = "failing"
)

// New is what a webhook is created from.
type New struct {
	// ID and Secret bring a webhook from elsewhere; empty: made by Create. The caller sees to it that only an operator
	// gives them. The id is `wh_` and 1–61 of A-Z a-z 0-9 _ -, and unique in its workspace.
	ID           string
	Secret       fanout.Secret
	CreatedAt    time.Time // zero: now
	URL          string
	Description  string
	EventTypes   []string
	Disabled     bool
	MaxPerSecond float64
	Filter       string
	Headers      []event.Header // with values
}

// Patch is a change of a webhook: nil leaves a property as it is.
type Patch struct {
	URL          *string
	Description  *string
	EventTypes   *[]string
	Enabled      *bool
	MaxPerSecond *float64 // 0 takes the limit away
	Filter       *string  // "" takes the filter away
	// Headers sets each named header; a nil value removes it. Names not given stay, unless ClearHeaders removes all that
	// there were first.
	Headers      map[string]*string
	ClearHeaders bool
}

// Secrets are a webhook's signing secrets in the clear.
type Secrets struct {
	Current fanout.Secret
	// Previous signs too until PreviousExpiresAt; both are empty outside of a rotation.
	Previous          fanout.Secret
	PreviousExpiresAt time.Time
}

// Created is the answer to Create.
type Created struct {
	Webhook Webhook
	Secret  fanout.Secret
	// Replayed says that the idempotency key had been used for the same request: nothing was created now.
	Replayed bool
}

// Idempotency makes a repeated create return the first one's result for 24 h. The zero value turns it off.
type Idempotency struct {
	// Key is the client's, 1–255 bytes; it belongs to the workspace.
	Key string
	// Fingerprint is a hash of the request: the same key with another one is ErrIdempotency.
	Fingerprint [32]byte
}

// Actor is who makes a change; it goes to the audit log.
type Actor struct {
	KeyID    string // the API key's id, or the operator key's name
	Name     string // the person or program behind it
	Addr     string // client address
	Operator bool   // acts for the platform, not for the workspace
}

// Workspace is a tenant's settings. A workspace that was never mentioned has the zero settings.
type Workspace struct {
	ID           string
	Suspended    bool
	MaxPerSecond float64 // 0: no limit
	MaxWebhooks  int     // 0: the program's default
	Webhooks     int     // how many it has; not set by UpdateWorkspace
	UpdatedAt    time.Time
}

// WorkspacePatch is a change of a workspace's settings: nil leaves a property as it is.
type WorkspacePatch struct {
	Suspended    *bool
	MaxPerSecond *float64
	MaxWebhooks  *int
}

// Override says which chains of a pending delivery are still valid.
type Override struct {
	DeliveryID string
	// Chain is the lowest valid chain; fanout.MaxChain cancels the delivery.
	Chain int
}

// Scope is what an API key may do.
type Scope string

// The scopes.
const (
	ScopeRead   Scope = "read"
	ScopeWrite  Scope = "write"
	ScopeReplay Scope = "replay"
)

// APIKey is a workspace's key without its secret.
type APIKey struct {
	ID, WorkspaceID string
	Name            string
	Scopes          []Scope
	CreatedAt       time.Time
	ExpiresAt       time.Time // zero: never
	LastUsedAt      time.Time // to the minute; zero: never used
}

// NewAPIKey is what an API key is created from. No scopes: all of them.
type NewAPIKey struct {
	Name      string
	Scopes    []Scope
	ExpiresAt time.Time
	// Idempotency keeps a repeat from making another key. It cannot show the first one again: it is ErrKeyShown.
	Idempotency Idempotency
}

// AuditEntry is one change, or one look at a secret.
type AuditEntry struct {
	ID          string
	WorkspaceID string
	At          time.Time
	Actor       Actor
	Action      string // such as webhook.create
	TargetID    string // a webhook, an API key, a delivery, or the workspace
	// Before and After are JSON objects of what the change touched, without secrets; nil when there is none.
	Before, After []byte
}

// Page asks for a part of a list.
type Page struct {
	Limit  int    // 1–250; anything else: 50
	Cursor string // a former page's Next; empty: from the newest
}

// List is one page.
type List[T any] struct {
	Items []T
	Next  string // empty on the last page
}
