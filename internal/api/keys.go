package api

import (
	"context"
	"net/http"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

const (
	keysPath = workspacePath + "/api-keys"
	keyPath  = keysPath + "/{id}"
)

func (s *server) routeKeys() {
	register(s, operation{
		id: "create-api-key", method: http.MethodPost, path: keysPath, tag: tagWorkspaces, scope: auth.Write, operator: true,
		status: http.StatusCreated, errors: []int{http.StatusConflict}, summary: "Create an API key",
		doc: "Operators only. The key is shown once, in this answer.",
	}, s.createKey)
	register(s, operation{
		id: "list-api-keys", method: http.MethodGet, path: keysPath, tag: tagWorkspaces, scope: auth.Read, operator: true,
		summary: "List API keys", doc: "Operators only.",
	}, s.listKeys)
	register(s, operation{
		id: "revoke-api-key", method: http.MethodDelete, path: keyPath, tag: tagWorkspaces, scope: auth.Write,
		operator: true, status: http.StatusNoContent, summary: "Revoke an API key",
		doc: "Operators only. It is refused everywhere within a second.",
	}, s.revokeKey)
}

// APIKey is a workspace's key without the key itself.
type APIKey struct {
	ID         string   `json:"id" example:"key_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"Its id; the key begins with it."`
	Name       string   `json:"name" example:"Backend" doc:"What it is for."`
	Scopes     []string `json:"scopes" enum:"read,write,replay" nullable:"false" doc:"What it may do."`
	CreatedAt  Time     `json:"created_at" doc:"When it was created."`
	ExpiresAt  *Time    `json:"expires_at" nullable:"true" doc:"When it ends; null: never."`
	LastUsedAt *Time    `json:"last_used_at" nullable:"true" doc:"When it was last used, to the minute; null: never."`
}

// NewAPIKey is a key at the one moment when it is shown.
type NewAPIKey struct {
	APIKey
	Key string `json:"key" doc:"The key itself. It cannot be shown again."`
}

// CreateAPIKey is the body of a create.
type CreateAPIKey struct {
	Name      string     `json:"name" minLength:"1" maxLength:"100" example:"Backend" doc:"What it is for."`
	Scopes    []string   `json:"scopes,omitempty" enum:"read,write,replay" nullable:"true" minItems:"1" doc:"What it may do; all if not given."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" nullable:"true" doc:"When it ends."`
}

func keyJSON(k *subscription.APIKey) APIKey {
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	return APIKey{
		ID: k.ID, Name: k.Name, Scopes: scopes, CreatedAt: Time{k.CreatedAt},
		ExpiresAt: optionalTime(k.ExpiresAt), LastUsedAt: optionalTime(k.LastUsedAt),
	}
}

type createKeyInput struct {
	InWorkspace
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Keeps a repeat of this request, for 24 hours, from creating another key. It is 409 key_shown: the first key is not shown again."`
	Body           CreateAPIKey
}

func (s *server) createKey(ctx context.Context, in *createKeyInput) (*body[NewAPIKey], error) {
	n := subscription.NewAPIKey{Name: in.Body.Name, Scopes: closed[subscription.Scope](in.Body.Scopes)}
	if in.Body.ExpiresAt != nil {
		n.ExpiresAt = *in.Body.ExpiresAt
	}
	var err error
	if n.Idempotency, err = idempotency("api-key", in.IdempotencyKey, in.Body); err != nil {
		return nil, err
	}
	key, text, err := s.Keys.CreateAPIKey(ctx, actorOf(ctx), in.WorkspaceID, n)
	if err != nil {
		return nil, err
	}
	return &body[NewAPIKey]{NewAPIKey{keyJSON(&key), text}}, nil
}

func (s *server) listKeys(ctx context.Context, in *listInput) (*body[List[APIKey]], error) {
	l, err := s.Keys.APIKeys(ctx, in.WorkspaceID, in.subscription())
	if err != nil {
		return nil, err
	}
	return &body[List[APIKey]]{listOf(l.Items, l.Next, keyJSON)}, nil
}

func (s *server) revokeKey(ctx context.Context, in *One) (*nothing, error) {
	if err := s.Keys.RevokeAPIKey(ctx, actorOf(ctx), in.WorkspaceID, in.ID); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}
