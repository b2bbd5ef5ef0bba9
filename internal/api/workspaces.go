package api

import (
	"context"
	"net/http"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

func (s *server) routeWorkspaces() {
	register(s, operation{
		id: "list-workspaces", method: http.MethodGet, path: "/v1/workspaces", tag: tagWorkspaces, scope: auth.Read,
		operator: true, summary: "List workspaces", doc: "Operators only. Those that ever had a webhook, a key or a setting, by id.",
	}, s.listWorkspaces)
	register(s, operation{
		id: "update-workspace", method: http.MethodPatch, path: workspacePath, tag: tagWorkspaces, scope: auth.Write,
		operator: true, summary: "Limit or suspend a workspace",
		doc: "Operators only. A merge patch: what is absent stays, null takes a limit away. Events of a suspended workspace are recorded and not delivered; deliveries that wait are cancelled when they fall due.",
	}, s.updateWorkspace)
}

// Workspace is a tenant's settings.
type Workspace struct {
	ID           string   `json:"id" example:"ws_acme" doc:"Its id."`
	Suspended    bool     `json:"suspended" doc:"Nothing is delivered."`
	MaxPerSecond *float64 `json:"max_per_second" example:"100" doc:"Requests a second over all its webhooks; null: no limit."`
	MaxWebhooks  *int     `json:"max_webhooks" example:"50" doc:"How many webhooks it may have; null: the installation's default."`
	Webhooks     *int     `json:"webhooks,omitempty" example:"3" doc:"How many it has; in lists."`
	UpdatedAt    *Time    `json:"updated_at" nullable:"true" doc:"When a setting was last changed; null: never."`
}

// PatchWorkspace is the body of a change.
type PatchWorkspace struct {
	Suspended    Optional[bool]    `json:"suspended,omitzero" doc:"Deliver nothing."`
	MaxPerSecond Optional[float64] `json:"max_per_second,omitzero" nullable:"true" minimum:"0.0001" maximum:"100000" doc:"Requests a second over all its webhooks; null: no limit."`
	MaxWebhooks  Optional[Whole]   `json:"max_webhooks,omitzero" nullable:"true" minimum:"1" maximum:"100000" doc:"How many webhooks it may have; null: the default."`
}

func workspaceJSON(w *subscription.Workspace) Workspace {
	return Workspace{
		ID: w.ID, Suspended: w.Suspended, MaxPerSecond: orNull(w.MaxPerSecond), MaxWebhooks: orNull(w.MaxWebhooks),
		Webhooks: &w.Webhooks, UpdatedAt: optionalTime(w.UpdatedAt),
	}
}

func (s *server) listWorkspaces(ctx context.Context, in *Paging) (*body[List[Workspace]], error) {
	l, err := s.Workspaces.Workspaces(ctx, in.subscription())
	if err != nil {
		return nil, err
	}
	return &body[List[Workspace]]{listOf(l.Items, l.Next, workspaceJSON)}, nil
}

type updateWorkspaceInput struct {
	InWorkspace
	Body PatchWorkspace
}

func (s *server) updateWorkspace(ctx context.Context, in *updateWorkspaceInput) (*body[Workspace], error) {
	if in.Body.Suspended.Null {
		return nil, problem(http.StatusUnprocessableEntity, detailInvalid, fault("body.suspended", "cannot be null", nil))
	}
	w, err := s.Workspaces.UpdateWorkspace(ctx, actorOf(ctx), in.WorkspaceID, subscription.WorkspacePatch{
		Suspended: in.Body.Suspended.pointer(), MaxPerSecond: in.Body.MaxPerSecond.pointer(), MaxWebhooks: (*int)(in.Body.MaxWebhooks.pointer()),
	})
	if err != nil {
		return nil, err
	}
	form := workspaceJSON(&w)
	form.Webhooks = nil // a change does not count them
	return &body[Workspace]{form}, nil
}
