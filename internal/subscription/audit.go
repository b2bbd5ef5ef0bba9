package subscription

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

const prefixAudit = "aud_"

// entry is what appendAudit writes; before and after are anything that encodes to a JSON object, or nil.
type entry struct {
	workspace, action, target string
	before, after             any
}

func appendAudit(ctx context.Context, tx *sqldb.Tx, actor Actor, e entry, now time.Time) error {
	before, err := auditText(e.before)
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.action, err)
	}
	after, err := auditText(e.after)
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.action, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_log (workspace_id, id, at, actor_key, actor_name, actor_addr, actor_operator, action,
		target_id, before, after) VALUES `+sqldb.List(11), e.workspace, event.NewID(prefixAudit, now), millis(now),
		auditWord(actor.KeyID), auditWord(actor.Name), auditWord(actor.Addr), actor.Operator, e.action, e.target, before, after)
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.action, err)
	}
	return nil
}

func auditText(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// auditWord bounds what comes from request headers and makes it storable.
func auditWord(s string) string {
	if !isText(s) {
		return "?"
	}
	return shorten(s)
}

// auditView is what of a webhook stands in the audit log: the properties as the API shows them, without what may be a
// credential in the URL.
func auditView(w *Webhook) map[string]any {
	view := map[string]any{
		"url": publicURL(w.URL), "description": w.Description, "event_types": w.EventTypes, "enabled": w.Enabled,
		"health": string(w.Health),
	}
	optional := func(key string, set bool, value any) {
		if set {
			view[key] = value
		}
	}
	optional("disabled_reason", w.DisabledReason != "", string(w.DisabledReason))
	optional("max_per_second", w.MaxPerSecond != 0, w.MaxPerSecond)
	optional("filter", w.Filter != "", w.Filter)
	if len(w.Headers) > 0 {
		headers := map[string]string{}
		for _, h := range w.Headers {
			headers[h[0]] = h[1]
		}
		view["headers"] = headers
	}
	return view
}

// auditChange is what differs between two states of a webhook. A URL of which only a hidden part changed, and headers of
// which only values did, are in both.
func auditChange(before, after *row) (was, is any) {
	a, b := auditView(&before.Webhook), auditView(&after.Webhook)
	changed := map[string]bool{"url": before.URL != after.URL, "headers": after.newHeaders}
	for key := range b {
		old, there := a[key]
		if there && fmt.Sprint(old) == fmt.Sprint(b[key]) && !changed[key] {
			delete(a, key)
			delete(b, key)
		}
	}
	return objectOrNil(a), objectOrNil(b)
}

func objectOrNil(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Audit implements Repository.
func (s *Store) Audit(ctx context.Context, actor Actor, workspace, action, target string, details any) error {
	if err := checkWorkspace(workspace); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *sqldb.Tx) error {
		return appendAudit(ctx, tx, actor, entry{workspace, action, target, nil, details}, s.now())
	})
}

// AuditLog implements Repository.
func (s *Store) AuditLog(ctx context.Context, workspace string, page Page) (List[AuditEntry], error) {
	const query = `SELECT at, id, workspace_id, actor_key, actor_name, actor_addr, actor_operator, action, target_id, before, after
		FROM audit_log WHERE workspace_id = ? AND (at < ? OR at = ? AND id < ?) ORDER BY at DESC, id DESC LIMIT ?`
	return newest(ctx, s.db, query, workspace, page, func(from scanner) (e AuditEntry, at int64, err error) {
		var before, after string
		err = from.Scan(&at, &e.ID, &e.WorkspaceID, &e.Actor.KeyID, &e.Actor.Name, &e.Actor.Addr, &e.Actor.Operator, &e.Action,
			&e.TargetID, &before, &after)
		e.At = fromMillis(at)
		if before != "" {
			e.Before = []byte(before)
		}
		if after != "" {
			e.After = []byte(after)
		}
		return e, at, err
	}, func(e *AuditEntry) string { return e.ID })
}
