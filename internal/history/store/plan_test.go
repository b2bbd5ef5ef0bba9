package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestFoldReadsNoWholeTable folds on one connection from empty tables on, which nobody analyses meanwhile: PostgreSQL's
// statistics say that no table was read row by row.
func TestFoldReadsNoWholeTable(t *testing.T) {
	t.Parallel()
	db, err := sqldb.Open(t.Context(), testenv.Postgres(t), sqldb.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), Migrations()); err != nil {
		t.Fatal(err)
	}
	s, err := New(db, Config{History: 24 * time.Hour, Payloads: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for batch := range 20 { // from the sixth on a connection may use one plan for all
		var records []Record
		for i := range 20 {
			st := story{eventID: fmt.Sprint("evt_", batch, "_", i), offset: batch*20 + i, at: now.Add(-time.Minute)}
			records = append(records, history(st.event(1, "wh_1")), history(st.attempt("wh_1", 1, 500, 0)), st.payload())
		}
		fold(t, s, records...)
		fold(t, s, records...)
	}
	if _, err := db.Exec(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
		t.Fatal(err)
	}
	var read int
	err = db.QueryRow(t.Context(), "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname <> 'history_schema_version'").Scan(&read)
	if err != nil || read != 0 {
		t.Errorf("%d rows read from whole tables, %v", read, err)
	}
}
