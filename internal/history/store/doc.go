// Package store keeps the request history in SQL and answers questions about it: PostgreSQL and SQLite, one schema, one
// set of statements, one conformance suite.
//
// It is written by [Store.Fold], which takes records of the history and payload topics in any order and any number of
// times, and read through [Reader]. It knows nothing of Kafka.
//
//	db, _ := sqldb.Open(ctx, url, sqldb.Options{})
//	_ = db.Migrate(ctx, store.Migrations())
//	s, _ := store.New(db, store.Config{History: 30 * 24 * time.Hour, Payloads: 14 * 24 * time.Hour})
//	err := s.Fold(ctx, []store.Record{{History: attempt}, {Payload: body}})
//	page, err := s.Attempts(ctx, store.AttemptQuery{WorkspaceID: "ws_acme"})
//
// # How folding works
//
// A batch is one transaction: what is stored about the batch's events and deliveries is loaded, the records are joined
// into it by pure functions (state.go), and rows that changed are written back. A delivery's row keeps two things apart:
// what records said about the delivery itself (its base: the State that supersedes all others, the greatest epoch and
// generation), and what follows from it together with its event and its webhook (status, cause, times), which is
// computed anew whenever one of the three changes.
//
// # Invariants
//
//	commutative  the same set of records gives the same contents in any order, with any repetition and in any batches.
//	shared       any number of processes may fold at once, each what is about events of its own partitions. A change of
//	             owners needs no care: the new one folds again what the old one had not committed.
//	tenant       every query names the workspace; a row of another one is never read out.
//	indexed      no statement of a fold reads a whole table, however new or large it is.
//	sortable     ids of occurrences, deliveries and attempts begin with the time of the event's source record, and
//	             nothing is unique across them but by id: tables can be partitioned by id, and retention deletes by id.
package store
