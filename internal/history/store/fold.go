package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// errRaced: another writer changed a row between this one's reading and writing. Each partition has one owner, so this
// happens only while owners change.
var errRaced = errors.New("another writer changed the same history")

const maxFolds = 8

// Fold adds records to the history in one transaction: when it returns nil all are durable, else none is. Any set of
// records may be folded in any order, any number of times, also by several processes at once (invariant shared).
//
// An error that is not [Refused] is a fault of the moment: the same records may be folded when it is over.
func (s *Store) Fold(ctx context.Context, records []Record) error {
	b, err := newBatch(records, s.cfg.Now(), s.cfg.Payloads)
	if err != nil {
		return err
	}
	for run := 1; ; run++ {
		err = s.db.Tx(ctx, func(tx *sqldb.Tx) error { return newFolding(tx, b).run(ctx) })
		if !errors.Is(err, errRaced) || run == maxFolds {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("fold %d history records: %w", len(records), err)
	}
	return nil
}

// Refused tells whether err, of Fold, will come again with the same records: at least one of them is to be left out.
func Refused(err error) bool { return sqldb.Refused(err) || errors.Is(err, event.ErrUnknownRecord) }

// folding is one run of a fold's transaction.
type folding struct {
	tx *sqldb.Tx
	b  *batch
	// heads are the events seen so far, by occurrence; nil: not in the store.
	heads map[string]*eventHead
	// rematched are the occurrences whose event row was written: their deliveries are settled anew.
	rematched []string
}

func newFolding(tx *sqldb.Tx, b *batch) *folding {
	return &folding{tx: tx, b: b, heads: map[string]*eventHead{}}
}

// run writes tables in one order, and rows in the order of their keys, so that two writers do not wait for each other in
// a circle.
func (f *folding) run(ctx context.Context) error {
	steps := []func(context.Context) error{
		f.fence, f.rules, f.events, f.deliveries, f.attempts, f.payloads, f.sweepEpochs, f.sweepErasures, f.health,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fence keeps batches with erasures and epochs apart from all others. Such a record must reach both what was folded
// before it, which it looks for, and what is folded after it, which looks for the record; a batch folded beside it would
// be missed by both. On SQLite writers are alone anyway.
func (f *folding) fence(ctx context.Context) error {
	if f.tx.Dialect() != sqldb.Postgres {
		return nil
	}
	mode := "ROW SHARE"
	if f.b.sweeping() {
		mode = "EXCLUSIVE"
	}
	if _, err := f.tx.Exec(ctx, "LOCK TABLE history_epochs IN "+mode+" MODE"); err != nil {
		return fmt.Errorf("lock history: %w", err)
	}
	return f.useIndexes(ctx)
}

// useIndexes keeps the planner from reading whole tables. Statements are planned once for a connection; those that were
// planned while a table was new and small would go on reading all of it, until its first analysis a minute or a million
// rows later. Every statement of a fold finds its rows by a key.
func (f *folding) useIndexes(ctx context.Context) error {
	if _, err := f.tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
		return fmt.Errorf("plan by indexes: %w", err)
	}
	return nil
}

// rules stores erasures and epochs, which all that follows looks at.
func (f *folding) rules(ctx context.Context) error {
	erasures := make([]erasureRow, 0, len(f.b.erasures))
	for row := range f.b.erasures {
		erasures = append(erasures, row)
	}
	if _, err := erasureTable.insert(ctx, f.tx, erasures); err != nil {
		return err
	}
	epochs := make([]epochRow, 0, len(f.b.epochs))
	for _, row := range f.b.epochs {
		epochs = append(epochs, *row)
	}
	_, err := epochTable.insert(ctx, f.tx, epochs)
	return err
}

// attempts adds requests; of two with one id the table keeps the right one.
func (f *folding) attempts(ctx context.Context) error {
	rows := make([]attemptRow, 0, len(f.b.attempts))
	for _, id := range sorted(f.b.attempts) {
		rows = append(rows, newAttemptRow(f.b.attempts[id]))
	}
	_, err := attemptTable.insert(ctx, f.tx, rows)
	return err
}

func (f *folding) payloads(ctx context.Context) error {
	rows := make([]payloadRow, 0, len(f.b.payloads))
	for _, key := range sorted(f.b.payloads) {
		rows = append(rows, f.b.payloads[key])
	}
	_, err := payloadTable.insert(ctx, f.tx, rows)
	return err
}

// health comes last: its rows are shared by all partitions, and stay locked until the end.
func (f *folding) health(ctx context.Context) error {
	rows := make([]healthRow, 0, len(f.b.health))
	for _, row := range f.b.health {
		row := *row
		row.touched = f.b.now
		rows = append(rows, row)
	}
	sortHealth(rows)
	_, err := healthTable.insert(ctx, f.tx, rows)
	return err
}
