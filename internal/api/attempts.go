package api

import (
	"context"
	"net/http"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

const (
	workspacePath = "/v1/workspaces/{workspace_id}"
	attemptsPath  = workspacePath + "/attempts"
	attemptPath   = attemptsPath + "/{id}"
)

func (s *server) routeAttempts() {
	register(s, operation{
		id: "list-webhook-attempts", method: http.MethodGet, path: webhookPath + "/attempts", tag: tagHistory,
		scope: auth.Read, summary: "List a webhook's attempts", doc: "Its request history, newest first.",
	}, s.webhookAttempts)
	register(s, operation{
		id: "list-attempts", method: http.MethodGet, path: attemptsPath, tag: tagHistory, scope: auth.Read,
		summary: "List attempts", doc: "Across all webhooks of the workspace, newest first.",
	}, s.attempts)
	register(s, operation{
		id: "get-attempt", method: http.MethodGet, path: attemptPath, tag: tagHistory, scope: auth.Read,
		summary: "Read an attempt", doc: "With the request's headers and payload, the response, and where the time went.",
	}, s.attempt)
}

type webhookAttemptsInput struct {
	One
	AttemptFilter
	Paging
}

func (s *server) webhookAttempts(ctx context.Context, in *webhookAttemptsInput) (*body[List[Attempt]], error) {
	if err := s.known(ctx, &in.One); err != nil {
		return nil, err
	}
	q, err := in.query(in.WorkspaceID, in.Paging)
	if err != nil {
		return nil, err
	}
	q.WebhookIDs = []string{in.ID}
	l, err := s.History.Attempts(ctx, q)
	if err != nil {
		return nil, err
	}
	return &body[List[Attempt]]{listOf(l.Data, l.Next, attemptJSON)}, nil
}

// known fails for a webhook that is not (or no longer) one of the workspace.
func (s *server) known(ctx context.Context, of *One) error {
	_, err := s.Webhooks.Webhook(ctx, of.WorkspaceID, of.ID)
	return err
}

type attemptsInput struct {
	InWorkspace
	AttemptFilter
	AcrossWebhooks
	Paging
}

func (s *server) attempts(ctx context.Context, in *attemptsInput) (*body[List[Attempt]], error) {
	q, err := in.query(in.WorkspaceID, in.Paging)
	if err != nil {
		return nil, err
	}
	q.EventIDs, q.WebhookIDs = in.EventID, in.WebhookID
	l, err := s.History.Attempts(ctx, q)
	if err != nil {
		return nil, err
	}
	return &body[List[Attempt]]{listOf(l.Data, l.Next, attemptJSON)}, nil
}

func (s *server) attempt(ctx context.Context, in *One) (*body[WholeAttempt], error) {
	a, err := s.History.Attempt(ctx, in.WorkspaceID, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[WholeAttempt]{wholeAttemptJSON(a)}, nil
}
