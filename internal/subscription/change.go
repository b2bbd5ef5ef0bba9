package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// changeKind says what a change is about, so that a reader can pass over what it does not keep.
type changeKind string

const (
	changeWorkspace changeKind = "workspace" // webhooks or settings
	changeAPIKey    changeKind = "api_key"   // revoked
	changeOverride  changeKind = "override"
)

// change is one row of the feed.
type change struct {
	seq       int64
	kind      changeKind
	workspace string
	target    string
}

// appendChange writes the transaction's row of the feed; it is the transaction's last act.
//
// Readers take rows in the order of seq and never look back, so a row must not appear behind one that was read. A plain
// sequence breaks that: its numbers are given before the commit. Here the number comes from one row that stays locked
// until the commit, so numbers follow the order of commits and have no gap. Changes then wait for each other for the
// time of two statements and a commit; they are made by people. (The other way, reading up to the oldest open
// transaction, costs writers nothing, but any long transaction in the whole server would hold back invalidation.) A
// client that stops in between would hold the lock: PostgreSQL ends its session after lockHold.
func appendChange(ctx context.Context, tx *sqldb.Tx, c change, now time.Time) error {
	const next = `UPDATE change_head SET seq = seq + 1 WHERE one = 1 RETURNING seq`
	var err error
	if tx.Dialect() == sqldb.Postgres {
		var ignored string
		const bounded = next + `, set_config('idle_in_transaction_session_timeout', ?, true)`
		err = tx.QueryRow(ctx, bounded, fmt.Sprint(lockHold.Milliseconds())).Scan(&c.seq, &ignored)
	} else {
		err = tx.QueryRow(ctx, next).Scan(&c.seq)
	}
	if err != nil {
		return fmt.Errorf("number a change: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO changes (seq, at, kind, workspace_id, target_id) VALUES (?, ?, ?, ?, ?)`,
		c.seq, millis(now), string(c.kind), c.workspace, c.target)
	if err != nil {
		return fmt.Errorf("append change %d: %w", c.seq, err)
	}
	return nil
}

const lockHold = 5 * time.Second
