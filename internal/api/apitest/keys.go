package apitest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/subscription"
)

// Workspaces implements subscription.Repository.
func (r *Repository) Workspaces(_ context.Context, page subscription.Page) (subscription.List[subscription.Workspace], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[string]subscription.Workspace{}
	maps.Copy(counts, r.workspaces)
	for _, hook := range r.webhooks {
		w := counts[hook.WorkspaceID]
		w.ID = hook.WorkspaceID
		w.Webhooks++
		counts[w.ID] = w
	}
	var all []subscription.Workspace
	for _, w := range counts {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b subscription.Workspace) int { return cmp.Compare(a.ID, b.ID) })
	items, next, err := part(all, page.Limit, page.Cursor)
	return subscription.List[subscription.Workspace]{Items: items, Next: next}, errs(r.Err, err)
}

// UpdateWorkspace implements subscription.Repository.
func (r *Repository) UpdateWorkspace(_ context.Context, actor subscription.Actor, workspace string, p subscription.WorkspacePatch) (subscription.Workspace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.workspaces[workspace]
	w.ID, w.UpdatedAt = workspace, time.Now()
	set(&w.Suspended, p.Suspended)
	set(&w.MaxPerSecond, p.MaxPerSecond)
	set(&w.MaxWebhooks, p.MaxWebhooks)
	if r.workspaces == nil {
		r.workspaces = map[string]subscription.Workspace{}
	}
	r.workspaces[workspace] = w
	r.note(actor, workspace, "workspace.update", workspace)
	return w, r.Err
}

// CreateAPIKey implements subscription.Repository.
func (r *Repository) CreateAPIKey(_ context.Context, actor subscription.Actor, workspace string, n subscription.NewAPIKey) (subscription.APIKey, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if once := n.Idempotency.Key; once != "" {
		if r.shown[workspace+once] {
			return subscription.APIKey{}, "", subscription.ErrKeyShown
		}
		if r.shown == nil {
			r.shown = map[string]bool{}
		}
		r.shown[workspace+once] = true
	}
	r.seq++
	k := subscription.APIKey{
		ID: fmt.Sprintf("key_%026d", r.seq), WorkspaceID: workspace, Name: n.Name, Scopes: n.Scopes,
		CreatedAt: time.Now(), ExpiresAt: n.ExpiresAt,
	}
	if len(k.Scopes) == 0 {
		k.Scopes = []subscription.Scope{subscription.ScopeRead, subscription.ScopeWrite, subscription.ScopeReplay}
	}
	if r.keys == nil {
		r.keys = map[string]subscription.APIKey{}
	}
	text := k.ID + "_secret"
	r.keys[text] = k
	r.note(actor, workspace, "api_key.create", k.ID)
	return k, text, r.Err
}

// APIKeys implements subscription.Repository.
func (r *Repository) APIKeys(_ context.Context, workspace string, page subscription.Page) (subscription.List[subscription.APIKey], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []subscription.APIKey
	for _, k := range r.keys {
		if k.WorkspaceID == workspace {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b subscription.APIKey) int { return cmp.Compare(b.ID, a.ID) })
	items, next, err := part(all, page.Limit, page.Cursor)
	return subscription.List[subscription.APIKey]{Items: items, Next: next}, errs(r.Err, err)
}

// RevokeAPIKey implements subscription.Repository.
func (r *Repository) RevokeAPIKey(_ context.Context, actor subscription.Actor, workspace, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text, k := range r.keys {
		if k.ID == id && k.WorkspaceID == workspace {
			delete(r.keys, text)
			r.note(actor, workspace, "api_key.revoke", id)
			return r.Err
		}
	}
	return errs(r.Err, subscription.ErrNotFound)
}

// Authenticate implements subscription.Repository.
func (r *Repository) Authenticate(_ context.Context, text string) (subscription.APIKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[text]; ok {
		return k, r.Err
	}
	return subscription.APIKey{}, errs(r.Err, subscription.ErrKey)
}

// AuditLog implements subscription.Repository.
func (r *Repository) AuditLog(_ context.Context, workspace string, page subscription.Page) (subscription.List[subscription.AuditEntry], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []subscription.AuditEntry
	for _, e := range slices.Backward(r.audit) {
		if e.WorkspaceID == workspace {
			all = append(all, e)
		}
	}
	items, next, err := part(all, page.Limit, page.Cursor)
	return subscription.List[subscription.AuditEntry]{Items: items, Next: next}, errs(r.Err, err)
}

// part is one page of all; the cursor is an index. A bad one is refused as subscription refuses it.
func part[T any](all []T, limit int, cursor string) (items []T, next string, err error) {
	from := 0
	if cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil || from < 0 || from > len(all) {
			return nil, "", subscription.Invalid{{Location: "query.cursor", Message: "not a cursor of this list"}}
		}
	}
	if limit <= 0 {
		limit = 50
	}
	to := min(from+limit, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}
