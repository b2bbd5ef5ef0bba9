package api

import (
	"context"
	"time"

	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// The interfaces below are what the API calls, one for each resource. Their contracts are those of
// subscription.Repository, store.Reader and command.Service, which implement them.
//
// All of them: a method that takes a workspace sees nothing of another one, and a foreign id is ErrNotFound.

// Webhooks reads and changes webhooks.
type Webhooks interface {
	Create(ctx context.Context, actor subscription.Actor, workspace string, n subscription.New, idem subscription.Idempotency) (subscription.Created, error)
	Webhook(ctx context.Context, workspace, id string) (subscription.Webhook, error)
	Webhooks(ctx context.Context, workspace string, page subscription.Page) (subscription.List[subscription.Webhook], error)
	Update(ctx context.Context, actor subscription.Actor, workspace, id string, p subscription.Patch, ifVersion int64) (subscription.Webhook, error)
	Delete(ctx context.Context, actor subscription.Actor, workspace, id string, ifVersion int64) (subscription.Webhook, error)
}

// Secrets shows and rotates webhooks' secrets.
type Secrets interface {
	Reveal(ctx context.Context, actor subscription.Actor, workspace, id string) (subscription.Secrets, error)
	Rotate(ctx context.Context, actor subscription.Actor, workspace, id string, overlap time.Duration, ifVersion int64) (subscription.Secrets, error)
	ExpirePrevious(ctx context.Context, actor subscription.Actor, workspace, id string) error
}

// Workspaces reads and changes workspaces' settings.
type Workspaces interface {
	Workspaces(ctx context.Context, page subscription.Page) (subscription.List[subscription.Workspace], error)
	UpdateWorkspace(ctx context.Context, actor subscription.Actor, workspace string, p subscription.WorkspacePatch) (subscription.Workspace, error)
}

// Keys makes and revokes workspaces' API keys.
type Keys interface {
	CreateAPIKey(ctx context.Context, actor subscription.Actor, workspace string, n subscription.NewAPIKey) (key subscription.APIKey, text string, err error)
	APIKeys(ctx context.Context, workspace string, page subscription.Page) (subscription.List[subscription.APIKey], error)
	RevokeAPIKey(ctx context.Context, actor subscription.Actor, workspace, id string) error
}

// Audit reads the audit log.
type Audit interface {
	AuditLog(ctx context.Context, workspace string, page subscription.Page) (subscription.List[subscription.AuditEntry], error)
}

// History answers what became of events.
type History interface {
	Attempts(ctx context.Context, q store.AttemptQuery) (store.List[store.Attempt], error)
	Attempt(ctx context.Context, workspaceID, attemptID string) (*store.AttemptDetail, error)
	Deliveries(ctx context.Context, q store.DeliveryQuery) (store.List[store.Delivery], error)
	Delivery(ctx context.Context, workspaceID, deliveryID string) (*store.DeliveryDetail, error)
	Events(ctx context.Context, q store.EventQuery) (store.List[store.Event], error)
	Event(ctx context.Context, workspaceID, eventID string) (*store.EventDetail, error)
	Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error)
}

// Actions sends something, or keeps it from being sent. *command.Service implements it.
type Actions interface {
	Resend(ctx context.Context, actor subscription.Actor, workspace, deliveryID string) error
	Cancel(ctx context.Context, actor subscription.Actor, workspace, deliveryID string) error
	Test(ctx context.Context, actor subscription.Actor, workspace, webhookID, eventType string) (deliveryID string, err error)
}

// Catalogue returns the event types as they are now.
type Catalogue func() *catalogue.Catalogue
