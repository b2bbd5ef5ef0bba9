package subscription

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// idempotencyWindow is how long a create can be repeated with its key.
const idempotencyWindow = 24 * time.Hour

// Create implements Repository.
func (s *Store) Create(ctx context.Context, actor Actor, workspace string, n New, idem Idempotency) (Created, error) {
	if err := s.checkNew(workspace, &n, idem); err != nil {
		return Created{}, err
	}
	r, p := s.newRow(workspace, &n)
	if n.Disabled {
		r.DisabledReason = disabledBy(actor)
	}
	r.seal(s.keys, p)
	created := Created{Webhook: r.Webhook, Secret: fanout.Secret(p.Secret)}
	err := s.write(ctx, change{kind: changeWorkspace, workspace: workspace, target: r.ID}, func(tx *sqldb.Tx) (bool, error) {
		first, err := s.claim(ctx, tx, workspace, r.ID, idem)
		if err != nil {
			return false, err
		}
		if first != "" {
			created, err = s.replay(ctx, tx, actor, workspace, first)
			return false, err
		}
		if err := s.count(ctx, tx, workspace, 1); err != nil {
			return false, err
		}
		if err := r.insert(ctx, tx); err != nil {
			return false, err
		}
		return true, appendAudit(ctx, tx, actor, entry{workspace, "webhook.create", r.ID, nil, auditView(&r.Webhook)}, s.now())
	})
	if err != nil {
		return Created{}, fmt.Errorf("create webhook in %s: %w", workspace, err)
	}
	return created, nil
}

func (s *Store) checkNew(workspace string, n *New, idem Idempotency) error {
	if err := checkWorkspace(workspace); err != nil {
		return err
	}
	faults := s.cfg.check(&complete{n.URL, n.Description, n.Filter, n.EventTypes, n.MaxPerSecond, n.Headers}, nil)
	checkGiven(&faults, n, idem)
	return faults.orNil()
}

func (s *Store) newRow(workspace string, n *New) (*row, *private) {
	now := s.now()
	r := &row{Webhook: Webhook{
		ID: n.ID, WorkspaceID: workspace, Description: n.Description, EventTypes: distinct(n.EventTypes), Enabled: !n.Disabled,
		Health: HealthOK, MaxPerSecond: n.MaxPerSecond, Filter: n.Filter, CreatedAt: n.CreatedAt.UTC().Truncate(time.Millisecond),
		UpdatedAt: now, Epoch: nextEpoch(0, now), Version: 1,
	}, judgedFrom: now}
	if r.ID == "" {
		r.ID = event.NewID(event.PrefixWebhook, now)
	}
	if n.CreatedAt.IsZero() {
		r.CreatedAt = now
	}
	p := &private{URL: n.URL, Secret: string(n.Secret), Headers: n.Headers}
	if p.Secret == "" {
		p.Secret = webhook.NewSecret()
	}
	return r, p
}

// claim takes the idempotency key for target, or returns what the key created before. Of two that come at once, the
// second waits for the first one's transaction here. Without a key nothing is claimed.
func (s *Store) claim(ctx context.Context, tx *sqldb.Tx, workspace, target string, idem Idempotency) (first string, err error) {
	if idem.Key == "" {
		return "", nil
	}
	now := s.now()
	_, err = tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE workspace_id = ? AND key = ? AND expires_at <= ?`,
		workspace, idem.Key, millis(now))
	if err != nil {
		return "", fmt.Errorf("expire idempotency key: %w", err)
	}
	res, err := tx.Exec(ctx, `INSERT INTO idempotency_keys (workspace_id, key, fingerprint, target_id, expires_at)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (workspace_id, key) DO NOTHING`,
		workspace, idem.Key, idem.Fingerprint[:], target, millis(now.Add(idempotencyWindow)))
	if err != nil {
		return "", fmt.Errorf("claim idempotency key: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return "", err
	}
	var fingerprint []byte
	err = tx.QueryRow(ctx, `SELECT fingerprint, target_id FROM idempotency_keys WHERE workspace_id = ? AND key = ?`,
		workspace, idem.Key).Scan(&fingerprint, &first)
	if err != nil {
		return "", fmt.Errorf("read idempotency key: %w", err)
	}
	if subtle.ConstantTimeCompare(fingerprint, idem.Fingerprint[:]) != 1 {
		return "", ErrIdempotency
	}
	return first, nil
}

// replay answers with what the first request created, as it is now. The audit log notes it: it reveals the secret.
func (s *Store) replay(ctx context.Context, tx *sqldb.Tx, actor Actor, workspace, id string) (Created, error) {
	r, err := load(ctx, tx, workspace, id)
	if errors.Is(err, ErrNotFound) {
		return Created{}, fmt.Errorf("webhook %s was deleted since: %w", id, ErrIdempotency)
	}
	if err != nil {
		return Created{}, err
	}
	p, err := r.unseal(s.keys)
	if err != nil {
		return Created{}, err
	}
	if err := appendAudit(ctx, tx, actor, entry{workspace, actionReveal, id, nil, nil}, s.now()); err != nil {
		return Created{}, err
	}
	return Created{Webhook: r.Webhook, Secret: fanout.Secret(p.Secret), Replayed: true}, nil
}

// count adds n to the number of the workspace's webhooks. Its row stays locked until the end of tx, so that two creates
// cannot pass the limit together.
func (s *Store) count(ctx context.Context, tx *sqldb.Tx, workspace string, n int) error {
	var webhooks, limit int
	err := tx.QueryRow(ctx, `INSERT INTO workspaces (id, webhooks, updated_at) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET webhooks = workspaces.webhooks + excluded.webhooks
		RETURNING webhooks, max_webhooks`, workspace, n, millis(s.now())).Scan(&webhooks, &limit)
	if err != nil {
		return fmt.Errorf("count webhooks of %s: %w", workspace, err)
	}
	if limit == 0 {
		limit = s.cfg.MaxWebhooks
	}
	if n > 0 && webhooks > limit {
		return fmt.Errorf("%w: %d are allowed", ErrLimit, limit)
	}
	return nil
}

// Delete implements Repository.
func (s *Store) Delete(ctx context.Context, actor Actor, workspace, id string, ifVersion int64) (Webhook, error) {
	var gone Webhook
	err := s.write(ctx, change{kind: changeWorkspace, workspace: workspace, target: id}, func(tx *sqldb.Tx) (bool, error) {
		if err := lockWorkspace(ctx, tx, workspace); err != nil {
			return false, err
		}
		r, err := load(ctx, tx, workspace, id)
		if err != nil {
			return false, err
		}
		if ifVersion != 0 && r.Version != ifVersion {
			return false, fmt.Errorf("webhook %s: %w", id, ErrVersion)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM webhooks WHERE workspace_id = ? AND id = ?`, workspace, id); err != nil {
			return false, fmt.Errorf("delete webhook %s: %w", id, err)
		}
		if err := s.count(ctx, tx, workspace, -1); err != nil {
			return false, err
		}
		gone = r.shown(s.keys)
		now := s.now()
		gone.Epoch = nextEpoch(r.Epoch, now)
		if err := owe(ctx, tx, []Debt{cancelOf(&gone, event.CauseDeleted, now)}, now); err != nil {
			return false, err
		}
		return true, appendAudit(ctx, tx, actor, entry{workspace, "webhook.delete", id, auditView(&gone), nil}, now)
	})
	return gone, err
}

// lockWorkspace takes the locks in the order of Create: workspace, then webhook.
func lockWorkspace(ctx context.Context, tx *sqldb.Tx, workspace string) error {
	if !isText(workspace) {
		return ErrNotFound // PostgreSQL would call it a fault
	}
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM workspaces WHERE id = ?`+lockRow(tx), workspace).Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("lock workspace %s: %w", workspace, err)
	}
	return nil
}
