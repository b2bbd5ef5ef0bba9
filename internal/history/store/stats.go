package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

type bucketKey struct {
	webhook string
	start   int64
}

// Stats implements Reader. Buckets begin at multiples of the step since 1970 in UTC, so the first one may begin before
// Since, but counts only what happened since.
func (s *Store) Stats(ctx context.Context, q StatsQuery) ([]Bucket, error) {
	if q.Until.IsZero() {
		q.Until = s.cfg.Now()
	}
	step := q.Step.Milliseconds()
	if step < 1 || !q.Since.Before(q.Until) || q.Until.Sub(q.Since)/q.Step > MaxBuckets {
		return nil, fmt.Errorf("%w: want since before until and at most %d steps between them", ErrQuery, MaxBuckets)
	}
	buckets := map[bucketKey]*Bucket{}
	if err := s.countAttempts(ctx, q, step, buckets); err != nil {
		return nil, err
	}
	if err := s.countPending(ctx, q, step, buckets); err != nil {
		return nil, err
	}
	keys := slices.SortedFunc(maps.Keys(buckets), func(a, b bucketKey) int {
		return cmp.Or(cmp.Compare(a.webhook, b.webhook), cmp.Compare(a.start, b.start))
	})
	list := make([]Bucket, len(keys))
	for i, key := range keys {
		list[i] = *buckets[key]
	}
	return list, nil
}

func (s *Store) countAttempts(ctx context.Context, q StatsQuery, step int64, buckets map[bucketKey]*Bucket) error {
	w := newWhere(q.WorkspaceID)
	anyOf(w, "webhook_id", q.WebhookIDs)
	w.add("started_at >= ? AND started_at < ? AND trigger_kind <> 'test'", q.Since.UnixMilli(), q.Until.UnixMilli())
	return s.count(ctx, "history_attempts", "started_at", step, w, buckets)
}

// countPending counts deliveries that are pending, by the time at which they were made.
func (s *Store) countPending(ctx context.Context, q StatsQuery, step int64, buckets map[bucketKey]*Bucket) error {
	w := newWhere(q.WorkspaceID)
	anyOf(w, "webhook_id", q.WebhookIDs)
	w.add("base_status = 'pending' AND status = 'pending'")
	w.add("created_at >= ? AND created_at < ?", q.Since.UnixMilli(), q.Until.UnixMilli())
	return s.count(ctx, "history_deliveries", "created_at", step, w, buckets)
}

// count adds the numbers of rows by webhook, step of time and status.
func (s *Store) count(ctx context.Context, table, at string, step int64, w *where, buckets map[bucketKey]*Bucket) error {
	if w.err != nil {
		return w.err
	}
	// The step is a number of ours; as an argument it would make two different expressions of one.
	slot := fmt.Sprintf("%s / %d", at, step)
	rows, err := s.db.Query(ctx, "SELECT webhook_id, "+slot+", status, count(*) FROM "+table+" "+w.String()+
		" GROUP BY webhook_id, "+slot+", status", w.args...)
	if err != nil {
		return fmt.Errorf("count %s: %w", table, err)
	}
	type group struct {
		webhook string
		slot    int64
		status  string
		n       int
	}
	groups, err := collect(rows, func(g *group) []any { return []any{&g.webhook, &g.slot, &g.status, &g.n} })
	if err != nil {
		return fmt.Errorf("count %s: %w", table, err)
	}
	for _, g := range groups {
		key := bucketKey{g.webhook, g.slot * step}
		if buckets[key] == nil {
			buckets[key] = &Bucket{WebhookID: g.webhook, Start: time.UnixMilli(key.start).UTC()}
		}
		buckets[key].add(event.Status(g.status), g.n)
	}
	return nil
}

func (b *Bucket) add(status event.Status, n int) {
	switch status {
	case event.Succeeded:
		b.Succeeded += n
	case event.Failed:
		b.Failed += n
	case event.Pending:
		b.Pending += n
	case event.Cancelled:
	}
}
