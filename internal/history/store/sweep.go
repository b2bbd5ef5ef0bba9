package store

import (
	"context"

	"github.com/voxagent/dispatcher/pkg/event"
)

// sweepRows is how many rows a sweep takes at a time.
const sweepRows = 1000

// sweepEpochs cancels what is pending for webhooks that were disabled or deleted.
func (f *folding) sweepEpochs(ctx context.Context) error {
	for _, e := range f.b.epochs {
		for after := ""; ; {
			rows, err := deliveryTable.load(ctx, f.tx, `WHERE workspace_id = ? AND webhook_id = ? AND epoch < ? AND id > ?
				AND base_status = 'pending' ORDER BY id LIMIT ?`, e.workspace, e.webhook, e.epoch, after, sweepRows)
			if err != nil {
				return err
			}
			if err := f.resettle(ctx, rows); err != nil {
				return err
			}
			if len(rows) < sweepRows {
				break
			}
			after = rows[len(rows)-1].id
		}
	}
	return nil
}

// sweepErasures marks the events that an erasure covers, removes their payloads and cancels their pending deliveries.
func (f *folding) sweepErasures(ctx context.Context) error {
	for row, record := range f.b.erasures {
		for after := ""; ; {
			rows, err := f.covered(ctx, record, row.at, after)
			if err != nil {
				return err
			}
			if err := f.eraseEvents(ctx, rows, row.at); err != nil {
				return err
			}
			if len(rows) < sweepRows {
				break
			}
			after = rows[len(rows)-1].occurrence
		}
	}
	return nil
}

// covered returns the next events that the erasure covers and that no earlier one did.
func (f *folding) covered(ctx context.Context, r *event.ErasureRecord, at int64, after string) ([]eventRow, error) {
	column, id := "event_id", clean(r.EventID)
	if r.EventID == "" {
		column, id = "session_id", cleanSession(r.SessionID)
	}
	return eventTable.load(ctx, f.tx, `WHERE workspace_id = ? AND `+column+` = ? AND record_time <= ?
		AND (erased_at = 0 OR erased_at > ?) AND occurrence > ? ORDER BY occurrence LIMIT ?`,
		clean(r.WorkspaceID), id, at, at, after, sweepRows)
}

func (f *folding) eraseEvents(ctx context.Context, rows []eventRow, at int64) error {
	if len(rows) == 0 {
		return nil
	}
	for i := range rows {
		rows[i].erasedAt = at
	}
	if err := f.erasePayloads(ctx, rows); err != nil {
		return err
	}
	f.rematched = nil
	if err := f.writeEvents(ctx, rows); err != nil {
		return err
	}
	stored := map[string]*deliveryRow{}
	if err := f.loadDeliveries(ctx, "occurrence", f.rematched, stored); err != nil {
		return err
	}
	deliveries := make([]deliveryRow, 0, len(stored))
	for _, r := range stored {
		deliveries = append(deliveries, *r)
	}
	return f.resettle(ctx, deliveries)
}
