package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func testSet(versions int) Set {
	set := fstest.MapFS{}
	for v := 1; v <= versions; v++ {
		body := fmt.Sprintf("-- +goose Up\nCREATE TABLE thing%d (id TEXT PRIMARY KEY, n BIGINT NOT NULL);\n", v)
		for _, dir := range []string{"postgres", "sqlite"} {
			set[fmt.Sprintf("%s/%05d_thing.sql", dir, v)] = &fstest.MapFile{Data: []byte(body)}
		}
	}
	return Set{Name: "things", FS: set}
}

func openSQLiteFile(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "a b?#%.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestMigrateAndCheck(t *testing.T) {
	testMigrateAndCheck(t, openSQLiteFile(t))
}

func testMigrateAndCheck(t *testing.T, db *DB) {
	ctx := t.Context()
	wantErr(t, db.Check(ctx, testSet(2)), "does not exist yet: run dispatcher migrate")
	for range 2 {
		if err := db.Migrate(ctx, testSet(2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Check(ctx, testSet(2)); err != nil {
		t.Fatal(err)
	}
	wantErr(t, db.Check(ctx, testSet(3)), "at version 2, this program needs 3: run dispatcher migrate")
	wantErr(t, db.Check(ctx, testSet(1)), "at version 2, newer than the 1 that this program knows")
	other := testSet(2)
	other.Name = "others"
	wantErr(t, db.Check(ctx, other), `"others" does not exist yet`)
}

func wantErr(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line with %q", err, part)
	}
}

func TestTransactions(t *testing.T) { testTransactions(t, openSQLiteFile(t)) }

func testTransactions(t *testing.T, db *DB) {
	ctx := t.Context()
	if err := db.Migrate(ctx, testSet(1)); err != nil {
		t.Fatal(err)
	}
	insert := func(q Querier, id string) error {
		_, err := q.Exec(ctx, `INSERT INTO thing1 (id, n) VALUES `+Rows(1, 2), id, 7)
		return err
	}
	if err := db.Tx(ctx, func(tx *Tx) error { return insert(tx, "kept?") }); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if err := db.Tx(ctx, func(tx *Tx) error { return errors.Join(insert(tx, "lost"), failed) }); !errors.Is(err, failed) {
		t.Fatalf("got %v", err)
	}
	err := db.Tx(ctx, func(tx *Tx) error { return insert(tx, "kept?") })
	if !Duplicate(err) || Contended(err) {
		t.Fatalf("second insert: %v, want a duplicate", err)
	}
	var id string
	err = db.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT id FROM thing1 WHERE id = 'kept?' AND n = ?`, 7).Scan(&id)
	})
	if err != nil || id != "kept?" {
		t.Fatalf("read %q, %v", id, err)
	}
	if err := db.QueryRow(ctx, `SELECT id FROM thing1 WHERE id = ?`, "lost").Scan(&id); !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("rolled back row: %q, %v", id, err)
	}
}

// A reader that is in the middle of its rows does not stop the writer.
func TestReadersDoNotBlockTheWriter(t *testing.T) {
	db, ctx := openSQLiteFile(t), t.Context()
	if err := db.Migrate(ctx, testSet(1)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := db.Exec(ctx, `INSERT INTO thing1 VALUES (?, ?)`, fmt.Sprint(i), i); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Query(ctx, `SELECT id FROM thing1 ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for rows.Next() {
		if _, err := db.Exec(ctx, `INSERT INTO thing1 VALUES (?, 0)`, fmt.Sprint("more", seen)); err != nil {
			t.Fatal(err)
		}
		seen++
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || seen != 3 {
		t.Fatalf("saw %d rows, %v", seen, err)
	}
	if _, err := db.read.ExecContext(ctx, `DELETE FROM thing1`); err == nil {
		t.Fatal("a reader could write")
	}
}

func TestMemoryIsOneDatabaseForAllConnections(t *testing.T) {
	db, err := Open(t.Context(), "sqlite::memory:", Options{})
	if err != nil {
		t.Fatal(err)
	}
	testTransactions(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenErrorsHoldNoCredentials(t *testing.T) {
	for _, raw := range []string{
		"postgres://user:hunter%2f2@127.0.0.1:1/db?connect_timeout=1",
		"postgres://user:hunter%2f2@127.0.0.1:1/db?sslmode=nonsense",
		"postgres://127.0.0.1:1/db?user=u&password=hunter%2f2&pool_max_conns=none",
		"postgres://user:hunter/2@[::1/db",
		"mysql://user:hunter/2@db", "sqlite:", "",
	} {
		_, err := Open(t.Context(), raw, Options{})
		if err == nil {
			t.Errorf("%s: opened", raw)
			continue
		}
		if strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error of %s: %q", raw, err)
		}
	}
}

func TestRedact(t *testing.T) {
	u, err := url.Parse("postgres://u:p%40ss@h/db?sslpassword=x+y")
	if err != nil {
		t.Fatal(err)
	}
	got := redact(errors.Join(errors.New("a p@ss b p%40ss"), context.Canceled, errors.New("x y x+y")), u)
	if got.Error() != "a *** b *** context canceled *** ***" || !errors.Is(got, context.Canceled) {
		t.Errorf("got %q", got)
	}
}

func TestRebind(t *testing.T) {
	const query = `SELECT a FROM t WHERE a = ? AND b = 'it''s ?' AND c IN (?,?)`
	if got := SQLite.rebind(query); got != query {
		t.Errorf("sqlite: %s", got)
	}
	if got, want := Postgres.rebind(query), `SELECT a FROM t WHERE a = $1 AND b = 'it''s ?' AND c IN ($2,$3)`; got != want {
		t.Errorf("postgres: %s", got)
	}
	if got := Rows(2, 3); got != "(?,?,?),(?,?,?)" {
		t.Errorf("rows: %s", got)
	}
}

func TestFirstSchema(t *testing.T) {
	for path, want := range map[string]string{
		"": "", "voxagent": "voxagent", `"Odd Name", public`: "Odd Name", `"$user", public`: "",
	} {
		if got := firstSchema(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
