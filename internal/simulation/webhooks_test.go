package simulation

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// webhooks is the directory of all instances: a few workspaces, each with one webhook of every behaviour.
type webhooks struct {
	mu   sync.Mutex
	byWS map[string][]*fanout.Target
}

func newWebhooks(t *testing.T, workspaces int) *webhooks {
	t.Helper()
	signer, err := webhook.NewSigner(webhook.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	w := &webhooks{byWS: make(map[string][]*fanout.Target)}
	for i := range workspaces {
		ws := fmt.Sprintf("ws_%d", i)
		for _, kind := range behaviours {
			id := fmt.Sprintf("wh_%d_%s", i, kind)
			w.byWS[ws] = append(w.byWS[ws], &fanout.Target{
				WorkspaceID: ws, WebhookID: id, URL: &url.URL{Scheme: "https", Host: id + ".example"}, Enabled: true,
				Epoch: 1, Signer: signer,
			})
		}
	}
	return w
}

// Match implements fanout.Subscriptions: each enabled webhook of a workspace wants everything.
func (w *webhooks) Match(_ context.Context, events []*fanout.Event) ([]*fanout.Match, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*fanout.Match, len(events))
	for i, e := range events {
		out[i] = new(fanout.Match)
		for _, t := range w.byWS[e.WorkspaceID] {
			if t.Enabled {
				out[i].Targets = append(out[i].Targets, t)
			}
		}
	}
	return out, nil
}

// Target implements fanout.Subscriptions.
func (w *webhooks) Target(_ context.Context, ref fanout.Ref, _ bool) (*fanout.Target, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.byWS[ref.WorkspaceID] {
		if t.WebhookID == ref.WebhookID {
			return t, nil
		}
	}
	return nil, fanout.ErrNoWebhook
}

// DisableGone implements fanout.Subscriptions.
func (w *webhooks) DisableGone(_ context.Context, gone *fanout.Target, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, t := range w.byWS[gone.WorkspaceID] {
		if t.WebhookID == gone.WebhookID && t.Enabled {
			changed := *t
			changed.Enabled = false
			changed.Epoch++
			w.byWS[gone.WorkspaceID][i] = &changed
		}
	}
	return nil
}

// Lookup implements fanout.Overrides: nobody resends or cancels here.
func (w *webhooks) Lookup(context.Context, []string) (map[string]int, error) { return nil, nil }

// enabled are the ids of the workspace's webhooks that were never disabled.
func (w *webhooks) enabled(workspace string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, t := range w.byWS[workspace] {
		if t.Enabled {
			ids = append(ids, t.WebhookID)
		}
	}
	return ids
}
