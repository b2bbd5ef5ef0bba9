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
// history, and change webhooks as fast as the database can write. What delivers must not wait behind that.
type databases struct {
	webhooks, history *sqldb.DB
	directory         *sqldb.DB // the webhooks' again, for what delivers
	one               bool      // server
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
	d := &databases{one: f.HistoryDatabaseURL == "" || f.HistoryDatabaseURL == f.DatabaseURL}
	if d.webhooks, err = sqldb.Open(ctx, string(f.DatabaseURL), sqldb.Options{}); err != nil {
		return nil, fmt.Errorf("--database-url: %w", err)
	}
	if d.webhooks.Dialect() == sqldb.SQLite { // which has one writer
		d.directory = d.webhooks
	} else if d.directory, err = sqldb.Open(ctx, string(f.DatabaseURL), sqldb.Options{MaxConns: directoryConns}); err != nil {
		return nil, errors.Join(fmt.Errorf("--database-url: %w", err), d.close())
	}
	if d.one && d.directory == d.webhooks {
		d.history = d.webhooks
	} else if d.history, err = sqldb.Open(ctx, string(f.historyURL()), sqldb.Options{}); err != nil {
		return nil, errors.Join(fmt.Errorf("--history-database-url: %w", err), d.close())
	}
	return d, nil
}

func (f *databaseFlags) historyURL() secret {
	if f.HistoryDatabaseURL == "" {
		return f.DatabaseURL
	}
	return f.HistoryDatabaseURL
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

// ping asks each server for an answer, and does not wait behind customers who keep the webhooks' connections busy.
func (d *databases) ping(ctx context.Context) error {
	err := d.directory.Ping(ctx)
	if !d.one {
		err = errors.Join(err, d.history.Ping(ctx))
	}
	return err
}

func (d *databases) close() error {
	var errs []error
	closed := map[*sqldb.DB]bool{nil: true}
	for _, db := range []*sqldb.DB{d.webhooks, d.directory, d.history} {
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
