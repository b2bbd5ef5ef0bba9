package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

const maxMissed = 1000

// What is missed is read in two parts, each in the order of an index over occurrences, and put together here. A row of
// either part has the columns of missedRow.
type missedRow struct {
	identity
	origin
	delivery, status string
	chain, made      int64
	bodySize         int64
}

func (r *missedRow) fields() []any {
	return []any{
		&r.occurrence, &r.eventID, &r.event, &r.session, &r.timestamp, &r.topic, &r.partition, &r.offset,
		&r.delivery, &r.status, &r.chain, &r.made, &r.bodySize,
	}
}

const (
	missedDeliveries = ` FROM history_deliveries d JOIN history_payloads p ON p.occurrence = d.occurrence AND p.erased = 0 `

	missedDeliveryColumns = `SELECT d.occurrence, d.event_id, d.event, d.session_id, d.event_timestamp, d.source_topic,
		d.source_partition, d.source_offset, d.id, d.status, CASE WHEN d.base_chain > 0 THEN d.base_chain ELSE 1 END,
		d.base_attempts, length(p.body)`

	missedEvents = ` FROM history_events d JOIN history_payloads p ON p.occurrence = d.occurrence AND p.erased = 0 `

	missedEventColumns = `SELECT d.occurrence, d.event_id, d.event, d.session_id, d.event_timestamp, d.source_topic,
		d.source_partition, d.source_offset, '', '', 0, 0, length(p.body)`
)

// Missed implements Reader.
func (s *Store) Missed(ctx context.Context, q RecoveryQuery) ([]Missed, error) {
	if q.Limit < 1 || q.Limit > maxMissed {
		return nil, fmt.Errorf("%w: limit must be from 1 to %d", ErrQuery, maxMissed)
	}
	var rows []missedRow
	err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
		for _, part := range q.parts(tx.Dialect()) {
			part.where.args = append(part.where.args, q.Limit)
			list, err := tx.Query(ctx, part.columns+part.from+part.where.String()+" ORDER BY d.occurrence LIMIT ?",
				part.where.args...)
			if err != nil {
				return fmt.Errorf("read missed events: %w", err)
			}
			found, err := collect(list, (*missedRow).fields)
			if err != nil {
				return fmt.Errorf("read missed events: %w", err)
			}
			rows = append(rows, found...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b missedRow) int { return cmp.Compare(a.occurrence, b.occurrence) })
	rows = rows[:min(len(rows), q.Limit)]
	missed := make([]Missed, len(rows))
	for i := range rows {
		missed[i] = rows[i].view()
	}
	return missed, nil
}

func (r *missedRow) view() Missed {
	return Missed{
		Occurrence: occurrenceOf(r.occurrence), EventID: r.eventID, Event: r.event, SessionID: r.session,
		Timestamp: r.timestamp, Source: r.source(), DeliveryID: r.delivery, Status: event.Status(r.status),
		Chain: int(r.chain), Made: int(r.made), BodySize: int(r.bodySize),
	}
}

// CountMissed implements Reader.
func (s *Store) CountMissed(ctx context.Context, q RecoveryQuery) (n int, bytes int64, err error) {
	q.After = event.Occurrence{}
	err = s.db.Read(ctx, func(tx *sqldb.Tx) error {
		for _, part := range q.parts(tx.Dialect()) {
			var rows int
			var size int64
			err := tx.QueryRow(ctx, "SELECT count(*), COALESCE(sum(length(p.body)), 0)"+part.from+part.where.String(),
				part.where.args...).Scan(&rows, &size)
			if err != nil {
				return fmt.Errorf("count missed events: %w", err)
			}
			n, bytes = n+rows, bytes+size
		}
		return nil
	})
	return n, bytes, err
}

// missedPart is one select of what was missed.
type missedPart struct {
	columns, from string
	where         *where
}

func (q *RecoveryQuery) parts(d sqldb.Dialect) []missedPart {
	var parts []missedPart
	if len(q.Statuses) > 0 {
		w := q.where()
		w.add("d.webhook_id = ?", clean(q.WebhookID))
		w.add("d.status IN ('failed', 'cancelled')") // what the index holds; others are never missed
		anyOf(w, "d.status", q.Statuses)
		parts = append(parts, missedPart{missedDeliveryColumns, missedDeliveries, w})
	}
	if q.Disabled {
		w := q.where()
		position := "strpos"
		if d == sqldb.SQLite {
			position = "instr"
		}
		w.add(position+"(d.misses, ?) > 0", missText(q.WebhookID))
		w.add(`NOT EXISTS (SELECT 1 FROM history_deliveries x WHERE x.occurrence = d.occurrence AND x.webhook_id = ?)`,
			clean(q.WebhookID))
		parts = append(parts, missedPart{missedEventColumns, missedEvents, w})
	}
	return parts
}

func (q *RecoveryQuery) where() *where {
	w := &where{}
	w.add("d.workspace_id = ?", clean(q.WorkspaceID))
	w.ids("d.occurrence", "", q.Since, q.Until)
	if !q.After.IsZero() {
		w.add("d.occurrence > ?", q.After.String())
	}
	return w
}

// missText is how the event's row says that the webhook was disabled.
func missText(webhookID string) string {
	text, err := json.Marshal(event.Miss{WebhookID: webhookID, Reason: event.MissDisabled})
	if err != nil {
		panic(err) // two strings always encode
	}
	return string(text)
}
