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

// databases are the open databases.
type databases struct {
	webhooks, history *sqldb.DB
}

// open connects to both.
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
	d.history = d.webhooks
	if f.HistoryDatabaseURL == "" || f.HistoryDatabaseURL == f.DatabaseURL {
		return d, nil
	}
	if d.history, err = sqldb.Open(ctx, string(f.HistoryDatabaseURL), sqldb.Options{}); err != nil {
		return nil, errors.Join(fmt.Errorf("--history-database-url: %w", err), d.webhooks.Close())
	}
	return d, nil
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

// ping asks each database for an answer.
func (d *databases) ping(ctx context.Context) error {
	err := d.webhooks.Ping(ctx)
	if d.history != d.webhooks {
		err = errors.Join(err, d.history.Ping(ctx))
	}
	return err
}

func (d *databases) close() error {
	err := d.webhooks.Close()
	if d.history != d.webhooks {
		err = errors.Join(err, d.history.Close())
	}
	return err
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
