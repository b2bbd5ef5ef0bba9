package subscription

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// How many rows one statement writes or looks up; SQLite takes 32,766 arguments.
const overrideBatch = 500

// SetOverrides implements Repository.
func (s *Store) SetOverrides(ctx context.Context, actor Actor, workspace, action string, overrides []Override, ttl time.Duration) error {
	if err := checkWorkspace(workspace); err != nil {
		return err
	}
	if len(overrides) == 0 {
		return nil
	}
	target := overrides[0].DeliveryID
	var details any = map[string]any{"chain": overrides[0].Chain}
	if len(overrides) > 1 {
		target, details = workspace, map[string]any{"deliveries": len(overrides)}
	}
	// In one order, so that two calls over the same deliveries wait for each other instead of dying together.
	sorted := slices.SortedFunc(slices.Values(overrides), func(a, b Override) int { return strings.Compare(a.DeliveryID, b.DeliveryID) })
	sorted = lowestChains(sorted)
	err := s.write(ctx, change{kind: changeOverride, workspace: workspace, target: target}, func(tx *sqldb.Tx) (bool, error) {
		expires := millis(s.now().Add(ttl))
		for part := range slices.Chunk(sorted, overrideBatch) {
			if err := upsertOverrides(ctx, tx, workspace, part, expires); err != nil {
				return false, err
			}
		}
		return true, appendAudit(ctx, tx, actor, entry{workspace, action, target, nil, details}, s.now())
	})
	if err != nil {
		return fmt.Errorf("%s in %s: %w", action, workspace, err)
	}
	return nil
}

// lowestChains keeps of several overrides of one delivery the highest: a statement must not touch a row twice.
func lowestChains(sorted []Override) []Override {
	out := sorted[:0:0]
	for _, o := range sorted {
		if n := len(out); n > 0 && out[n-1].DeliveryID == o.DeliveryID {
			out[n-1].Chain = max(out[n-1].Chain, o.Chain)
			continue
		}
		out = append(out, o)
	}
	return out
}

// upsertOverrides never touches the row of another workspace.
func upsertOverrides(ctx context.Context, tx *sqldb.Tx, workspace string, part []Override, expires int64) error {
	args := make([]any, 0, 4*len(part))
	for _, o := range part {
		args = append(args, o.DeliveryID, workspace, o.Chain, expires)
	}
	_, err := tx.Exec(ctx, `INSERT INTO overrides (delivery_id, workspace_id, chain, expires_at) VALUES `+sqldb.Rows(len(part), 4)+`
		ON CONFLICT (delivery_id) DO UPDATE SET
			chain = CASE WHEN excluded.chain > overrides.chain THEN excluded.chain ELSE overrides.chain END,
			expires_at = CASE WHEN excluded.expires_at > overrides.expires_at THEN excluded.expires_at ELSE overrides.expires_at END
		WHERE overrides.workspace_id = excluded.workspace_id`, args...)
	if err != nil {
		return fmt.Errorf("write overrides: %w", err)
	}
	return nil
}

// lookupOverrides returns the lowest valid chain of those deliveries that have one.
func (s *Store) lookupOverrides(ctx context.Context, ids []string) (map[string]int, error) {
	found := map[string]int{}
	now := millis(s.now())
	for part := range slices.Chunk(ids, overrideBatch) {
		if err := s.lookupPart(ctx, part, now, found); err != nil {
			return nil, fmt.Errorf("look up overrides: %w", err)
		}
	}
	return found, nil
}

func (s *Store) lookupPart(ctx context.Context, part []string, now int64, found map[string]int) error {
	args := make([]any, 0, len(part)+1)
	for _, id := range part {
		args = append(args, id)
	}
	rows, err := s.db.Query(ctx, `SELECT delivery_id, chain FROM overrides WHERE delivery_id IN `+sqldb.List(len(part))+
		` AND expires_at > ?`, append(args, now)...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var chain int
		if err := rows.Scan(&id, &chain); err != nil {
			return err
		}
		found[id] = chain
	}
	return rows.Err()
}
