package apitest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Repository keeps webhooks, keys and the audit log. The zero value is empty; methods may be called by many.
type Repository struct {
	mu         sync.Mutex
	seq        int
	webhooks   []subscription.Webhook
	secrets    map[string]subscription.Secrets
	idem       map[string]subscription.Created
	shown      map[string]bool                // API keys by their idempotency key
	keys       map[string]subscription.APIKey // by text
	workspaces map[string]subscription.Workspace
	audit      []subscription.AuditEntry
	// Err, if set, is what every method returns: the database is away.
	Err error
}

// Secret is the signing secret of the n-th webhook (from 1).
func Secret(n int) string { return fmt.Sprintf("whsec_%043d=", n) }

func (r *Repository) note(actor subscription.Actor, workspace, action, target string) {
	r.seq++
	r.audit = append(r.audit, subscription.AuditEntry{
		ID: fmt.Sprintf("aud_%d", r.seq), WorkspaceID: workspace, At: time.Now(), Actor: actor, Action: action, TargetID: target,
	})
}

// Create implements subscription.Repository.
func (r *Repository) Create(_ context.Context, actor subscription.Actor, workspace string, n subscription.New, idem subscription.Idempotency) (subscription.Created, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Err != nil {
		return subscription.Created{}, r.Err
	}
	if done, ok := r.idem[workspace+idem.Key]; ok && idem.Key != "" {
		done.Replayed = true
		return done, nil
	}
	if err := check(n.URL, n.EventTypes); err != nil {
		return subscription.Created{}, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	w := subscription.Webhook{
		ID: n.ID, WorkspaceID: workspace, URL: n.URL, Description: n.Description, EventTypes: n.EventTypes,
		Enabled: !n.Disabled, Health: subscription.HealthOK, MaxPerSecond: n.MaxPerSecond, Filter: n.Filter, Headers: hide(n.Headers),
		CreatedAt: now, UpdatedAt: now, Epoch: 1, Version: 1,
	}
	if w.ID == "" {
		w.ID = fmt.Sprintf("wh_%026d", len(r.webhooks)+1)
	}
	if n.Disabled {
		w.DisabledReason = subscription.DisabledByCustomer
	}
	if r.find(workspace, w.ID) >= 0 {
		return subscription.Created{}, subscription.ErrConflict
	}
	r.webhooks = append(r.webhooks, w)
	secret := n.Secret
	if secret == "" {
		secret = fanout.Secret(Secret(len(r.webhooks)))
	}
	if r.secrets == nil {
		r.secrets, r.idem = map[string]subscription.Secrets{}, map[string]subscription.Created{}
	}
	r.secrets[w.ID] = subscription.Secrets{Current: secret}
	created := subscription.Created{Webhook: w, Secret: secret}
	r.idem[workspace+idem.Key] = created
	r.note(actor, workspace, "webhook.create", w.ID)
	return created, nil
}

func check(url string, types []string) error {
	var faults subscription.Invalid
	if !strings.HasPrefix(url, "http") {
		faults = append(faults, &subscription.FieldError{Location: "body.url", Message: "must begin with https:// or http://", Value: url})
	}
	if len(types) == 0 {
		faults = append(faults, &subscription.FieldError{Location: "body.event_types", Message: "choose at least one"})
	}
	if faults == nil {
		return nil
	}
	return faults
}

func (r *Repository) find(workspace, id string) int {
	return slices.IndexFunc(r.webhooks, func(w subscription.Webhook) bool { return w.ID == id && w.WorkspaceID == workspace })
}

// Webhook implements subscription.Repository.
func (r *Repository) Webhook(_ context.Context, workspace, id string) (subscription.Webhook, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Err != nil {
		return subscription.Webhook{}, r.Err
	}
	i := r.find(workspace, id)
	if i < 0 {
		return subscription.Webhook{}, subscription.ErrNotFound
	}
	return r.webhooks[i], nil
}

// Webhooks implements subscription.Repository.
func (r *Repository) Webhooks(_ context.Context, workspace string, page subscription.Page) (subscription.List[subscription.Webhook], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []subscription.Webhook
	for _, w := range slices.Backward(r.webhooks) {
		if w.WorkspaceID == workspace {
			all = append(all, w)
		}
	}
	items, next, err := part(all, page.Limit, page.Cursor)
	return subscription.List[subscription.Webhook]{Items: items, Next: next}, errs(r.Err, err)
}

// Update implements subscription.Repository.
func (r *Repository) Update(_ context.Context, actor subscription.Actor, workspace, id string, p subscription.Patch, ifVersion int64) (subscription.Webhook, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.expect(workspace, id, ifVersion)
	if err != nil {
		return subscription.Webhook{}, err
	}
	w := r.webhooks[i]
	set(&w.URL, p.URL)
	set(&w.Description, p.Description)
	set(&w.EventTypes, p.EventTypes)
	set(&w.MaxPerSecond, p.MaxPerSecond)
	set(&w.Filter, p.Filter)
	w.Headers = patched(w.Headers, &p)
	if p.Enabled != nil && *p.Enabled != w.Enabled {
		w.Enabled, w.DisabledReason = *p.Enabled, ""
		if !w.Enabled {
			w.DisabledReason, w.Epoch = subscription.DisabledByCustomer, w.Epoch+1
		}
	}
	if err := check(w.URL, w.EventTypes); err != nil {
		return w, err
	}
	w.Version++
	w.UpdatedAt = time.Now().UTC()
	r.webhooks[i] = w
	r.note(actor, workspace, "webhook.update", id)
	return w, r.Err
}

// expect finds a webhook of that version; 0: of any.
func (r *Repository) expect(workspace, id string, version int64) (index int, err error) {
	i := r.find(workspace, id)
	if i < 0 {
		return i, errs(r.Err, subscription.ErrNotFound)
	}
	if version != 0 && version != r.webhooks[i].Version {
		return i, subscription.ErrVersion
	}
	return i, nil
}

// hide keeps the names of headers only.
func hide(headers []event.Header) []event.Header {
	hidden := slices.Clone(headers)
	for i := range hidden {
		hidden[i][1] = "***"
	}
	return hidden
}

// patched is headers after p, by name.
func patched(headers []event.Header, p *subscription.Patch) []event.Header {
	after := map[string]event.Header{}
	if !p.ClearHeaders {
		for _, h := range headers {
			after[strings.ToLower(h[0])] = h
		}
	}
	for name, value := range p.Headers {
		if value == nil {
			delete(after, strings.ToLower(name))
			continue
		}
		after[strings.ToLower(name)] = event.Header{name, "***"}
	}
	return slices.SortedFunc(maps.Values(after), func(a, b event.Header) int { return strings.Compare(a[0], b[0]) })
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Delete implements subscription.Repository.
func (r *Repository) Delete(_ context.Context, actor subscription.Actor, workspace, id string, ifVersion int64) (subscription.Webhook, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.expect(workspace, id, ifVersion)
	if err != nil {
		return subscription.Webhook{}, err
	}
	w := r.webhooks[i]
	r.webhooks = slices.Delete(r.webhooks, i, i+1)
	r.note(actor, workspace, "webhook.delete", id)
	return w, r.Err
}

// Reveal implements subscription.Repository.
func (r *Repository) Reveal(_ context.Context, actor subscription.Actor, workspace, id string) (subscription.Secrets, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(workspace, id) < 0 {
		return subscription.Secrets{}, errs(r.Err, subscription.ErrNotFound)
	}
	r.note(actor, workspace, "secret.reveal", id)
	return r.secrets[id], r.Err
}

// Rotate implements subscription.Repository.
func (r *Repository) Rotate(_ context.Context, actor subscription.Actor, workspace, id string, overlap time.Duration, ifVersion int64) (subscription.Secrets, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.expect(workspace, id, ifVersion)
	if err != nil {
		return subscription.Secrets{}, err
	}
	r.webhooks[i].Version++
	if overlap < 0 {
		overlap = 24 * time.Hour
	}
	r.seq++
	s := subscription.Secrets{
		Current: fanout.Secret(Secret(1000 + r.seq)), Previous: r.secrets[id].Current, PreviousExpiresAt: time.Now().Add(overlap),
	}
	r.secrets[id] = s
	r.note(actor, workspace, "secret.rotate", id)
	return s, r.Err
}

// ExpirePrevious implements subscription.Repository.
func (r *Repository) ExpirePrevious(_ context.Context, actor subscription.Actor, workspace, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(workspace, id) < 0 {
		return errs(r.Err, subscription.ErrNotFound)
	}
	r.secrets[id] = subscription.Secrets{Current: r.secrets[id].Current}
	r.note(actor, workspace, "secret.expire_previous", id)
	return r.Err
}

// errs returns the first error that is one.
func errs(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// SetFailing has a webhook fail since then.
func (r *Repository) SetFailing(id string, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.webhooks {
		if r.webhooks[i].ID == id {
			r.webhooks[i].Health, r.webhooks[i].FailingSince = subscription.HealthFailing, since
		}
	}
}
