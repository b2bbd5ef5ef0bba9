package store

import (
	"context"
)

// events joins the batch's events into those that are stored.
func (f *folding) events(ctx context.Context) error {
	keys := sorted(f.b.events)
	if len(keys) == 0 {
		return nil
	}
	stored, err := f.loadEvents(ctx, keys)
	if err != nil {
		return err
	}
	var rows []eventRow
	var fresh []string
	for _, key := range keys {
		row, ok := stored[key]
		if !ok {
			row = *f.b.events[key]
			fresh = append(fresh, key)
		} else if !row.join(f.b.events[key]) {
			f.heads[key] = row.head()
			continue
		}
		rows = append(rows, row)
	}
	if err := f.markErased(ctx, rows, fresh); err != nil {
		return err
	}
	return f.writeEvents(ctx, rows)
}

func (f *folding) loadEvents(ctx context.Context, keys []string) (map[string]eventRow, error) {
	in, arg := among(f.tx.Dialect(), "occurrence", keys)
	rows, err := eventTable.load(ctx, f.tx, "WHERE "+in, arg)
	if err != nil {
		return nil, err
	}
	stored := make(map[string]eventRow, len(rows))
	for i := range rows {
		stored[rows[i].occurrence] = rows[i]
	}
	return stored, nil
}

// markErased applies the erasures that are known to rows of events that are new to the store (fresh); to those that it
// has, an erasure was applied when it came.
func (f *folding) markErased(ctx context.Context, rows []eventRow, fresh []string) error {
	if len(fresh) == 0 {
		return nil
	}
	var subjects []string
	for _, key := range fresh {
		ev := f.b.events[key]
		subjects = append(subjects, eventSubject(ev.workspace, ev.eventID), sessionSubject(ev.workspace, ev.session))
	}
	in, arg := among(f.tx.Dialect(), "subject", subjects)
	known, err := erasureTable.load(ctx, f.tx, "WHERE "+in, arg)
	if err != nil || len(known) == 0 {
		return err
	}
	at := map[string][]int64{}
	for _, e := range known {
		at[e.subject] = append(at[e.subject], e.at)
	}
	for i := range rows {
		r := &rows[i]
		for _, subject := range []string{eventSubject(r.workspace, r.eventID), sessionSubject(r.workspace, r.session)} {
			for _, t := range at[subject] {
				if covers(t, r.recordTime) {
					r.erasedAt = earlier(r.erasedAt, t)
				}
			}
		}
	}
	return f.erasePayloads(ctx, rows)
}

// erasePayloads puts the mark in the place of the bodies of those rows that are erased.
func (f *folding) erasePayloads(ctx context.Context, rows []eventRow) error {
	var marks []payloadRow
	for i := range rows {
		if rows[i].erasedAt != 0 {
			marks = append(marks, payloadRow{occurrence: rows[i].occurrence, erased: 1})
		}
	}
	_, err := eraseTable.insert(ctx, f.tx, marks)
	return err
}

// writeEvents writes rows, which are in order, and remembers them for their deliveries.
func (f *folding) writeEvents(ctx context.Context, rows []eventRow) error {
	for i := range rows {
		rows[i].version++
		f.heads[rows[i].occurrence] = rows[i].head()
		f.rematched = append(f.rematched, rows[i].occurrence)
	}
	n, err := eventTable.insert(ctx, f.tx, rows)
	if err == nil && n != int64(len(rows)) {
		return errRaced
	}
	return err
}

// headTable reads of events what decides about their deliveries: the whole row of an event with thousands of webhooks
// is long.
var headTable = newTable("history_events", "",
	column[eventHead]{"occurrence", func(r *eventHead) any { return &r.occurrence }},
	column[eventHead]{"generation", func(r *eventHead) any { return &r.generation }},
	column[eventHead]{"received_at", func(r *eventHead) any { return &r.receivedAt }},
	column[eventHead]{"erased_at", func(r *eventHead) any { return &r.erasedAt }},
)

// loadHeads makes sure that heads has an entry for each occurrence of rows.
func (f *folding) loadHeads(ctx context.Context, rows []*deliveryRow) error {
	missing := map[string]bool{}
	for _, r := range rows {
		if _, ok := f.heads[r.occurrence]; !ok {
			missing[r.occurrence] = true
			f.heads[r.occurrence] = nil
		}
	}
	if len(missing) == 0 {
		return nil
	}
	in, arg := among(f.tx.Dialect(), "occurrence", sorted(missing))
	heads, err := headTable.load(ctx, f.tx, "WHERE "+in, arg)
	if err != nil {
		return err
	}
	for i := range heads {
		f.heads[heads[i].occurrence] = &heads[i]
	}
	return nil
}
