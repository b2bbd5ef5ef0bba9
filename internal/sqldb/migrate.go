package sqldb

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Set is the migrations of one package. Its version table is <Name>_schema_version, so sets may share a database.
type Set struct {
	// Name: a-z and _, such as "history". It stands in messages and in the table's name; it never changes.
	Name string
	// FS holds the folders postgres and sqlite with files such as 00001_webhooks.sql, in goose's form. The two have
	// the same version numbers.
	FS fs.FS
}

var setName = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

func (s Set) table() string { return s.Name + "_schema_version" }

// migrateLock is the key of PostgreSQL's advisory lock: "voxagent" as a number. It is one for all sets and schemas of a
// database; migrations are short and rare.
const migrateLock int64 = 0x766f786167656e74

// How long Migrate waits for another process that migrates: one try a second.
const lockTries = 300

// Migrate brings the set's tables to the newest version that this program knows; it does nothing when they are there.
// It creates the schema that search_path names first. On PostgreSQL each migration file is one transaction.
func (db *DB) Migrate(ctx context.Context, s Set) error {
	if err := db.createSchema(ctx); err != nil {
		return err
	}
	provider, err := db.provider(s)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate database schema %q: %w", s.Name, err)
	}
	return nil
}

// Check says in one line when the set's tables are not the ones that this program knows, and what to do about it.
func (db *DB) Check(ctx context.Context, s Set) error {
	known, err := db.newest(s)
	if err != nil {
		return err
	}
	var at int64
	err = db.QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+s.table()+` WHERE is_applied`).Scan(&at)
	switch {
	case err != nil && missingTable(err), err == nil && at == 0:
		return fmt.Errorf("database schema %q does not exist yet: run dispatcher migrate", s.Name)
	case err != nil:
		return fmt.Errorf("read version of database schema %q: %w", s.Name, err)
	case at < known:
		return fmt.Errorf("database schema %q is at version %d, this program needs %d: run dispatcher migrate", s.Name, at, known)
	case at > known:
		return fmt.Errorf("database schema %q is at version %d, newer than the %d that this program knows: run a newer dispatcher",
			s.Name, at, known)
	}
	return nil
}

func (db *DB) newest(s Set) (int64, error) {
	provider, err := db.provider(s)
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	return sources[len(sources)-1].Version, nil
}

func (db *DB) provider(s Set) (*goose.Provider, error) {
	if !setName.MatchString(s.Name) {
		return nil, fmt.Errorf("migration set %q: want a name of a-z and _", s.Name)
	}
	dir, err := fs.Sub(s.FS, db.dialect.String())
	if err != nil {
		return nil, fmt.Errorf("migration set %q: %w", s.Name, err)
	}
	options := []goose.ProviderOption{goose.WithTableName(s.table()), goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	if db.dialect == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrateLock), lock.WithLockTimeout(1, lockTries))
		if err != nil {
			return nil, fmt.Errorf("migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db.write, dir, options...)
	if err != nil {
		return nil, fmt.Errorf("migration set %q for %s: %w", s.Name, db.dialect, err)
	}
	return provider, nil
}

// createSchema makes the schema of search_path. It asks first: a user without the right to create one is fine when it
// is there. Two processes may both find it missing; the one that comes second is told so by the server.
func (db *DB) createSchema(ctx context.Context) error {
	if db.schema == "" {
		return nil
	}
	var found bool
	err := db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ?)`, db.schema).Scan(&found)
	if err == nil && !found {
		_, err = db.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS "`+strings.ReplaceAll(db.schema, `"`, `""`)+`"`)
	}
	if err != nil && !Duplicate(err) {
		return fmt.Errorf("create schema %s: %w", db.schema, err)
	}
	return nil
}
