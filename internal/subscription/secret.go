package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// Overlaps of a rotation.
const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour
)

// actionReveal is what the audit log says whenever somebody is shown a secret.
const actionReveal = "webhook.secret.reveal"

// Reveal implements Repository.
func (s *Store) Reveal(ctx context.Context, actor Actor, workspace, id string) (Secrets, error) {
	var found Secrets
	err := s.db.Tx(ctx, func(tx *sqldb.Tx) error {
		r, err := load(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		p, err := r.unseal(s.keys)
		if err != nil {
			return err
		}
		now := s.now()
		found = p.secrets(r.previousExpires, now)
		return appendAudit(ctx, tx, actor, entry{workspace, actionReveal, id, nil, nil}, now)
	})
	if err != nil {
		return Secrets{}, fmt.Errorf("reveal secret: %w", err)
	}
	return found, nil
}

// Rotate implements Repository.
func (s *Store) Rotate(ctx context.Context, actor Actor, workspace, id string, overlap time.Duration, ifVersion int64) (Secrets, error) {
	if overlap < 0 {
		overlap = defaultOverlap
	}
	if overlap > maxOverlap {
		return Secrets{}, Invalid{{"body.overlap_seconds", fmt.Sprintf("want at most %d", int(maxOverlap.Seconds())), int64(overlap.Seconds())}}
	}
	var found Secrets
	err := s.change(ctx, actor, "webhook.secret.rotate", workspace, id, func(r *row) error {
		if err := r.expect(ifVersion); err != nil {
			return err
		}
		p, err := r.unseal(s.keys)
		if err != nil {
			return err
		}
		now := s.now()
		p.Previous, p.Secret, r.previousExpires = p.Secret, webhook.NewSecret(), now.Add(overlap)
		if overlap == 0 {
			p.Previous, r.previousExpires = "", time.Time{}
		}
		found = p.secrets(r.previousExpires, now)
		r.seal(s.keys, p)
		return nil
	}, nil)
	if err != nil {
		return Secrets{}, fmt.Errorf("rotate secret: %w", err)
	}
	return found, nil
}

// ExpirePrevious implements Repository.
func (s *Store) ExpirePrevious(ctx context.Context, actor Actor, workspace, id string) error {
	err := s.change(ctx, actor, "webhook.secret.expire_previous", workspace, id, func(r *row) error {
		p, err := r.unseal(s.keys)
		if err != nil || p.Previous == "" {
			return err
		}
		p.Previous, r.previousExpires = "", time.Time{}
		r.seal(s.keys, p)
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("expire previous secret: %w", err)
	}
	return nil
}

// resealBatch is how many webhooks one transaction of Reseal moves.
const resealBatch = 100

// Reseal seals everything that an older key sealed by the newest one, and returns how many webhooks it moved. Deliveries
// go on meanwhile. It changes nothing that anyone sees, so it stands neither in the feed nor in the audit log. What Redis
// has under the old key is used while that key is configured; after that SQL is asked until the entries end.
func (s *Store) Reseal(ctx context.Context) (moved int, err error) {
	for {
		n := 0
		err := s.db.Tx(ctx, func(tx *sqldb.Tx) error {
			rows, err := s.oldestSealed(ctx, tx)
			n = len(rows)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if err := s.reseal(ctx, tx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return moved, fmt.Errorf("reseal, after %d webhooks: %w", moved, err)
		}
		if moved += n; n == 0 {
			return moved, nil
		}
	}
}

func (s *Store) oldestSealed(ctx context.Context, tx *sqldb.Tx) ([]*row, error) {
	return readRows(ctx, tx, `SELECT `+rowColumns+` FROM webhooks WHERE sealed_by <> ? ORDER BY workspace_id, id LIMIT ?`+lockRow(tx),
		s.keys.newestID(), resealBatch)
}

func (s *Store) reseal(ctx context.Context, tx *sqldb.Tx, r *row) error {
	p, err := r.unseal(s.keys)
	if err != nil {
		return err
	}
	if p.Previous != "" && !s.now().Before(r.previousExpires) {
		p.Previous, r.previousExpires = "", time.Time{} // no need to carry it on
	}
	r.seal(s.keys, p)
	return r.update(ctx, tx)
}
