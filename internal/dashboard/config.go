package dashboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Config is what the pages say of the installation, and how sessions are kept.
type Config struct {
	// SessionKey seals session cookies: 32 random bytes, the same in every process that serves the dashboard. Another
	// key ends all sessions.
	SessionKey []byte
	// SessionLength is how long a sign-in lasts; zero: 12 h.
	SessionLength time.Duration
	// RetrySchedule is the delays after the first attempt.
	RetrySchedule []time.Duration
	// DeliveryTimeout is the deadline of one attempt.
	DeliveryTimeout time.Duration
	// SignatureHeader is the name of the header with the hex signature; empty: X-Voxagent-Signature.
	SignatureHeader string
}

const sessionKeySize = 32

// Validate names everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if len(c.SessionKey) != sessionKeySize {
		faults = append(faults, fmt.Errorf("session key has %d bytes, want %d", len(c.SessionKey), sessionKeySize))
	}
	if c.SessionLength < 0 {
		faults = append(faults, fmt.Errorf("session length %s is negative", c.SessionLength))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.SessionLength == 0 {
		c.SessionLength = 12 * time.Hour
	}
	if c.SignatureHeader == "" {
		c.SignatureHeader = "X-Voxagent-Signature"
	}
	return c
}

// Deps is what the pages stand on. All but Quotas are required.
type Deps struct {
	Keyring    *auth.Keyring
	Quotas     *auth.Quotas // shared with the API; nil: no bounds
	Webhooks   Webhooks
	Workspaces Workspaces
	History    History
	Actions    Actions
	Catalogue  func() *catalogue.Catalogue
}

// Validate names every dependency that is missing.
func (d Deps) Validate() error {
	var faults []error
	for _, dep := range []struct {
		name    string
		missing bool
	}{
		{"keyring", d.Keyring == nil}, {"webhooks", d.Webhooks == nil}, {"workspaces", d.Workspaces == nil},
		{"history", d.History == nil}, {"actions", d.Actions == nil}, {"catalogue", d.Catalogue == nil},
	} {
		if dep.missing {
			faults = append(faults, errors.New("no "+dep.name))
		}
	}
	return errors.Join(faults...)
}

// Webhooks is what the pages need of webhooks and their secrets; contracts as in subscription.Repository.
type Webhooks interface {
	Create(ctx context.Context, actor subscription.Actor, workspace string, n subscription.New, idem subscription.Idempotency) (subscription.Created, error)
	Webhook(ctx context.Context, workspace, id string) (subscription.Webhook, error)
	Webhooks(ctx context.Context, workspace string, page subscription.Page) (subscription.List[subscription.Webhook], error)
	Update(ctx context.Context, actor subscription.Actor, workspace, id string, p subscription.Patch, ifVersion int64) (subscription.Webhook, error)
	Delete(ctx context.Context, actor subscription.Actor, workspace, id string, ifVersion int64) (subscription.Webhook, error)
	Reveal(ctx context.Context, actor subscription.Actor, workspace, id string) (subscription.Secrets, error)
	Rotate(ctx context.Context, actor subscription.Actor, workspace, id string, overlap time.Duration, ifVersion int64) (subscription.Secrets, error)
	ExpirePrevious(ctx context.Context, actor subscription.Actor, workspace, id string) error
}

// Workspaces is what the pages need of workspaces, their keys and audit log; contracts as in subscription.Repository.
type Workspaces interface {
	Workspaces(ctx context.Context, page subscription.Page) (subscription.List[subscription.Workspace], error)
	CreateAPIKey(ctx context.Context, actor subscription.Actor, workspace string, n subscription.NewAPIKey) (key subscription.APIKey, text string, err error)
	APIKeys(ctx context.Context, workspace string, page subscription.Page) (subscription.List[subscription.APIKey], error)
	RevokeAPIKey(ctx context.Context, actor subscription.Actor, workspace, id string) error
	AuditLog(ctx context.Context, workspace string, page subscription.Page) (subscription.List[subscription.AuditEntry], error)
}

// History is what the pages need of the history; contracts as in store.Reader.
type History interface {
	Attempts(ctx context.Context, q store.AttemptQuery) (store.List[store.Attempt], error)
	Attempt(ctx context.Context, workspaceID, attemptID string) (*store.AttemptDetail, error)
	Deliveries(ctx context.Context, q store.DeliveryQuery) (store.List[store.Delivery], error)
	Delivery(ctx context.Context, workspaceID, deliveryID string) (*store.DeliveryDetail, error)
	Events(ctx context.Context, q store.EventQuery) (store.List[store.Event], error)
	Event(ctx context.Context, workspaceID, eventID string) (*store.EventDetail, error)
	Payload(ctx context.Context, workspaceID string, occurrence event.Occurrence) (store.Payload, error)
	Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error)
}

// Actions sends something, or keeps it from being sent; command.Service implements it.
type Actions interface {
	Resend(ctx context.Context, actor subscription.Actor, workspace, deliveryID string) error
	Cancel(ctx context.Context, actor subscription.Actor, workspace, deliveryID string) error
	Test(ctx context.Context, actor subscription.Actor, workspace, webhookID, eventType string) (deliveryID string, err error)
}
