package store

import (
	"context"
	"fmt"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// deliveryListRow is a delivery with the number of its attempts.
type deliveryListRow struct {
	deliveryRow
	attempts int64
}

// Deliveries implements Reader.
func (s *Store) Deliveries(ctx context.Context, q DeliveryQuery) (List[Delivery], error) {
	var list List[Delivery]
	asked, from, err := q.page(deliveryList)
	if err != nil {
		return list, err
	}
	w := newWhere(q.WorkspaceID)
	anyOf(w, "webhook_id", q.WebhookIDs)
	anyOf(w, "id", q.DeliveryIDs)
	w.occurrences("occurrence IN (%s)", q.WorkspaceID, q.EventIDs, q.SessionIDs)
	anyOf(w, "event", q.Events)
	w.statuses(q.Statuses)
	w.implied(q.Statuses)
	w.ids("id", event.PrefixDelivery, q.Since, q.Until)
	if w.err != nil {
		return list, w.err
	}
	if from.id != "" {
		w.add("id < ?", from.id)
	}
	w.args = append(w.args, asked)
	rows, err := listDeliveries(ctx, s.db, w.String()+" ORDER BY id DESC LIMIT ?", w.args...)
	if err != nil {
		return list, err
	}
	return listOf(rows, asked, (*deliveryListRow).view, func(r *deliveryListRow) cursor {
		return cursor{kind: deliveryList, id: r.id}
	}), nil
}

// implied adds what follows from the statuses asked for and is the condition of an index over few rows.
func (w *where) implied(statuses []event.Status) {
	if len(statuses) == 0 {
		return
	}
	open, missed := true, true
	for _, s := range statuses {
		open = open && s == event.Pending
		missed = missed && (s == event.Failed || s == event.Cancelled)
	}
	if open {
		w.add("base_status = 'pending'")
	}
	if missed {
		w.add("status IN ('failed', 'cancelled')")
	}
}

func listDeliveries(ctx context.Context, q sqldb.Querier, where string, args ...any) ([]deliveryListRow, error) {
	rows, err := q.Query(ctx, "SELECT "+deliveryTable.list+
		", (SELECT count(*) FROM history_attempts a WHERE a.delivery_id = history_deliveries.id)"+
		" FROM history_deliveries "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	list, err := collect(rows, func(r *deliveryListRow) []any {
		fields := make([]any, 0, len(deliveryTable.columns)+1)
		for _, c := range deliveryTable.columns {
			fields = append(fields, c.at(&r.deliveryRow))
		}
		return append(fields, &r.attempts)
	})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return list, nil
}

func (r *deliveryListRow) view() Delivery {
	return Delivery{
		ID: r.id, WebhookID: r.webhook, WorkspaceID: r.workspace, EventID: r.eventID, Event: r.event,
		SessionID: r.session, Occurrence: occurrenceOf(r.occurrence), Source: r.source(), EventTimestamp: r.timestamp,
		Status: event.Status(r.status), Cause: event.Cause(r.cause), Attempts: int(r.attempts),
		Chain: int(max(r.baseChain, 1)), Made: int(r.baseAttempts), Epoch: r.epoch,
		NextAttemptAt: instant(r.nextAt), CreatedAt: instant(r.createdAt), CompletedAt: instant(r.doneAt),
	}
}

// Delivery implements Reader.
func (s *Store) Delivery(ctx context.Context, workspaceID, deliveryID string) (*DeliveryDetail, error) {
	var detail *DeliveryDetail
	err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
		rows, err := listDeliveries(ctx, tx, "WHERE id = ? AND workspace_id = ?", clean(deliveryID), clean(workspaceID))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("delivery: %w", ErrNotFound)
		}
		attempts, err := listAttempts(ctx, tx, 0, "WHERE delivery_id = ? AND workspace_id = ? ORDER BY started_at, id",
			rows[0].id, rows[0].workspace)
		if err != nil {
			return err
		}
		detail = &DeliveryDetail{Delivery: rows[0].view(), History: make([]Attempt, len(attempts))}
		for i := range attempts {
			detail.History[i] = attempts[i].view()
		}
		return nil
	})
	return detail, err
}
