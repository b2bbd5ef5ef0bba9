// Package sqldb opens the program's database and prepares its schema. It is the only home of database drivers.
//
// PostgreSQL is for installations, SQLite for a single process that needs nothing beside it. Both are reached through
// database/sql by one set of statements: these are written with ? for arguments (a ? inside '…' stays), in the part of
// SQL that both understand, with integers for times (Unix milliseconds). Where they do differ, a caller asks
// [DB.Dialect].
//
// A [Set] is the migrations of one package. Sets know nothing of each other and may live in different databases; each
// has a version table of its own.
//
//	db, err := sqldb.Open(ctx, "postgres://dispatcher@db/platform?search_path=voxagent", sqldb.Options{})
//	...
//	if err := db.Migrate(ctx, subscription.Migrations()); err != nil { ... }  // `dispatcher migrate`
//	if err := db.Check(ctx, subscription.Migrations()); err != nil { ... }    // every other start
//	err = db.Tx(ctx, func(tx *sqldb.Tx) error {
//		_, err := tx.Exec(ctx, `UPDATE webhooks SET enabled = ? WHERE workspace_id = ? AND id = ?`, true, ws, id)
//		return err
//	})
//
// # Invariants
//
//	no-secret    no error of this package holds a password, in whatever form the URL gave it.
//	one-writer   SQLite has one connection that writes; readers never wait for it, nor it for them.
//	locked       of several processes that migrate one PostgreSQL database, one works and the others wait.
package sqldb
