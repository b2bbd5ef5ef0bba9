package api

import (
	"context"
	"net/http"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

const (
	deliveriesPath = workspacePath + "/deliveries"
	deliveryPath   = deliveriesPath + "/{id}"
)

func (s *server) routeDeliveries() {
	register(s, operation{
		id: "list-webhook-deliveries", method: http.MethodGet, path: webhookPath + "/deliveries", tag: tagHistory,
		scope: auth.Read, summary: "List a webhook's deliveries",
	}, s.webhookDeliveries)
	register(s, operation{
		id: "list-deliveries", method: http.MethodGet, path: deliveriesPath, tag: tagHistory, scope: auth.Read,
		summary: "List deliveries", doc: "Across all webhooks of the workspace, newest first.",
	}, s.deliveries)
	register(s, operation{
		id: "get-delivery", method: http.MethodGet, path: deliveryPath, tag: tagHistory, scope: auth.Read,
		summary: "Read a delivery", doc: "With its attempts.",
	}, s.delivery)
	register(s, operation{
		id: "resend-delivery", method: http.MethodPost, path: deliveryPath + "/resend", tag: tagHistory, scope: auth.Replay,
		status: http.StatusAccepted, errors: []int{http.StatusConflict, http.StatusGone}, summary: "Resend a delivery",
		doc: "Once more now, with the same body and ids. Of a pending delivery this takes the place of the next attempt and the schedule goes on; a finished one gets a single attempt. 409 disabled or in_progress, 410 payload_expired.",
	}, s.resend)
	register(s, operation{
		id: "cancel-delivery", method: http.MethodPost, path: deliveryPath + "/cancel", tag: tagHistory, scope: auth.Replay,
		status: http.StatusAccepted, errors: []int{http.StatusConflict}, summary: "Cancel a delivery",
		doc: "No further attempt of a pending delivery starts. A request that is on its way is not taken back. 409 finished.",
	}, s.cancel)
}

type webhookDeliveriesInput struct {
	One
	DeliveryFilter
	Paging
}

func (s *server) webhookDeliveries(ctx context.Context, in *webhookDeliveriesInput) (*body[List[Delivery]], error) {
	if err := s.known(ctx, &in.One); err != nil {
		return nil, err
	}
	q := in.query(in.WorkspaceID, in.Paging)
	q.WebhookIDs = []string{in.ID}
	l, err := s.History.Deliveries(ctx, q)
	if err != nil {
		return nil, err
	}
	return &body[List[Delivery]]{listOf(l.Data, l.Next, deliveryJSON)}, nil
}

type deliveriesInput struct {
	InWorkspace
	DeliveryFilter
	AcrossWebhooks
	Paging
}

func (s *server) deliveries(ctx context.Context, in *deliveriesInput) (*body[List[Delivery]], error) {
	q := in.query(in.WorkspaceID, in.Paging)
	q.EventIDs, q.WebhookIDs = in.EventID, in.WebhookID
	l, err := s.History.Deliveries(ctx, q)
	if err != nil {
		return nil, err
	}
	return &body[List[Delivery]]{listOf(l.Data, l.Next, deliveryJSON)}, nil
}

func (s *server) delivery(ctx context.Context, in *One) (*body[WholeDelivery], error) {
	d, err := s.History.Delivery(ctx, in.WorkspaceID, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[WholeDelivery]{wholeDeliveryJSON(d)}, nil
}

func (s *server) resend(ctx context.Context, in *One) (*nothing, error) {
	if err := s.Actions.Resend(ctx, actorOf(ctx), in.WorkspaceID, in.ID); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}

func (s *server) cancel(ctx context.Context, in *One) (*nothing, error) {
	if err := s.Actions.Cancel(ctx, actorOf(ctx), in.WorkspaceID, in.ID); err != nil {
		return nil, err
	}
	return &nothing{}, nil
}
