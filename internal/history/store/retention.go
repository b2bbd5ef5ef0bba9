package store

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// pruneRows is how many rows one statement of Prune deletes: few enough to lock nobody out for long.
const pruneRows = 1000

// ruleMargin is how much longer erasures and epochs are kept than what they apply to: until a reader that lags, or a
// rebuild, cannot bring that again. The history topic keeps a day more than history does.
const ruleMargin = 48 * time.Hour

// Pruned counts the rows that were deleted.
type Pruned struct{ Events, Deliveries, Attempts, Payloads, Rules int64 }

// Prune deletes what is older than its retention, a thousand rows at a time, each in a transaction of its own. What it
// has deleted stays deleted when it fails. Several processes may prune at once.
func (s *Store) Prune(ctx context.Context) (Pruned, error) {
	var p Pruned
	now := s.cfg.Now()
	old, oldPayload := now.Add(-s.cfg.History), now.Add(-s.cfg.Payloads)
	rules := old.Add(-ruleMargin).UnixMilli()
	for _, step := range []struct {
		table, key, condition string
		bound                 any
		count                 *int64
	}{
		{"history_payloads", "occurrence", "occurrence < ?", idBound("", oldPayload), &p.Payloads},
		{"history_attempts", "id", "id < ?", idBound(event.PrefixAttempt, old), &p.Attempts},
		{"history_deliveries", "id", "id < ?", idBound(event.PrefixDelivery, old), &p.Deliveries},
		{"history_events", "occurrence", "occurrence < ?", idBound("", old), &p.Events},
		{"history_erasures", "subject, at", "at < ?", rules, &p.Rules},
		{"history_epochs", "webhook_id, workspace_id, epoch", "at < ?", rules, &p.Rules},
		{"history_health", "workspace_id, webhook_id", "last_attempt < ?", old.UnixMilli(), &p.Rules},
	} {
		n, err := s.prune(ctx, step.table, step.key, step.condition, step.bound)
		*step.count += n
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func (s *Store) prune(ctx context.Context, table, key, condition string, bound any) (total int64, err error) {
	query := fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d)",
		table, key, key, table, condition, key, pruneRows)
	for {
		var n int64
		err := s.db.Tx(ctx, func(tx *sqldb.Tx) error {
			res, err := tx.Exec(ctx, query, bound)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil {
			return total, fmt.Errorf("prune %s: %w", table, err)
		}
		if total += n; n < pruneRows {
			return total, nil
		}
	}
}

// Janitor prunes a store from time to time.
type Janitor struct {
	store *Store
	every time.Duration
	log   *zap.Logger
}

// NewJanitor returns a janitor that prunes at the start and then every so often; 0 means every 10 minutes.
func NewJanitor(s *Store, every time.Duration, log *zap.Logger) *Janitor {
	if every <= 0 {
		every = 10 * time.Minute
	}
	return &Janitor{store: s, every: every, log: log}
}

// Run prunes until ctx ends. A fault of the database is logged, and the next turn tries again.
func (j *Janitor) Run(ctx context.Context) error {
	tick := time.NewTicker(j.every)
	defer tick.Stop()
	for {
		p, err := j.store.Prune(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			j.log.Warn("history.prune failed", zap.Error(err))
		case p != Pruned{}:
			j.log.Info("history.pruned", zap.Int64("events", p.Events), zap.Int64("deliveries", p.Deliveries),
				zap.Int64("attempts", p.Attempts), zap.Int64("payloads", p.Payloads), zap.Int64("rules", p.Rules))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
