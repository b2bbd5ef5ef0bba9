package subscription

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Migrations is the schema that a Store needs.
func Migrations() sqldb.Set {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name above is valid
	}
	return sqldb.Set{Name: "subscription", FS: sub}
}

// Config is what a Store needs to know. Functions must be safe for concurrent use.
type Config struct {
	// CheckURL says what is wrong with a destination, in words for the customer, without any network call. Required.
	CheckURL func(url string) error
	// CheckHeader says what is wrong with one static request header. Required.
	CheckHeader func(name, value string) error
	// EventTypes returns the known event types. Required.
	EventTypes func() []string
	// MaxWebhooks is how many webhooks a workspace may have that has no limit of its own; 0: 1,000.
	MaxWebhooks int
	// MaxEventTypes is how many event types, and patterns of them, one webhook may choose; 0: 100.
	MaxEventTypes int
	// MaxURLBytes is how long a URL may be; 0: 2048.
	MaxURLBytes int
	// AuditRetention is how long entries of the audit log are kept; 0: for ever.
	AuditRetention time.Duration
	// Changed is called after each committed change, to hint to others that there is something to read. It must not
	// block. Nil: nobody is told; they find out within 250 ms.
	Changed func()
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

const (
	defaultMaxWebhooks   = 1000
	defaultMaxEventTypes = 100
	defaultMaxURLBytes   = 2048
)

// Store keeps webhooks in SQL. It is safe for concurrent use.
type Store struct {
	db   *sqldb.DB
	keys *Keyring
	cfg  Config
}

var _ Repository = (*Store)(nil)

// NewStore returns a Store on db, which has been migrated to Migrations.
func NewStore(db *sqldb.DB, keys *Keyring, cfg Config) (*Store, error) {
	if cfg.CheckURL == nil || cfg.CheckHeader == nil || cfg.EventTypes == nil {
		return nil, errors.New("subscription: CheckURL, CheckHeader and EventTypes are required")
	}
	for _, limit := range []struct {
		value    *int
		standard int
	}{
		{&cfg.MaxWebhooks, defaultMaxWebhooks}, {&cfg.MaxEventTypes, defaultMaxEventTypes}, {&cfg.MaxURLBytes, defaultMaxURLBytes},
	} {
		if *limit.value <= 0 {
			*limit.value = limit.standard
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{db: db, keys: keys, cfg: cfg}, nil
}

// CheckKeys says in one line which encryption key is missing to open what is stored.
func (s *Store) CheckKeys(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `SELECT sealed_by, COUNT(*) FROM webhooks GROUP BY sealed_by`)
	if err != nil {
		return fmt.Errorf("read which encryption keys are in use: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var missing []string
	for rows.Next() {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			return fmt.Errorf("read which encryption keys are in use: %w", err)
		}
		if !s.keys.has(key) {
			missing = append(missing, fmt.Sprintf("%d webhooks are sealed by key %s, which was not given", n, key))
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read which encryption keys are in use: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s", ErrSealed, strings.Join(missing, "; "))
	}
	return nil
}

// now is the clock in the precision that is stored.
func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// write runs fn in a transaction. If fn says that it changed something, the change is appended to the feed in the same
// transaction, and others are told once it is committed.
func (s *Store) write(ctx context.Context, c change, fn func(tx *sqldb.Tx) (changed bool, err error)) error {
	changed := false
	err := s.db.Tx(ctx, func(tx *sqldb.Tx) (err error) {
		if changed, err = fn(tx); err != nil || !changed {
			return err
		}
		return appendChange(ctx, tx, c, s.now())
	})
	if err == nil && changed && s.cfg.Changed != nil {
		s.cfg.Changed()
	}
	return err
}

// millis is a time as it is stored: Unix milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// lockRow is what a SELECT ends with that reads a row in order to change it. SQLite's writer is alone anyway.
func lockRow(q sqldb.Querier) string {
	if q.Dialect() == sqldb.Postgres {
		return ` FOR UPDATE`
	}
	return ``
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
