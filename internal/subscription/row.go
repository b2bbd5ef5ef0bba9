package subscription

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// row is a webhook as its table has it. Webhook.URL is without credentials until unseal fills in the whole one.
type row struct {
	Webhook
	previousExpires time.Time
	sealed          []byte
	sealedBy        string
	judgedFrom      time.Time // attempts before do not count when its deliveries are judged
	newHeaders      bool      // a header or a header's value is another one, while that is being noted; not stored
	goneBy          string    // the delivery that was answered 410, while that is being noted; not stored
}

const rowColumns = `workspace_id, id, url, description, event_types, enabled, disabled_reason, health, failing_since,
	max_per_second, filter, header_names, previous_expires_at, sealed, sealed_by, epoch, version, created_at, updated_at,
	judged_from`

type scanner interface{ Scan(dest ...any) error }

// scan reads rowColumns, after what before takes.
func (r *row) scan(from scanner, before ...any) error {
	var types, headers string
	var failing, previous, created, updated, judged int64
	err := from.Scan(append(before, &r.WorkspaceID, &r.ID, &r.URL, &r.Description, &types, &r.Enabled, &r.DisabledReason,
		&r.Health, &failing, &r.MaxPerSecond, &r.Filter, &headers, &previous, &r.sealed, &r.sealedBy, &r.Epoch, &r.Version,
		&created, &updated, &judged)...)
	if err != nil {
		return err
	}
	r.FailingSince, r.previousExpires = fromMillis(failing), fromMillis(previous)
	r.CreatedAt, r.UpdatedAt, r.judgedFrom = fromMillis(created), fromMillis(updated), fromMillis(judged)
	var headerNames []string
	if err := errors.Join(json.Unmarshal([]byte(types), &r.EventTypes), json.Unmarshal([]byte(headers), &headerNames)); err != nil {
		return fmt.Errorf("webhook %s: %w", r.ID, err)
	}
	r.Headers = make([]event.Header, 0, len(headerNames))
	for _, name := range headerNames {
		r.Headers = append(r.Headers, event.Header{name, "***"})
	}
	return nil
}

// values is a webhook's row in the order of rowColumns.
func (r *row) values() []any {
	headerNames := make([]string, 0, len(r.Headers))
	for _, h := range r.Headers {
		headerNames = append(headerNames, h[0])
	}
	return []any{r.WorkspaceID, r.ID, publicURL(r.URL), r.Description, jsonText(r.EventTypes), r.Enabled,
		string(r.DisabledReason), string(r.Health), millis(r.FailingSince), r.MaxPerSecond, r.Filter, jsonText(headerNames),
		millis(r.previousExpires), r.sealed, r.sealedBy, r.Epoch, r.Version, millis(r.CreatedAt), millis(r.UpdatedAt),
		millis(r.judgedFrom)}
}

func jsonText(list []string) string {
	if list == nil {
		list = []string{}
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(text)
}

// seal puts p into the row.
func (r *row) seal(keys *Keyring, p *private) {
	r.sealed, r.sealedBy = keys.sealPrivate(r.WorkspaceID, r.ID, p), keys.newestID()
	r.URL, r.Headers = p.URL, names(p.Headers)
}

// unseal opens the row's private part and completes the URL.
func (r *row) unseal(keys *Keyring) (*private, error) {
	p, err := keys.openPrivate(r.WorkspaceID, r.ID, r.sealed)
	if err != nil {
		return nil, err
	}
	r.URL = p.URL
	return p, nil
}

// shown is the webhook for its owner. One that cannot be opened is still shown, with its URL as the table has it.
func (r *row) shown(keys *Keyring) Webhook {
	_, _ = r.unseal(keys)
	return r.Webhook
}

// load reads one webhook, to be changed in tx.
func load(ctx context.Context, tx *sqldb.Tx, workspace, id string) (*row, error) {
	return readRow(ctx, tx, workspace, id, lockRow(tx))
}

// read reads one webhook.
func read(ctx context.Context, q sqldb.Querier, workspace, id string) (*row, error) {
	return readRow(ctx, q, workspace, id, "")
}

func readRow(ctx context.Context, q sqldb.Querier, workspace, id, lock string) (*row, error) {
	r := &row{}
	if !isText(workspace) || !isText(id) {
		return nil, fmt.Errorf("webhook: %w", ErrNotFound) // PostgreSQL would call it a fault
	}
	err := r.scan(q.QueryRow(ctx, `SELECT `+rowColumns+` FROM webhooks WHERE workspace_id = ? AND id = ?`+lock, workspace, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("webhook %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read webhook %s: %w", id, err)
	}
	return r, nil
}

// readRows reads whole rows.
func readRows(ctx context.Context, q sqldb.Querier, query string, args ...any) ([]*row, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []*row
	for rows.Next() {
		r := &row{}
		if err := r.scan(rows); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

func (r *row) insert(ctx context.Context, tx *sqldb.Tx) error {
	values := r.values()
	_, err := tx.Exec(ctx, `INSERT INTO webhooks (`+rowColumns+`) VALUES `+sqldb.List(len(values)), values...)
	if sqldb.Duplicate(err) {
		return fmt.Errorf("webhook %s: %w", r.ID, ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("insert webhook %s: %w", r.ID, err)
	}
	return nil
}

// update writes everything but the key columns back.
func (r *row) update(ctx context.Context, tx *sqldb.Tx) error {
	const query = `UPDATE webhooks SET url = ?, description = ?, event_types = ?, enabled = ?, disabled_reason = ?, health = ?,
		failing_since = ?, max_per_second = ?, filter = ?, header_names = ?, previous_expires_at = ?, sealed = ?, sealed_by = ?,
		epoch = ?, version = ?, created_at = ?, updated_at = ?, judged_from = ? WHERE workspace_id = ? AND id = ?`
	values := r.values()
	if _, err := tx.Exec(ctx, query, append(values[2:], r.WorkspaceID, r.ID)...); err != nil {
		return fmt.Errorf("update webhook %s: %w", r.ID, err)
	}
	return nil
}

// nextEpoch is the epoch that a webhook gets now: greater than before, and, being a time, also greater than that of a
// webhook that had the same id and was deleted.
func nextEpoch(before int64, now time.Time) int64 { return max(before+1, millis(now)) }
