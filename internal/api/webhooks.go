package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

const (
	webhooksPath = "/v1/workspaces/{workspace_id}/webhooks"
	webhookPath  = webhooksPath + "/{id}"
)

func (s *server) routeWebhooks() {
	register(s, operation{
		id: "create-webhook", method: http.MethodPost, path: webhooksPath, tag: tagWebhooks, scope: auth.Write,
		status: http.StatusCreated, errors: []int{http.StatusConflict}, summary: "Create a webhook",
		doc: "Its secret is in the answer; it can be revealed again later. Events appended one second after the answer match it.",
	}, s.createWebhook)
	register(s, operation{
		id: "list-webhooks", method: http.MethodGet, path: webhooksPath, tag: tagWebhooks, scope: auth.Read,
		summary: "List webhooks",
	}, s.listWebhooks)
	register(s, operation{
		id: "get-webhook", method: http.MethodGet, path: webhookPath, tag: tagWebhooks, scope: auth.Read,
		summary: "Read a webhook", doc: "The ETag can be given as If-Match with a change.",
	}, s.getWebhook)
	register(s, operation{
		id: "update-webhook", method: http.MethodPatch, path: webhookPath, tag: tagWebhooks, scope: auth.Write,
		errors: []int{http.StatusPreconditionFailed}, summary: "Change a webhook",
		doc: "A merge patch (RFC 7396): what is absent stays. One second after the answer nothing starts by the old state. Disabling cancels what is pending.",
	}, s.updateWebhook)
	register(s, operation{
		id: "delete-webhook", method: http.MethodDelete, path: webhookPath, tag: tagWebhooks, scope: auth.Write,
		status: http.StatusNoContent, errors: []int{http.StatusPreconditionFailed}, summary: "Delete a webhook",
		doc: "What is pending is cancelled; its history stays until its retention ends.",
	}, s.deleteWebhook)
	register(s, operation{
		id: "test-webhook", method: http.MethodPost, path: webhookPath + "/test", tag: tagWebhooks, scope: auth.Write,
		status: http.StatusAccepted, summary: "Send a test event",
		doc: "The catalogue's example as a real delivery, signed as always: one attempt, also to a disabled webhook. The receiver can tell it by the header X-Voxagent-Test.",
	}, s.testWebhook)
}

type createWebhookInput struct {
	InWorkspace
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Makes a repeat of this request return the first one's answer, for 24 hours."`
	Body           CreateWebhook
}

type webhookOutput struct {
	ETag string `header:"ETag" doc:"The webhook's version."`
	Body Webhook
}

type newWebhookOutput struct {
	ETag     string `header:"ETag" doc:"The webhook's version."`
	Location string `header:"Location" doc:"Where to read it."`
	Body     NewWebhook
}

func (s *server) createWebhook(ctx context.Context, in *createWebhookInput) (*newWebhookOutput, error) {
	if c := callerOf(ctx); !c.Operator {
		if p := operatorFields(&in.Body); p != nil {
			return nil, p
		}
	}
	idem, err := idempotency("webhook", in.IdempotencyKey, in.Body)
	if err != nil {
		return nil, err
	}
	created, err := s.Webhooks.Create(ctx, actorOf(ctx), in.WorkspaceID, in.Body.toNew(), idem)
	if err != nil {
		return nil, err
	}
	w := &created.Webhook
	return &newWebhookOutput{
		ETag: etag(w), Location: strings.Replace(webhooksPath, "{workspace_id}", w.WorkspaceID, 1) + "/" + w.ID,
		Body: NewWebhook{Webhook: webhookJSON(w), Secret: string(created.Secret)},
	}, nil
}

// idempotency is what makes a repeat of a create of that kind known by its key; nothing without one.
func idempotency(kind, key string, body any) (subscription.Idempotency, error) {
	if key == "" {
		return subscription.Idempotency{}, nil
	}
	request, err := json.Marshal(body)
	if err != nil {
		return subscription.Idempotency{}, err
	}
	return subscription.Idempotency{Key: key, Fingerprint: sha256.Sum256(append([]byte(kind+"\x00"), request...))}, nil
}

// operatorFields refuses what only an operator may give.
func operatorFields(b *CreateWebhook) *Problem {
	var faults []Fault
	if b.ID != "" {
		faults = append(faults, fault("body.id", "only an operator may choose the id", b.ID))
	}
	if b.Secret != "" {
		faults = append(faults, fault("body.secret", "only an operator may bring a secret", nil))
	}
	if faults == nil {
		return nil
	}
	return problem(http.StatusUnprocessableEntity, detailInvalid, faults...)
}

type listInput struct {
	InWorkspace
	Paging
}

func (s *server) listWebhooks(ctx context.Context, in *listInput) (*body[List[Webhook]], error) {
	l, err := s.Webhooks.Webhooks(ctx, in.WorkspaceID, in.subscription())
	if err != nil {
		return nil, err
	}
	return &body[List[Webhook]]{listOf(l.Items, l.Next, webhookJSON)}, nil
}

func (s *server) getWebhook(ctx context.Context, in *One) (*webhookOutput, error) {
	w, err := s.Webhooks.Webhook(ctx, in.WorkspaceID, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{etag(&w), webhookJSON(&w)}, nil
}

type updateWebhookInput struct {
	One
	IfMatch string `header:"If-Match" doc:"The ETag that the webhook must have; another one: 412."`
	Body    PatchWebhook
}

func (s *server) updateWebhook(ctx context.Context, in *updateWebhookInput) (*webhookOutput, error) {
	patch, faults := in.Body.toPatch()
	if faults != nil {
		return nil, problem(http.StatusUnprocessableEntity, detailInvalid, faults...)
	}
	version, err := s.expected(ctx, &in.One, in.IfMatch)
	if err != nil {
		return nil, err
	}
	w, err := s.Webhooks.Update(ctx, actorOf(ctx), in.WorkspaceID, in.ID, patch, version)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{etag(&w), webhookJSON(&w)}, nil
}

type deleteWebhookInput struct {
	One
	IfMatch string `header:"If-Match" doc:"The ETag that the webhook must have; another one: 412."`
}

func (s *server) deleteWebhook(ctx context.Context, in *deleteWebhookInput) (*nothing, error) {
	version, err := s.expected(ctx, &in.One, in.IfMatch)
	if err != nil {
		return nil, err
	}
	if _, err := s.Webhooks.Delete(ctx, actorOf(ctx), in.WorkspaceID, in.ID, version); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}

// TestOrder is the body of a test.
type TestOrder struct {
	Event string `json:"event" example:"ConversationComplete" doc:"An event type of the catalogue."`
}

// TestOrdered is the answer to a test.
type TestOrdered struct {
	DeliveryID string `json:"delivery_id" example:"dlv_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The delivery to look for in the history."`
}

type testInput struct {
	One
	Body TestOrder
}

func (s *server) testWebhook(ctx context.Context, in *testInput) (*body[TestOrdered], error) {
	id, err := s.Actions.Test(ctx, actorOf(ctx), in.WorkspaceID, in.ID, in.Body.Event)
	if err != nil {
		return nil, err
	}
	return &body[TestOrdered]{TestOrdered{id}}, nil
}

func etag(w *subscription.Webhook) string { return `"` + strconv.FormatInt(w.Version, 10) + `"` }

// expected reads an If-Match header: 0 for none and for `*`. Of several tags the webhook's own counts; one that we never
// gave, or a weak one, matches nothing.
func (s *server) expected(ctx context.Context, of *One, ifMatch string) (int64, error) {
	ifMatch = strings.TrimSpace(ifMatch)
	if ifMatch == "" || ifMatch == "*" {
		return 0, nil
	}
	w, err := s.Webhooks.Webhook(ctx, of.WorkspaceID, of.ID)
	if err != nil {
		return 0, err
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if strings.TrimSpace(tag) == etag(&w) {
			return w.Version, nil
		}
	}
	return 0, subscription.ErrVersion
}
