package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// Failing implements Reader.
func (s *Store) Failing(ctx context.Context, after Touched, limit int) ([]Touched, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: limit must be at least 1", ErrQuery)
	}
	rows, err := s.db.Query(ctx, `SELECT touched_at, workspace_id, webhook_id FROM history_health
		WHERE last_failure > last_success AND (touched_at, workspace_id, webhook_id) > (?, ?, ?)
		ORDER BY touched_at, workspace_id, webhook_id LIMIT ?`,
		millis(after.At), clean(after.WorkspaceID), clean(after.WebhookID), limit)
	if err != nil {
		return nil, fmt.Errorf("read failing webhooks: %w", err)
	}
	type touch struct {
		webhookKey
		at int64
	}
	list, err := collect(rows, func(r *touch) []any { return []any{&r.at, &r.workspace, &r.webhook} })
	if err != nil {
		return nil, fmt.Errorf("read failing webhooks: %w", err)
	}
	found := make([]Touched, len(list))
	for i, r := range list {
		found[i] = Touched{At: instant(r.at), WorkspaceID: r.workspace, WebhookID: r.webhook}
	}
	return found, nil
}

// healthQuery selects health, with the first failure after the last success and the time from which attempts count, which
// one look into the index of failures finds, if there can be one. The failed request itself may be gone from history, for a successful one of
// the same attempt.
const healthQuery = `SELECT n, h.workspace_id, h.webhook_id, last_success, last_failure, last_attempt,
	CASE WHEN last_failure <= last_success OR last_failure <= since THEN 0 ELSE COALESCE((
		SELECT a.started_at FROM history_attempts a
		WHERE a.workspace_id = h.workspace_id AND a.webhook_id = h.webhook_id AND a.started_at > h.last_success
		AND a.started_at > since AND a.status = 'failed' AND a.trigger_kind <> 'test'
		ORDER BY a.started_at LIMIT 1), last_failure) END
	FROM `

// Health implements Reader.
func (s *Store) Health(ctx context.Context, asked []Asked) ([]Health, error) {
	found := make([]Health, len(asked))
	if len(asked) == 0 {
		return found, nil
	}
	from, args, err := askedFor(s.db.Dialect(), asked)
	if err != nil {
		return nil, fmt.Errorf("read webhook health: %w", err)
	}
	rows, err := s.db.Query(ctx, healthQuery+from, args...)
	if err != nil {
		return nil, fmt.Errorf("read webhook health: %w", err)
	}
	type streak struct {
		healthRow
		n, since int64
	}
	list, err := collect(rows, func(r *streak) []any {
		return []any{&r.n, &r.workspace, &r.webhook, &r.lastSuccess, &r.lastFailure, &r.lastTry, &r.since}
	})
	if err != nil {
		return nil, fmt.Errorf("read webhook health: %w", err)
	}
	for _, r := range list {
		found[r.n] = Health{
			WorkspaceID: r.workspace, WebhookID: r.webhook, LastSuccess: instant(r.lastSuccess),
			LastFailure: instant(r.lastFailure), LastAttempt: instant(r.lastTry), FailingSince: instant(r.since),
		}
	}
	return found, nil
}

// askedFor is what asked becomes in a FROM clause: rows of n (from 0), workspace, webhook and since, joined with h.
func askedFor(d sqldb.Dialect, asked []Asked) (from string, args []any, err error) {
	if d == sqldb.SQLite {
		list := make([][3]any, len(asked))
		for i, a := range asked {
			list[i] = [3]any{clean(a.WorkspaceID), clean(a.WebhookID), a.since()}
		}
		text, err := json.Marshal(list)
		return `(SELECT key AS n, json_extract(value, '$[0]') AS workspace, json_extract(value, '$[1]') AS webhook,
			json_extract(value, '$[2]') AS since FROM json_each(?)) asked
			CROSS JOIN history_health h ON h.workspace_id = workspace AND h.webhook_id = webhook`, []any{string(text)}, err
	}
	workspaces, webhooks, since := make([]string, len(asked)), make([]string, len(asked)), make([]int64, len(asked))
	numbers := make([]int64, len(asked))
	for i, a := range asked {
		workspaces[i], webhooks[i], since[i], numbers[i] = clean(a.WorkspaceID), clean(a.WebhookID), a.since(), int64(i)
	}
	return `unnest(?::bigint[], ?::text[], ?::text[], ?::bigint[]) AS asked (n, workspace, webhook, since)
		JOIN history_health h ON h.workspace_id = workspace AND h.webhook_id = webhook`,
		[]any{numbers, workspaces, webhooks, since}, nil
}
