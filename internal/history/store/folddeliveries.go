package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// deliveries joins what the batch says about deliveries into what is stored, and settles those and all others of events
// that the batch wrote.
func (f *folding) deliveries(ctx context.Context) error {
	ids := sorted(f.b.deliveries)
	stored := map[string]*deliveryRow{}
	if err := f.loadDeliveries(ctx, "id", ids, stored); err != nil {
		return err
	}
	if err := f.loadDeliveries(ctx, "occurrence", f.rematched, stored); err != nil {
		return err
	}
	rows := make(map[string]*deliveryRow, len(ids))
	for id, row := range stored {
		rows[id] = new(*row)
	}
	for _, id := range ids {
		if row, ok := rows[id]; ok {
			row.join(f.b.deliveries[id])
			continue
		}
		rows[id] = new(*f.b.deliveries[id])
	}
	return f.settle(ctx, slices.Collect(maps.Values(rows)), stored)
}

func (f *folding) loadDeliveries(ctx context.Context, column string, keys []string, into map[string]*deliveryRow) error {
	if len(keys) == 0 {
		return nil
	}
	in, arg := among(f.tx.Dialect(), column, keys)
	rows, err := deliveryTable.load(ctx, f.tx, "WHERE "+in, arg)
	if err != nil {
		return err
	}
	for i := range rows {
		into[rows[i].id] = &rows[i]
	}
	return nil
}

// settle computes the states of rows and writes those that differ from what is stored.
func (f *folding) settle(ctx context.Context, rows []*deliveryRow, stored map[string]*deliveryRow) error {
	if err := f.loadHeads(ctx, rows); err != nil {
		return err
	}
	epochs, err := f.loadEpochs(ctx, rows)
	if err != nil {
		return err
	}
	var changed []deliveryRow
	for _, r := range rows {
		r.settle(f.heads[r.occurrence], epochs[webhookKey{r.workspace, r.webhook}])
		if old := stored[r.id]; old == nil || *old != *r {
			r.version++
			changed = append(changed, *r)
		}
	}
	slices.SortFunc(changed, func(a, b deliveryRow) int { return cmp.Compare(a.id, b.id) })
	n, err := deliveryTable.insert(ctx, f.tx, changed)
	if err == nil && n != int64(len(changed)) {
		return errRaced
	}
	return err
}

// loadEpochs returns, in rising order, the epochs of those webhooks that have a delivery in rows that they could cancel.
func (f *folding) loadEpochs(ctx context.Context, rows []*deliveryRow) (map[webhookKey][]epochRow, error) {
	webhooks := map[string]bool{}
	for _, r := range rows {
		if r.baseStatus == pending {
			webhooks[r.webhook] = true
		}
	}
	if len(webhooks) == 0 {
		return nil, nil
	}
	in, arg := among(f.tx.Dialect(), "webhook_id", sorted(webhooks))
	list, err := epochTable.load(ctx, f.tx, "WHERE "+in, arg)
	if err != nil {
		return nil, err
	}
	sortEpochs(list)
	epochs := map[webhookKey][]epochRow{}
	for _, e := range list {
		key := webhookKey{e.workspace, e.webhook}
		epochs[key] = append(epochs[key], e)
	}
	return epochs, nil
}

// resettle settles stored rows anew.
func (f *folding) resettle(ctx context.Context, rows []deliveryRow) error {
	stored := make(map[string]*deliveryRow, len(rows))
	again := make([]*deliveryRow, len(rows))
	for i := range rows {
		stored[rows[i].id] = &rows[i]
		again[i] = new(rows[i])
	}
	return f.settle(ctx, again, stored)
}

func sortHealth(rows []healthRow) {
	slices.SortFunc(rows, func(a, b healthRow) int {
		return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.webhook, b.webhook))
	})
}
