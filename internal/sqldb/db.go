package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Querier is what a statement can be run on: a DB or a Tx. Statements use ? for arguments.
type Querier interface {
	// Exec runs a statement that returns no rows.
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
	// Query runs a statement that returns rows; the caller closes them.
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// QueryRow runs a statement of which the first row is wanted; Scan gives sql.ErrNoRows when there is none.
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
	// Dialect tells what kind of database runs the statements.
	Dialect() Dialect
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	write   *sql.DB
	read    *sql.DB // the same as write on PostgreSQL
	schema  string  // PostgreSQL: first name of search_path; empty: the server's default
	closers []func() error
}

// Dialect tells the database's kind.
func (db *DB) Dialect() Dialect { return db.dialect }

// Close ends all connections and waits for those in use.
func (db *DB) Close() error {
	var errs []error
	for _, c := range db.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.read.QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Exec runs one writing statement in a transaction of its own.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return db.write.ExecContext(ctx, db.dialect.rebind(query), args...)
}

// Query runs a reading statement. One that writes and returns rows (RETURNING) needs Tx: SQLite's readers refuse it.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.read.QueryContext(ctx, db.dialect.rebind(query), args...)
}

// QueryRow is Query for one row.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return db.read.QueryRowContext(ctx, db.dialect.rebind(query), args...)
}

// Tx is an open transaction. It belongs to one goroutine.
type Tx struct {
	dialect Dialect
	tx      *sql.Tx
}

// Dialect tells the database's kind.
func (tx *Tx) Dialect() Dialect { return tx.dialect }

// Exec runs a statement in the transaction.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return tx.tx.ExecContext(ctx, tx.dialect.rebind(query), args...)
}

// Query runs a statement in the transaction; its rows must be closed before the next one.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.tx.QueryContext(ctx, tx.dialect.rebind(query), args...)
}

// QueryRow is Query for one row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return tx.tx.QueryRowContext(ctx, tx.dialect.rebind(query), args...)
}

// Prepare prepares a statement for many runs in the transaction; the caller closes it.
func (tx *Tx) Prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	return tx.tx.PrepareContext(ctx, tx.dialect.rebind(query))
}

// A transaction that lost against another one is run again this often, after a growing pause.
const (
	txRuns  = 4
	txPause = 20 * time.Millisecond
)

// Tx runs fn in a writing transaction and commits it when fn returns nil. On PostgreSQL it is READ COMMITTED. Where the
// database gave it up for another one (deadlock, busy) fn is run again, so fn must have no effect outside of tx that
// cannot be repeated. fn must not use db: SQLite has a single writer.
func (db *DB) Tx(ctx context.Context, fn func(tx *Tx) error) error {
	for run := 1; ; run++ {
		err := db.once(ctx, db.write, nil, fn)
		if err == nil || run == txRuns || !Contended(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(run) * txPause):
		}
	}
}

// Read runs fn in a reading transaction that sees one state of the database from its first statement to its last.
func (db *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	var opts *sql.TxOptions // SQLite: a deferred transaction on a reader is a snapshot
	if db.dialect == Postgres {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return db.once(ctx, db.read, opts, fn)
}

func (db *DB) once(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(tx *Tx) error) error {
	tx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// After a commit this does nothing; it also covers a panic in fn.
	defer func() { _ = tx.Rollback() }()
	if err := fn(&Tx{dialect: db.dialect, tx: tx}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}
