package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

func (s *server) routeAudit() {
	register(s, operation{
		id: "list-audit-log", method: http.MethodGet, path: workspacePath + "/audit-log", tag: tagWorkspaces, scope: auth.Read,
		summary: "Read the audit log", doc: "Who changed or revealed what, newest first.",
	}, s.auditLog)
}

// AuditEntry is one change, or one look at a secret.
type AuditEntry struct {
	ID        string          `json:"id" doc:"Its id."`
	Timestamp Time            `json:"timestamp" doc:"When."`
	Actor     AuditActor      `json:"actor" doc:"Who."`
	Action    string          `json:"action" example:"webhook.update" doc:"What."`
	TargetID  string          `json:"target_id" example:"wh_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"On what."`
	Before    json.RawMessage `json:"before" doc:"What the change touched, as it was; without secrets. Null: nothing."`
	After     json.RawMessage `json:"after" doc:"… and as it became."`
}

// AuditActor is who made a change.
type AuditActor struct {
	KeyID    string `json:"key_id" example:"key_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The API key, or the operator key's name."`
	Name     string `json:"name,omitempty" example:"dana@acme.example" doc:"The person whom an operator named."`
	Address  string `json:"address,omitempty" example:"203.0.113.7" doc:"From where."`
	Operator bool   `json:"operator" doc:"For the platform, not for the workspace."`
}

func auditJSON(e *subscription.AuditEntry) AuditEntry {
	return AuditEntry{
		ID: e.ID, Timestamp: Time{e.At}, Action: e.Action, TargetID: e.TargetID,
		Actor:  AuditActor{KeyID: e.Actor.KeyID, Name: e.Actor.Name, Address: e.Actor.Addr, Operator: e.Actor.Operator},
		Before: rawOrNull(e.Before), After: rawOrNull(e.After),
	}
}

func rawOrNull(b []byte) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return b
}

func (s *server) auditLog(ctx context.Context, in *listInput) (*body[List[AuditEntry]], error) {
	l, err := s.Audit.AuditLog(ctx, in.WorkspaceID, in.subscription())
	if err != nil {
		return nil, err
	}
	return &body[List[AuditEntry]]{listOf(l.Items, l.Next, auditJSON)}, nil
}
