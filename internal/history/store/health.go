package store

import (
	"context"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// healthQuery selects health with the first failure since the last success, which one look into the index of failures
// finds.
const healthQuery = `SELECT workspace_id, webhook_id, last_success, last_failure, last_attempt, CASE
	WHEN last_failure <= last_success THEN 0 ELSE COALESCE((
		SELECT a.started_at FROM history_attempts a
		WHERE a.workspace_id = history_health.workspace_id AND a.webhook_id = history_health.webhook_id
		AND a.started_at > history_health.last_success AND a.status = 'failed' AND a.trigger_kind <> 'test'
		ORDER BY a.started_at LIMIT 1), last_failure) END AS failing_since FROM history_health `

// Health implements Reader.
func (s *Store) Health(ctx context.Context, workspaceID string, webhookIDs []string) (map[string]Health, error) {
	byID := make(map[string]Health, len(webhookIDs))
	if len(webhookIDs) == 0 {
		return byID, nil
	}
	cleaned := make([]string, len(webhookIDs))
	for i, id := range webhookIDs {
		cleaned[i] = clean(id)
	}
	in, arg := among(s.db.Dialect(), "webhook_id", cleaned)
	list, err := readHealth(ctx, s.db, healthQuery+"WHERE workspace_id = ? AND "+in, clean(workspaceID), arg)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		byID[h.WebhookID] = h
	}
	return byID, nil
}

// Failing implements Reader.
func (s *Store) Failing(ctx context.Context, before time.Time, after Health, limit int) ([]Health, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: limit must be at least 1", ErrQuery)
	}
	at := before.UnixMilli()
	return readHealth(ctx, s.db, `SELECT * FROM (`+healthQuery+`WHERE last_failure > last_success AND last_success < ?
		AND (workspace_id, webhook_id) > (?, ?)) streaks WHERE failing_since <= ?
		ORDER BY workspace_id, webhook_id LIMIT ?`, at, clean(after.WorkspaceID), clean(after.WebhookID), at, limit)
}

func readHealth(ctx context.Context, q sqldb.Querier, query string, args ...any) ([]Health, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read webhook health: %w", err)
	}
	type streak struct {
		healthRow
		since int64
	}
	list, err := collect(rows, func(r *streak) []any {
		return []any{&r.workspace, &r.webhook, &r.lastSuccess, &r.lastFailure, &r.lastTry, &r.since}
	})
	if err != nil {
		return nil, fmt.Errorf("read webhook health: %w", err)
	}
	found := make([]Health, len(list))
	for i, r := range list {
		found[i] = Health{
			WorkspaceID: r.workspace, WebhookID: r.webhook, LastSuccess: instant(r.lastSuccess),
			LastFailure: instant(r.lastFailure), LastAttempt: instant(r.lastTry), FailingSince: instant(r.since),
		}
	}
	return found, nil
}
