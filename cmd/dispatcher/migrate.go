package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// startTimeout is how long a start may take to find out that something is missing.
const startTimeout = 8 * time.Second

// databaseFlags say where webhooks and history are kept; they may be two databases.
type databaseFlags struct {
	DatabaseURL        secret `secret:"" placeholder:"URL" help:"PostgreSQL: postgres://user:password@host/name; search_path=… for a schema of its own."`
	HistoryDatabaseURL secret `secret:"" placeholder:"URL" help:"PostgreSQL for the request history. Default: the same."`
}

// databases are the open databases. On one PostgreSQL too each has connections of its own: customers may ask for much of the
// history, and change webhooks as fast as the database can write. Neither what delivers nor readiness must wait behind that.
type databases struct {
	webhooks, history *sqldb.DB
	directory         *sqldb.DB // the webhooks' again, for what delivers
	probe             *sqldb.DB // the history's again, for ping; directory where both are on one server
}

// directoryConns are for the feed, two queries for webhooks, and what retries ask for.
const directoryConns = 5

// open connects to them.
func (f *databaseFlags) open(ctx context.Context) (_ *databases, err error) {
	if f.DatabaseURL == "" {
		return nil, errors.New("--database-url: missing; want postgres://user:password@host/name")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	d := &databases{}
	if d.webhooks, err = sqldb.Open(ctx, string(f.DatabaseURL), sqldb.Options{}); err != nil {
		return nil, fmt.Errorf("--database-url: %w", err)
	}
	if d.directory, err = again(ctx, d.webhooks, f.DatabaseURL, directoryConns); err != nil {
		return nil, errors.Join(fmt.Errorf("--database-url: %w", err), d.close())
	}
	if f.HistoryDatabaseURL == "" || f.HistoryDatabaseURL == f.DatabaseURL {
		d.probe = d.directory
		d.history, err = again(ctx, d.webhooks, f.DatabaseURL, 0)
	} else if d.history, err = sqldb.Open(ctx, string(f.HistoryDatabaseURL), sqldb.Options{}); err == nil {
		d.probe, err = again(ctx, d.history, f.HistoryDatabaseURL, 1)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--history-database-url: %w", err), d.close())
	}
	return d, nil
}

// again opens the database of db with connections of their own; 0: as many as usual. On SQLite, which has one writer, it is db.
func again(ctx context.Context, db *sqldb.DB, url secret, conns int) (*sqldb.DB, error) {
	if db.Dialect() == sqldb.SQLite {
		return db, nil
	}
	return sqldb.Open(ctx, string(url), sqldb.Options{MaxConns: conns})
}

// migrate brings both schemas up to this version.
func (d *databases) migrate(ctx context.Context) error {
	return errors.Join(d.webhooks.Migrate(ctx, subscription.Migrations()), d.history.Migrate(ctx, store.Migrations()))
}

// check says what is wrong with the schemas.
func (d *databases) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return errors.Join(d.webhooks.Check(ctx, subscription.Migrations()), d.history.Check(ctx, store.Migrations()))
}

// ping asks each server for an answer.
func (d *databases) ping(ctx context.Context) error {
	err := d.directory.Ping(ctx)
	if d.probe != d.directory {
		err = errors.Join(err, d.probe.Ping(ctx))
	}
	return err
}

func (d *databases) close() error {
	var errs []error
	closed := map[*sqldb.DB]bool{nil: true}
	for _, db := range []*sqldb.DB{d.webhooks, d.directory, d.history, d.probe} {
		if !closed[db] {
			errs = append(errs, db.Close())
		}
		closed[db] = true
	}
	return errors.Join(errs...)
}

type migrateCmd struct {
	databaseFlags
}

func (c *migrateCmd) Run(ctx context.Context, s streams) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(d.migrate(ctx), d.close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, "the database is up to date")
	return err
}
