package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// Config says for how long history is kept.
type Config struct {
	// History is how long events, deliveries and attempts are kept, from the event's source record on; at least an hour.
	History time.Duration
	// Payloads is how long bodies are kept, at most History; 0: not at all.
	Payloads time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Validate joins all complaints.
func (c Config) Validate() error {
	var errs []error
	if c.History < time.Hour {
		errs = append(errs, fmt.Errorf("history retention is %s, must be at least 1h", c.History))
	}
	if c.Payloads < 0 || c.Payloads > c.History {
		errs = append(errs, fmt.Errorf("payload retention is %s, must be from 0 to the history retention of %s", c.Payloads, c.History))
	}
	return errors.Join(errs...)
}

// Store is the history in SQL. It is safe for concurrent use, also by several processes on one database.
type Store struct {
	db  *sqldb.DB
	cfg Config
}

var _ Reader = (*Store)(nil)

// New returns a store in db, whose tables must be there (Migrations).
func New(db *sqldb.DB, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{db: db, cfg: cfg}, nil
}
