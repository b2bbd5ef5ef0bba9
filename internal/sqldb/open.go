package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // registers the driver "sqlite" with database/sql
)

// Options tune Open. The zero value is good.
type Options struct {
	// MaxConns bounds the connections. PostgreSQL: all of them, default 10, or what pool_max_conns in the URL says.
	// SQLite: the readers, default one for each CPU and at least 2.
	MaxConns int
	// ConnectTimeout bounds the making of one connection; default 5 s, or what connect_timeout in the URL says.
	ConnectTimeout time.Duration
}

const (
	defaultConns          = 10
	defaultConnectTimeout = 5 * time.Second
	sqliteBusyTimeout     = 5 * time.Second
)

var errURL = errors.New("database URL: want postgres://user:password@host:port/database, or sqlite:PATH")

// Open connects to the database at rawURL and asks it for one answer, so that a wrong address or password shows now.
//
//	postgres://user:password@host:5432/name?search_path=voxagent   a schema of its own; Migrate creates it
//	sqlite:/var/lib/dispatcher/data.db                             a file, made when it is missing
//	sqlite::memory:                                                a temporary file, removed by Close
//
// No error holds the URL or the password.
func Open(ctx context.Context, rawURL string, opts Options) (*DB, error) {
	switch scheme, rest, _ := strings.Cut(rawURL, ":"); scheme {
	case "postgres", "postgresql":
		return openPostgres(ctx, rawURL, opts)
	case "sqlite":
		return openSQLite(ctx, rest, opts)
	}
	return nil, errURL
}

func openPostgres(ctx context.Context, rawURL string, opts Options) (*DB, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errURL // the cause quotes the URL
	}
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, redact(fmt.Errorf("database URL: %w", err), u)
	}
	if !u.Query().Has("pool_max_conns") {
		cfg.MaxConns = int32(orDefault(opts.MaxConns, defaultConns))
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = orDefault(opts.ConnectTimeout, defaultConnectTimeout)
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "dispatcher"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, redact(fmt.Errorf("database: %w", err), u)
	}
	conns := stdlib.OpenDBFromPool(pool)
	db := &DB{
		dialect: Postgres, write: conns, read: conns,
		schema:  firstSchema(cfg.ConnConfig.RuntimeParams["search_path"]),
		closers: []func() error{conns.Close, func() error { pool.Close(); return nil }},
	}
	if err := db.Ping(ctx); err != nil {
		return nil, redact(errors.Join(err, db.Close()), u)
	}
	return db, nil
}

// firstSchema returns the schema that new tables go to, without quotes.
func firstSchema(searchPath string) string {
	first, _, _ := strings.Cut(searchPath, ",")
	first = strings.TrimSpace(first)
	if first == `"$user"` || first == "$user" {
		return ""
	}
	return strings.Trim(first, `"`)
}

func openSQLite(ctx context.Context, rest string, opts Options) (*DB, error) {
	db := &DB{dialect: SQLite}
	path, temporary := strings.TrimPrefix(rest, "//"), false
	switch {
	case path == "":
		return nil, errURL
	case path == ":memory:":
		dir, err := os.MkdirTemp("", "dispatcher-db-")
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		path, temporary = filepath.Join(dir, "data.db"), true
		db.closers = append(db.closers, func() error { return os.RemoveAll(dir) })
	}
	if err := db.openFile(path, temporary, opts); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	// The writer goes first: it makes the file and turns on its journal, which readers may not.
	if err := db.write.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, errors.Join(err, db.Close()))
	}
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openFile makes the two pools: one connection that writes, several that only read.
func (db *DB) openFile(path string, temporary bool, opts Options) error {
	sync := "NORMAL" // with WAL: survives the death of the process, and of the machine but for the last moments
	if temporary {
		sync = "OFF"
	}
	common := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", sqliteBusyTimeout.Milliseconds()),
		"foreign_keys(1)", "temp_store(MEMORY)",
	}}
	writer := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{}, common["_pragma"]...)}
	writer["_pragma"] = append(writer["_pragma"], "journal_mode(WAL)", "synchronous("+sync+")")
	reader := url.Values{"_pragma": append(append([]string{}, common["_pragma"]...), "query_only(1)")}

	var err error
	if db.write, err = sql.Open("sqlite", fileDSN(path, writer)); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	db.write.SetMaxOpenConns(1)
	db.closers = append([]func() error{db.write.Close}, db.closers...)
	if db.read, err = sql.Open("sqlite", fileDSN(path, reader)); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	n := orDefault(opts.MaxConns, max(2, runtime.GOMAXPROCS(0)))
	db.read.SetMaxOpenConns(n)
	db.read.SetMaxIdleConns(n)
	db.closers = append([]func() error{db.read.Close}, db.closers...)
	return nil
}

func fileDSN(path string, params url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: params.Encode()}).String()
}

func orDefault[T int | time.Duration](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}
