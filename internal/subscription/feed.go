package subscription

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// feed reads the change table in commit order. It belongs to one goroutine.
type feed struct {
	store       *Store
	started     bool
	incarnation string
	last        int64 // everything up to here was seen
}

// news is what one look at the feed brought.
type news struct {
	changes []change
	// lost says that changes may have been missed (a new start, rows that were purged, another database): everything
	// before position is unknown.
	lost     bool
	position int64
	more     bool // there is more to read at once
}

const feedBatch = 1000

// poll reads what came since the last time.
func (f *feed) poll(ctx context.Context) (news, error) {
	const query = `SELECT h.seq, h.incarnation, c.seq, c.kind, c.workspace_id, c.target_id FROM change_head h
		LEFT JOIN changes c ON c.seq > ? ORDER BY c.seq LIMIT ?`
	rows, err := f.store.db.Query(ctx, query, f.last, feedBatch)
	if err != nil {
		return news{}, fmt.Errorf("poll changes: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var n news
	var incarnation string
	for rows.Next() {
		var seq sql.NullInt64
		var kind, workspace, target sql.NullString
		if err := rows.Scan(&n.position, &incarnation, &seq, &kind, &workspace, &target); err != nil {
			return news{}, fmt.Errorf("poll changes: %w", err)
		}
		if seq.Valid {
			n.changes = append(n.changes, change{seq.Int64, changeKind(kind.String), workspace.String, target.String})
		}
	}
	if err := rows.Err(); err != nil {
		return news{}, fmt.Errorf("poll changes: %w", err)
	}
	if incarnation == "" {
		return news{}, fmt.Errorf("poll changes: %w", sql.ErrNoRows)
	}
	f.judge(&n, incarnation)
	return n, nil
}

// judge finds out whether the changes follow on what was seen: their numbers have no gap.
func (f *feed) judge(n *news, incarnation string) {
	follows := f.started && incarnation == f.incarnation && n.position >= f.last
	if follows && len(n.changes) == 0 {
		follows = n.position == f.last
	}
	if follows && len(n.changes) > 0 {
		follows = n.changes[0].seq == f.last+1
	}
	f.started, f.incarnation = true, incarnation
	if !follows {
		n.lost, n.changes = true, nil
		f.last = n.position
		return
	}
	if k := len(n.changes); k > 0 {
		f.last = n.changes[k-1].seq
		n.more = f.last < n.position
	}
}

// recent returns, for each workspace that changed since the time, the last change; false when these are too many to be
// worth it.
func (s *Store) recent(ctx context.Context, since time.Time, limit int) (map[string]int64, bool, error) {
	rows, err := s.db.Query(ctx, `SELECT workspace_id, MAX(seq) FROM changes WHERE at > ? AND kind = ? GROUP BY workspace_id LIMIT ?`,
		millis(since), string(changeWorkspace), limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("read recent changes: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]int64{}
	for rows.Next() {
		var workspace string
		var seq int64
		if err := rows.Scan(&workspace, &seq); err != nil {
			return nil, false, fmt.Errorf("read recent changes: %w", err)
		}
		out[workspace] = seq
	}
	return out, len(out) <= limit, rows.Err()
}

// Purge removes what is past its use: rows of the feed that every process has read or can do without, idempotency keys,
// overrides, entries of the audit log.
func (s *Store) Purge(ctx context.Context) error {
	now := s.now()
	audited := time.Time{} // nothing is older
	if s.cfg.AuditRetention > 0 {
		audited = now.Add(-s.cfg.AuditRetention)
	}
	for _, q := range []struct {
		query  string
		before time.Time
	}{
		{`DELETE FROM changes WHERE at < ?`, now.Add(-changesKept)},
		{`DELETE FROM idempotency_keys WHERE expires_at < ?`, now},
		{`DELETE FROM overrides WHERE expires_at < ?`, now},
		{`DELETE FROM audit_log WHERE at < ?`, audited},
	} {
		if _, err := s.db.Exec(ctx, q.query, millis(q.before)); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
	}
	return nil
}

// How long things stay valid. A process that starts must know each change that an entry of Redis may be behind, so
// fences reach back twice an entry's life (clocks may differ by one life), and the table further.
const (
	cacheLife   = 15 * time.Minute
	fenceLife   = 2 * cacheLife
	changesKept = time.Hour
)
