package subscription

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/sqldb"
)

// Standing is what a judgement of a webhook's deliveries starts from.
type Standing struct {
	fanout.Ref
	Enabled      bool
	Health       Health
	FailingSince time.Time // zero while Health is ok
	// From is since when its attempts count: its making, its last enabling or its last change of URL. It tells one run
	// of a webhook from the next: a judgement holds only as long as From is the same.
	From time.Time
}

const standingQuery = `SELECT workspace_id, webhooks.id, enabled, health, failing_since, judged_from FROM webhooks `

// Standings returns how those of refs stand that exist, in no order.
func (s *Store) Standings(ctx context.Context, refs []fanout.Ref) ([]Standing, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	if s.db.Dialect() == sqldb.SQLite {
		pairs := make([][2]string, len(refs))
		for i, r := range refs {
			pairs[i] = [2]string{r.WorkspaceID, r.WebhookID}
		}
		asked, err := json.Marshal(pairs)
		if err != nil {
			return nil, fmt.Errorf("read how webhooks stand: %w", err)
		}
		return readStandings(s.db.Query(ctx, standingQuery+`JOIN json_each(?) AS asked
			ON workspace_id = json_extract(asked.value, '$[0]') AND webhooks.id = json_extract(asked.value, '$[1]')`, string(asked)))
	}
	workspaces, ids := make([]string, len(refs)), make([]string, len(refs))
	for i, r := range refs {
		workspaces[i], ids[i] = r.WorkspaceID, r.WebhookID
	}
	return readStandings(s.db.Query(ctx, standingQuery+`JOIN unnest(?::text[], ?::text[]) AS asked (w, h)
		ON workspace_id = asked.w AND id = asked.h`, workspaces, ids))
}

// FailingStandings returns the next enabled webhooks, of all workspaces, whose health is failing, in the order of
// workspace and id after the given one.
func (s *Store) FailingStandings(ctx context.Context, after fanout.Ref, limit int) ([]Standing, error) {
	return readStandings(s.db.Query(ctx, standingQuery+`WHERE health = 'failing' AND enabled AND (workspace_id, id) > (?, ?)
		ORDER BY workspace_id, id LIMIT ?`, after.WorkspaceID, after.WebhookID, limit))
}

func readStandings(rows *sql.Rows, err error) ([]Standing, error) {
	if err != nil {
		return nil, fmt.Errorf("read how webhooks stand: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Standing
	for rows.Next() {
		var st Standing
		var since, from int64
		if err := rows.Scan(&st.WorkspaceID, &st.WebhookID, &st.Enabled, &st.Health, &since, &from); err != nil {
			return nil, fmt.Errorf("read how webhooks stand: %w", err)
		}
		st.FailingSince, st.From = fromMillis(since), fromMillis(from)
		all = append(all, st)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read how webhooks stand: %w", err)
	}
	return all, nil
}
