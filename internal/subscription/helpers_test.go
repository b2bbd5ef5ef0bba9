package subscription

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// onBoth runs the test on PostgreSQL and on SQLite, each with an empty, migrated database.
func onBoth(t *testing.T, test func(t *testing.T, url string, db *sqldb.DB)) {
	t.Run("postgres", func(t *testing.T) {
		url := testenv.Postgres(t)
		test(t, url, openDB(t, url))
	})
	t.Run("sqlite", func(t *testing.T) {
		url := "sqlite:" + t.TempDir() + "/data.db"
		test(t, url, openDB(t, url))
	})
}

func openDB(t testing.TB, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), Migrations()); err != nil {
		t.Fatal(err)
	}
	return db
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func testKeys(t testing.TB, seeds ...byte) *Keyring {
	t.Helper()
	var keys [][]byte
	for _, seed := range seeds {
		keys = append(keys, []byte(strings.Repeat(string(rune(seed)), KeySize)))
	}
	ring, err := NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func testConfig() Config {
	return Config{
		CheckURL: func(u string) error {
			if !strings.HasPrefix(u, "https://") {
				return errors.New("want an https:// address")
			}
			return nil
		},
		CheckHeader: func(name, _ string) error {
			if strings.EqualFold(name, "Host") {
				return errors.New("is not allowed")
			}
			return nil
		},
		EventTypes: func() []string { return []string{"ConversationComplete", "SessionStarted"} },
	}
}

func newTestStore(t testing.TB, db *sqldb.DB, change ...func(*Config)) *Store {
	t.Helper()
	cfg := testConfig()
	for _, c := range change {
		c(&cfg)
	}
	s, err := NewStore(db, testKeys(t, 'k'), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var someone = Actor{KeyID: "key_1", Name: "Ada", Addr: "192.0.2.1"}

func hook(url string) New { return New{URL: url, EventTypes: []string{"*"}} }

func create(t testing.TB, s *Store, workspace string, n New) Created {
	t.Helper()
	c, err := s.Create(t.Context(), someone, workspace, n, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantFaults checks the locations of an Invalid.
func wantFaults(t *testing.T, what string, err error, locations ...string) {
	t.Helper()
	invalid, ok := errors.AsType[Invalid](err)
	var got []string
	for _, f := range invalid {
		got = append(got, f.Location)
	}
	if !ok || fmt.Sprint(got) != fmt.Sprint(locations) {
		t.Errorf("%s: %v, want faults at %v", what, err, locations)
	}
}

func audit(t testing.TB, s *Store, workspace string) []AuditEntry {
	t.Helper()
	list, err := s.AuditLog(context.WithoutCancel(t.Context()), workspace, Page{Limit: 250})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
