package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

const maxPreview = 1024

// attemptListing is attemptTable without the columns that only one attempt's view shows: detail and response_body.
var attemptListing = newTable("history_attempts", "", attemptTable.columns[:len(attemptTable.columns)-2]...)

// attemptListRow is a row of a list with its previews.
type attemptListRow struct {
	attemptRow
	request, response []byte
}

// Attempts implements Reader.
func (s *Store) Attempts(ctx context.Context, q AttemptQuery) (List[Attempt], error) {
	var list List[Attempt]
	asked, from, err := q.page(attemptList)
	if err != nil {
		return list, err
	}
	if q.Preview < 0 || q.Preview > maxPreview {
		return list, fmt.Errorf("%w: preview must be from 0 to %d bytes", ErrQuery, maxPreview)
	}
	w := q.where()
	if w.err != nil {
		return list, w.err
	}
	if from.id != "" {
		w.add("(started_at, id) < (?, ?)", from.at, from.id)
	}
	w.args = append(w.args, asked)
	rows, err := listAttempts(ctx, s.db, q.Preview, w.String()+" ORDER BY started_at DESC, id DESC LIMIT ?", w.args...)
	if err != nil {
		return list, err
	}
	return listOf(rows, asked, (*attemptListRow).view, func(r *attemptListRow) cursor {
		return cursor{attemptList, r.startedAt, r.id}
	}), nil
}

func (q *AttemptQuery) where() *where {
	w := newWhere(q.WorkspaceID)
	anyOf(w, "webhook_id", q.WebhookIDs)
	anyOf(w, "delivery_id", q.DeliveryIDs)
	w.occurrences("delivery_id IN (SELECT id FROM history_deliveries WHERE occurrence IN (%s))",
		q.WorkspaceID, q.EventIDs, q.SessionIDs)
	anyOf(w, "event", q.Events)
	w.statuses(q.Statuses)
	w.httpStatuses(q.HTTPStatuses)
	anyOf(w, "error", q.Errors)
	if len(q.Errors) > 0 && len(q.Statuses) == 0 {
		w.statuses([]event.Status{event.Failed}) // follows, and opens the index of failures
	}
	anyOf(w, "trigger_kind", q.Triggers)
	if !q.Since.IsZero() {
		w.add("started_at >= ?", q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		w.add("started_at < ?", q.Until.UnixMilli())
	}
	return w
}

func (r *attemptListRow) view() Attempt {
	a := r.attemptRow.view()
	a.RequestPreview, a.ResponsePreview = r.request, r.response
	return a
}

// listAttempts reads rows for lists, with the first bytes of their bodies.
func listAttempts(ctx context.Context, q sqldb.Querier, preview int, where string, args ...any) ([]attemptListRow, error) {
	columns := attemptListing.list
	if preview > 0 {
		n := strconv.Itoa(preview)
		columns += ", substr(response_body, 1, " + n + "), (SELECT substr(p.body, 1, " + n +
			") FROM history_payloads p WHERE p.occurrence = history_attempts.occurrence)"
	}
	rows, err := q.Query(ctx, "SELECT "+columns+" FROM history_attempts "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	list, err := collect(rows, func(r *attemptListRow) []any {
		fields := make([]any, 0, len(attemptListing.columns)+2)
		for _, c := range attemptListing.columns {
			fields = append(fields, c.at(&r.attemptRow))
		}
		if preview > 0 {
			fields = append(fields, &r.response, &r.request)
		}
		return fields
	})
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	return list, nil
}

// Attempt implements Reader.
func (s *Store) Attempt(ctx context.Context, workspaceID, attemptID string) (*AttemptDetail, error) {
	var detail *AttemptDetail
	err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
		rows, err := attemptTable.load(ctx, tx, "WHERE id = ? AND workspace_id = ?", clean(attemptID), clean(workspaceID))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("attempt: %w", ErrNotFound)
		}
		if detail, err = rows[0].whole(); err != nil {
			return err
		}
		detail.Payload, err = payload(ctx, tx, rows[0].occurrence)
		return err
	})
	return detail, err
}
