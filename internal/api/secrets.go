package api

import (
	"context"
	"net/http"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

const secretPath = webhookPath + "/secret"

func (s *server) routeSecrets() {
	register(s, operation{
		id: "reveal-secret", method: http.MethodGet, path: secretPath, tag: tagWebhooks, scope: auth.Write,
		summary: "Reveal the secret", doc: "Needs the scope write. The audit log notes it.",
	}, s.revealSecret)
	register(s, operation{
		id: "rotate-secret", method: http.MethodPost, path: secretPath + "/rotate", tag: tagWebhooks, scope: auth.Write,
		errors: []int{http.StatusPreconditionFailed}, summary: "Rotate the secret",
		doc: "During the overlap webhook-signature carries the signatures of both, and X-Voxagent-Signature that of the old one; when it ends, the new one alone signs. A webhook has two secrets at most: to rotate during an overlap ends it, and the older secret signs no more. With the webhook's ETag as If-Match a call that is made again does not rotate again.",
	}, s.rotateSecret)
	register(s, operation{
		id: "expire-previous-secret", method: http.MethodPost, path: secretPath + "/expire-previous", tag: tagWebhooks,
		scope: auth.Write, status: http.StatusNoContent, summary: "End a rotation's overlap now",
	}, s.expirePrevious)
}

func (s *server) revealSecret(ctx context.Context, in *One) (*body[SecretBody], error) {
	secrets, err := s.Secrets.Reveal(ctx, actorOf(ctx), in.WorkspaceID, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[SecretBody]{secretJSON(&secrets)}, nil
}

// Rotation is the body of a rotation.
type Rotation struct {
	OverlapSeconds *Whole `json:"overlap_seconds,omitempty" nullable:"true" minimum:"0" maximum:"2592000" default:"86400" doc:"How long the secret so far signs too; at most 30 days."`
}

type rotateInput struct {
	One
	IfMatch string    `header:"If-Match" doc:"The ETag that the webhook must have; another one: 412."`
	Body    *Rotation `required:"false"`
}

// defaultOverlap lets the repository choose.
const defaultOverlap = time.Duration(-1)

func (s *server) rotateSecret(ctx context.Context, in *rotateInput) (*body[SecretBody], error) {
	overlap := defaultOverlap
	if in.Body != nil && in.Body.OverlapSeconds != nil {
		overlap = time.Duration(*in.Body.OverlapSeconds) * time.Second
	}
	version, err := s.expected(ctx, &in.One, in.IfMatch)
	if err != nil {
		return nil, err
	}
	secrets, err := s.Secrets.Rotate(ctx, actorOf(ctx), in.WorkspaceID, in.ID, overlap, version)
	if err != nil {
		return nil, err
	}
	return &body[SecretBody]{secretJSON(&secrets)}, nil
}

func (s *server) expirePrevious(ctx context.Context, in *One) (*nothing, error) {
	if err := s.Secrets.ExpirePrevious(ctx, actorOf(ctx), in.WorkspaceID, in.ID); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}
