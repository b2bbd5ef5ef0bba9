package subscription

import (
	"context"
	"time"
)

// Repository is the truth about webhooks, workspaces and keys; [Store] implements it over SQL. Every method that takes a
// workspace sees nothing of another one: a foreign id is ErrNotFound. Every change writes its row of the audit log in
// the same transaction, and is seen by all dispatchers within a second. What a change owes to Kafka (the notice that a
// webhook is failing, has recovered or was disabled; the record that cancels its pending deliveries) is noted in that
// transaction too: see [Debt].
type Repository interface {
	// Create makes a webhook. Errors: Invalid, ErrLimit, ErrConflict (given id), ErrIdempotency.
	Create(ctx context.Context, actor Actor, workspace string, n New, idem Idempotency) (Created, error)
	// Webhook returns one. Errors: ErrNotFound.
	Webhook(ctx context.Context, workspace, id string) (Webhook, error)
	// Webhooks lists, newest first. Errors: Invalid (cursor).
	Webhooks(ctx context.Context, workspace string, page Page) (List[Webhook], error)
	// Update changes what p names. ifVersion is the version that the webhook must have; 0: any. A patch that changes
	// nothing raises nothing. Errors: Invalid, ErrNotFound, ErrVersion.
	Update(ctx context.Context, actor Actor, workspace, id string, p Patch, ifVersion int64) (Webhook, error)
	// Delete removes it; it returns the webhook as it was, with the epoch that cancels its pending deliveries (any
	// delivery of a lower one). Errors: ErrNotFound, ErrVersion.
	Delete(ctx context.Context, actor Actor, workspace, id string, ifVersion int64) (Webhook, error)

	// Reveal returns the secrets, and notes it in the audit log. Errors: ErrNotFound, ErrSealed.
	Reveal(ctx context.Context, actor Actor, workspace, id string) (Secrets, error)
	// Rotate makes a new secret; the one so far signs too for overlap more (0: not at all, negative: 24 h; at most 30
	// days). A rotation within an overlap ends that one. ifVersion as in Update. Errors: Invalid, ErrNotFound, ErrSealed,
	// ErrVersion.
	Rotate(ctx context.Context, actor Actor, workspace, id string, overlap time.Duration, ifVersion int64) (Secrets, error)
	// ExpirePrevious ends the overlap now; without one it does nothing. Errors: ErrNotFound, ErrSealed.
	ExpirePrevious(ctx context.Context, actor Actor, workspace, id string) error

	// DisableGone disables the webhook because url answered 410 to that delivery, if it is enabled and still has that URL;
	// changed says whether this call did it. A deleted webhook is no error.
	DisableGone(ctx context.Context, workspace, id, url, deliveryID string) (changed bool, err error)
	// DisableFailing disables a failing webhook after too long a run of failures, if it still stands as it was judged:
	// enabled, and its attempts counting from the same time. A deleted webhook is no error.
	DisableFailing(ctx context.Context, judged Standing) (changed bool, err error)
	// SetHealth notes how deliveries go, if the webhook still stands as it was judged; since is when failing began
	// (ignored for ok). changed says whether the health was another one before. A deleted webhook is no error.
	SetHealth(ctx context.Context, judged Standing, health Health, since time.Time) (changed bool, err error)

	// Workspace returns the settings; one that was never mentioned has zero settings and is no error.
	Workspace(ctx context.Context, workspace string) (Workspace, error)
	// Workspaces lists those that were ever mentioned, by id. For operators only.
	Workspaces(ctx context.Context, page Page) (List[Workspace], error)
	// UpdateWorkspace changes settings. Errors: Invalid.
	UpdateWorkspace(ctx context.Context, actor Actor, workspace string, p WorkspacePatch) (Workspace, error)

	// SetOverrides notes for each delivery the lowest chain that is still valid; a higher one that is there stays.
	// action names it in the audit log, such as delivery.resend. The rows are forgotten after ttl, which must be longer
	// than a delivery can be pending.
	SetOverrides(ctx context.Context, actor Actor, workspace, action string, overrides []Override, ttl time.Duration) error

	// CreateAPIKey makes a key and returns its text, which is not kept. Errors: Invalid, ErrIdempotency, ErrKeyShown.
	CreateAPIKey(ctx context.Context, actor Actor, workspace string, n NewAPIKey) (key APIKey, text string, err error)
	// APIKeys lists, newest first.
	APIKeys(ctx context.Context, workspace string, page Page) (List[APIKey], error)
	// RevokeAPIKey removes a key. Errors: ErrNotFound.
	RevokeAPIKey(ctx context.Context, actor Actor, workspace, id string) error
	// Authenticate returns the key whose text this is. Errors: ErrKey.
	Authenticate(ctx context.Context, text string) (APIKey, error)

	// Audit appends an entry for an act that changes nothing here, such as a test or an erasure.
	Audit(ctx context.Context, actor Actor, workspace, action, target string, details any) error
	// AuditLog lists, newest first.
	AuditLog(ctx context.Context, workspace string, page Page) (List[AuditEntry], error)
}
