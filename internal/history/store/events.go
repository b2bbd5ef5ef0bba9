package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// What one event's view shows at most: an id that was published without end, an event with thousands of webhooks.
// Event.Matched still says how many there are, and the list of deliveries shows all of them.
const (
	maxOccurrences = 100
	maxDeliveries  = 1000
)

// Events implements Reader.
func (s *Store) Events(ctx context.Context, q EventQuery) (List[Event], error) {
	var list List[Event]
	asked, from, err := q.page(eventList)
	if err != nil {
		return list, err
	}
	sessions := make([]string, len(q.SessionIDs))
	for i, id := range q.SessionIDs {
		sessions[i] = cleanSession(id)
	}
	w := newWhere(q.WorkspaceID)
	anyOf(w, "event_id", q.EventIDs)
	anyOf(w, "session_id", sessions)
	anyOf(w, "event", q.Events)
	w.ids("occurrence", "", q.Since, q.Until)
	if w.err != nil {
		return list, w.err
	}
	if from.id != "" {
		w.add("occurrence < ?", from.id)
	}
	w.args = append(w.args, asked)
	rows, err := eventTable.load(ctx, s.db, w.String()+" ORDER BY occurrence DESC LIMIT ?", w.args...)
	if err != nil {
		return list, err
	}
	return listOf(rows, asked, (*eventRow).view, func(r *eventRow) cursor {
		return cursor{kind: eventList, id: r.occurrence}
	}), nil
}

func (r *eventRow) view() Event {
	e := Event{
		ID: r.eventID, Event: r.event, WorkspaceID: r.workspace, SessionID: r.session,
		Occurrence: occurrenceOf(r.occurrence), Source: r.source(), Timestamp: r.timestamp,
		RecordTime: instant(r.recordTime), ReceivedAt: instant(r.receivedAt), BodySize: int(r.bodySize),
		Matched: int(r.matched), Unmatched: int(r.unmatched),
		Reason: event.MissReason(r.reason), ErasedAt: instant(r.erasedAt),
	}
	if r.bodySHA256 != "" {
		_ = e.BodySHA256.UnmarshalText([]byte(r.bodySHA256)) // written by this package
	}
	return e
}

// Event implements Reader.
func (s *Store) Event(ctx context.Context, workspaceID, eventID string) (*EventDetail, error) {
	var detail *EventDetail
	err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
		rows, err := eventTable.load(ctx, tx, "WHERE workspace_id = ? AND event_id = ? ORDER BY occurrence LIMIT ?",
			clean(workspaceID), clean(eventID), maxOccurrences)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("event: %w", ErrNotFound)
		}
		detail, err = newEventDetail(rows)
		if err != nil {
			return err
		}
		return detail.fill(ctx, tx, rows)
	})
	return detail, err
}

// newEventDetail takes what the event's rows say; the first is the event, the others repeat it.
func newEventDetail(rows []eventRow) (*EventDetail, error) {
	detail := &EventDetail{Event: rows[0].view()}
	for i := range rows {
		if i > 0 {
			detail.Repeats = append(detail.Repeats, rows[i].view())
		}
		var misses []event.Miss
		if err := json.Unmarshal([]byte(rows[i].misses), &misses); err != nil {
			return nil, fmt.Errorf("read event %s: %w", rows[i].eventID, err)
		}
		for _, m := range misses {
			detail.Misses = append(detail.Misses, Miss{m.WebhookID, m.Reason, occurrenceOf(rows[i].occurrence)})
		}
	}
	return detail, nil
}

// fill adds what stands in other tables.
func (e *EventDetail) fill(ctx context.Context, tx *sqldb.Tx, rows []eventRow) error {
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].occurrence
	}
	in, arg := among(tx.Dialect(), "occurrence", keys)
	deliveries, err := listDeliveries(ctx, tx, "WHERE "+in+" AND workspace_id = ? ORDER BY id DESC LIMIT ?",
		arg, rows[0].workspace, maxDeliveries)
	if err != nil {
		return err
	}
	e.Deliveries = make([]Delivery, len(deliveries))
	for i := range deliveries {
		e.Deliveries[i] = deliveries[i].view()
	}
	e.Payload, err = payload(ctx, tx, rows[0].occurrence)
	return err
}

// payload reads an occurrence's body, whoever's it is.
func payload(ctx context.Context, q sqldb.Querier, occurrence string) (Payload, error) {
	rows, err := payloadTable.load(ctx, q, "WHERE occurrence = ?", occurrence)
	switch {
	case err != nil:
		return Payload{}, err
	case len(rows) == 0:
		return erasedOrGone(ctx, q, occurrence)
	case rows[0].erased != 0:
		return Payload{State: PayloadErased}, nil
	}
	return Payload{Body: rows[0].body, State: PayloadKept}, nil
}

// erasedOrGone tells why there is no body: the mark of an erasure goes with the retention of payloads, the event's row
// remembers it for longer.
func erasedOrGone(ctx context.Context, q sqldb.Querier, occurrence string) (Payload, error) {
	heads, err := headTable.load(ctx, q, "WHERE occurrence = ?", occurrence)
	if err != nil {
		return Payload{}, err
	}
	if len(heads) > 0 && heads[0].erasedAt != 0 {
		return Payload{State: PayloadErased}, nil
	}
	return Payload{State: PayloadGone}, nil
}

// Payload implements Reader. An occurrence is known by its event, or by a delivery that came without one.
func (s *Store) Payload(ctx context.Context, workspaceID string, occurrence event.Occurrence) (Payload, error) {
	var found Payload
	key, workspace := occurrence.String(), clean(workspaceID)
	err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
		var known bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM history_events WHERE occurrence = ? AND workspace_id = ?)
			OR EXISTS (SELECT 1 FROM history_deliveries WHERE occurrence = ? AND workspace_id = ?)`,
			key, workspace, key, workspace).Scan(&known)
		if err != nil {
			return fmt.Errorf("read payload: %w", err)
		}
		if !known {
			return fmt.Errorf("payload: %w", ErrNotFound)
		}
		found, err = payload(ctx, tx, key)
		return err
	})
	return found, err
}
