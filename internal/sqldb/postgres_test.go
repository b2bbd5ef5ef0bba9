package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

func openPG(t *testing.T, url string) *DB {
	t.Helper()
	db, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestPostgres(t *testing.T) {
	t.Run("migrate", func(t *testing.T) { testMigrateAndCheck(t, openPG(t, testenv.Postgres(t))) })
	t.Run("transactions", func(t *testing.T) { testTransactions(t, openPG(t, testenv.Postgres(t))) })
}

// Two installations in one database, each with a schema of its own that Migrate makes.
func TestSchemaOfItsOwn(t *testing.T) {
	url, ctx := testenv.Postgres(t), t.Context()
	for _, schema := range []string{"voxagent", "Odd-Name"} {
		db := openPG(t, withParam(url, "search_path="+strings.ReplaceAll(`"`+schema+`"`, `"`, "%22")))
		wantErr(t, db.Check(ctx, testSet(1)), "does not exist yet")
		testTransactions(t, db)
		var n int
		err := db.QueryRow(ctx, `SELECT COUNT(*) FROM pg_tables WHERE schemaname = ?`, schema).Scan(&n)
		if err != nil || n != 2 {
			t.Errorf("%d tables in %s, %v", n, schema, err)
		}
	}
	plain := openPG(t, withParam(url, "search_path=voxagent"))
	if err := plain.Check(ctx, testSet(1)); err != nil {
		t.Error(err)
	}
	wantErr(t, openPG(t, url).Check(ctx, testSet(1)), "does not exist yet")
}

func withParam(url, param string) string {
	if strings.Contains(url, "?") {
		return url + "&" + param
	}
	return url + "?" + param
}

// Processes that migrate at the same time each succeed, and the migration is made once.
func TestMigrateTogether(t *testing.T) {
	url := withParam(testenv.Postgres(t), "search_path=together")
	var wg sync.WaitGroup
	for range 4 {
		db := openPG(t, url)
		wg.Go(func() {
			if err := db.Migrate(t.Context(), testSet(3)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPostgresErrorsHoldNoCredentials(t *testing.T) {
	url := testenv.Postgres(t)
	_, host, _ := strings.Cut(url, "@")
	_, err := Open(t.Context(), "postgres://nobody-here:hunter%2f2@"+host, Options{})
	if err == nil || strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
}

// A deadlock is run again by Tx, so neither side sees it.
func TestDeadlockRunsAgain(t *testing.T) {
	db, ctx := openPG(t, testenv.Postgres(t)), t.Context()
	if err := db.Migrate(ctx, testSet(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `INSERT INTO thing1 VALUES ('a', 0), ('b', 0)`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var both sync.WaitGroup
	both.Add(2)
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		first := true
		wg.Go(func() {
			err := db.Tx(ctx, func(tx *Tx) error {
				for i, id := range order {
					if _, err := tx.Exec(ctx, `UPDATE thing1 SET n = n + 1 WHERE id = ?`, id); err != nil {
						return err
					}
					if i == 0 && first { // both hold their first row before either asks for its second
						first = false
						both.Done()
						both.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var sum int
	if err := db.QueryRow(ctx, `SELECT SUM(n) FROM thing1`).Scan(&sum); err != nil || sum != 4 {
		t.Errorf("sum %d, %v", sum, err)
	}
}

func TestOpenGivesUpInTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	// TEST-NET-1: nobody answers.
	_, err := Open(ctx, "postgres://u:hunter2@192.0.2.1:5432/db", Options{})
	if err == nil || strings.Contains(fmt.Sprint(err), "hunter2") || errors.Is(t.Context().Err(), context.Canceled) {
		t.Errorf("error %v", err)
	}
}
