package subscription

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

const workspaceColumns = `id, suspended, max_per_second, max_webhooks, webhooks, updated_at`

func (w *Workspace) scan(from scanner) error {
	var updated int64
	err := from.Scan(&w.ID, &w.Suspended, &w.MaxPerSecond, &w.MaxWebhooks, &w.Webhooks, &updated)
	w.UpdatedAt = fromMillis(updated)
	return err
}

// Workspace implements Repository.
func (s *Store) Workspace(ctx context.Context, workspace string) (Workspace, error) {
	return readWorkspace(ctx, s.db, workspace, "")
}

func readWorkspace(ctx context.Context, q sqldb.Querier, workspace, lock string) (Workspace, error) {
	if err := checkWorkspace(workspace); err != nil {
		return Workspace{}, err
	}
	w := Workspace{}
	err := w.scan(q.QueryRow(ctx, `SELECT `+workspaceColumns+` FROM workspaces WHERE id = ?`+lock, workspace))
	if errors.Is(err, sql.ErrNoRows) {
		return Workspace{ID: workspace}, nil
	}
	if err != nil {
		return Workspace{}, fmt.Errorf("read workspace %s: %w", workspace, err)
	}
	return w, nil
}

// Workspaces implements Repository. Its cursor is the last id, in the form of the other lists.
func (s *Store) Workspaces(ctx context.Context, page Page) (List[Workspace], error) {
	from, err := parseCursor(page.Cursor)
	if err != nil {
		return List[Workspace]{}, err
	}
	limit := page.limit()
	rows, err := s.db.Query(ctx, `SELECT `+workspaceColumns+` FROM workspaces WHERE id > ? ORDER BY id LIMIT ?`, from.id, limit+1)
	if err != nil {
		return List[Workspace]{}, fmt.Errorf("list workspaces: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list := List[Workspace]{Items: []Workspace{}}
	for rows.Next() {
		var w Workspace
		if err := w.scan(rows); err != nil {
			return List[Workspace]{}, fmt.Errorf("list workspaces: %w", err)
		}
		if len(list.Items) == limit {
			list.Next = cursor{0, list.Items[limit-1].ID}.String()
			break
		}
		list.Items = append(list.Items, w)
	}
	if err := rows.Err(); err != nil {
		return List[Workspace]{}, fmt.Errorf("list workspaces: %w", err)
	}
	return list, nil
}

// UpdateWorkspace implements Repository.
func (s *Store) UpdateWorkspace(ctx context.Context, actor Actor, workspace string, p WorkspacePatch) (Workspace, error) {
	if err := checkSettings(workspace, &p); err != nil {
		return Workspace{}, err
	}
	var after Workspace
	err := s.write(ctx, change{kind: changeWorkspace, workspace: workspace}, func(tx *sqldb.Tx) (bool, error) {
		// The row must exist to be locked: two first changes must not overwrite each other.
		_, err := tx.Exec(ctx, `INSERT INTO workspaces (id, updated_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`, workspace, millis(s.now()))
		if err != nil {
			return false, fmt.Errorf("create settings: %w", err)
		}
		before, err := readWorkspace(ctx, tx, workspace, lockRow(tx))
		if err != nil {
			return false, err
		}
		after = before
		assign(&after.Suspended, p.Suspended)
		assign(&after.MaxPerSecond, p.MaxPerSecond)
		assign(&after.MaxWebhooks, p.MaxWebhooks)
		if after == before {
			return false, nil
		}
		after.UpdatedAt = s.now()
		_, err = tx.Exec(ctx, `UPDATE workspaces SET suspended = ?, max_per_second = ?, max_webhooks = ?, updated_at = ? WHERE id = ?`,
			after.Suspended, after.MaxPerSecond, after.MaxWebhooks, millis(after.UpdatedAt), workspace)
		if err != nil {
			return false, fmt.Errorf("write settings: %w", err)
		}
		e := entry{workspace, "workspace.update", workspace, settingsView(&before), settingsView(&after)}
		return true, appendAudit(ctx, tx, actor, e, s.now())
	})
	if err != nil {
		return Workspace{}, fmt.Errorf("update workspace %s: %w", workspace, err)
	}
	return after, nil
}

func checkSettings(workspace string, p *WorkspacePatch) error {
	if err := checkWorkspace(workspace); err != nil {
		return err
	}
	var faults Invalid
	if p.MaxPerSecond != nil && *p.MaxPerSecond != 0 && !validRate(*p.MaxPerSecond) {
		faults.add("body.max_per_second", fmt.Sprintf("want a number from %g to %d, or null", minRate, maxRate), jsonNumber(*p.MaxPerSecond))
	}
	if p.MaxWebhooks != nil && (*p.MaxWebhooks < 0 || *p.MaxWebhooks > maxWebhooksLimit) {
		faults.add("body.max_webhooks", fmt.Sprintf("want a number from 1 to %d, or null", maxWebhooksLimit), *p.MaxWebhooks)
	}
	return faults.orNil()
}

// maxWebhooksLimit bounds what one entry of the cache can come to.
const maxWebhooksLimit = 100_000

func settingsView(w *Workspace) map[string]any {
	return map[string]any{"suspended": w.Suspended, "max_per_second": w.MaxPerSecond, "max_webhooks": w.MaxWebhooks}
}
