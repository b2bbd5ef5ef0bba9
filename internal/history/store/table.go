package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// column is one column of a table whose rows are held as R. at points to the field: *string, *int64 or *[]byte.
type column[R any] struct {
	name string
	at   func(*R) any
}

// table reads and writes rows of one SQL table. Its statements are made once, so that a database prepares each once.
type table[R any] struct {
	name    string
	columns []column[R]
	list    string // column names with commas
	unnest  string // PostgreSQL: INSERT of any number of rows, a list for each column
	values  string // SQLite: INSERT of one row
}

// newTable describes the table; tail is what follows the rows of an INSERT: the ON CONFLICT clause.
func newTable[R any](name, tail string, columns ...column[R]) *table[R] {
	names, types := make([]string, len(columns)), make([]string, len(columns))
	var zero R
	for i, c := range columns {
		names[i], types[i] = c.name, "?::"+pgArray(c.at(&zero))
	}
	list := strings.Join(names, ", ")
	head := "INSERT INTO " + name + " (" + list + ") "
	return &table[R]{
		name: name, columns: columns, list: list,
		unnest: head + "SELECT * FROM unnest(" + strings.Join(types, ", ") + ") " + tail,
		values: head + "VALUES " + sqldb.List(len(columns)) + " " + tail,
	}
}

func pgArray(field any) string {
	switch field.(type) {
	case *string:
		return "text[]"
	case *int64:
		return "bigint[]"
	}
	return "bytea[]"
}

// overwrite returns an ON CONFLICT clause that takes all columns of the new row where the condition holds, in which the
// stored row is called by the table's name and the new one excluded.
func overwrite(key, condition string, columns ...string) string {
	set := make([]string, len(columns))
	for i, c := range columns {
		set[i] = c + " = excluded." + c
	}
	return "ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", ") + " WHERE " + condition
}

// maxRows bounds what one statement carries: an event may have thousands of deliveries.
const maxRows = 5000

// insert writes rows, which differ in their keys, and returns how many were inserted or changed.
func (t *table[R]) insert(ctx context.Context, tx *sqldb.Tx, rows []R) (total int64, err error) {
	write := t.insertEach
	if tx.Dialect() == sqldb.Postgres {
		write = t.insertLists
	}
	for part := range slices.Chunk(rows, maxRows) {
		n, err := write(ctx, tx, part)
		if err != nil {
			return 0, fmt.Errorf("write %d rows of %s: %w", len(part), t.name, err)
		}
		total += n
	}
	return total, nil
}

// insertLists sends a list for each column.
func (t *table[R]) insertLists(ctx context.Context, tx *sqldb.Tx, rows []R) (int64, error) {
	args := make([]any, len(t.columns))
	for i, c := range t.columns {
		switch c.at(&rows[0]).(type) {
		case *string:
			args[i] = gather[R, string](c, rows)
		case *int64:
			args[i] = gather[R, int64](c, rows)
		default:
			args[i] = gatherBytes(c, rows)
		}
	}
	res, err := tx.Exec(ctx, t.unnest, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func gather[R, V any](c column[R], rows []R) []V {
	list := make([]V, len(rows))
	for i := range rows {
		list[i] = *c.at(&rows[i]).(*V)
	}
	return list
}

// gatherBytes is gather for bytes, of which nil would become NULL.
func gatherBytes[R any](c column[R], rows []R) [][]byte {
	list := make([][]byte, len(rows))
	for i := range rows {
		list[i] = value(c.at(&rows[i])).([]byte)
	}
	return list
}

// insertEach runs a prepared statement for each row: SQLite is in this process, so there is no way to save.
func (t *table[R]) insertEach(ctx context.Context, tx *sqldb.Tx, rows []R) (total int64, err error) {
	stmt, err := tx.Prepare(ctx, t.values)
	if err != nil {
		return 0, err
	}
	defer func() { _ = stmt.Close() }()
	args := make([]any, len(t.columns))
	for i := range rows {
		for j, c := range t.columns {
			args[j] = value(c.at(&rows[i]))
		}
		res, err := stmt.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func value(field any) any {
	switch f := field.(type) {
	case *string:
		return *f
	case *int64:
		return *f
	case *[]byte:
		if *f == nil {
			return []byte{} // NULL otherwise
		}
		return *f
	}
	return nil
}

// load returns the rows that the rest of the statement (WHERE …) selects.
func (t *table[R]) load(ctx context.Context, q sqldb.Querier, where string, args ...any) ([]R, error) {
	rows, err := q.Query(ctx, "SELECT "+t.list+" FROM "+t.name+" "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, err)
	}
	found, err := collect(rows, func(r *R) []any {
		fields := make([]any, len(t.columns))
		for i, c := range t.columns {
			fields[i] = c.at(r)
		}
		return fields
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.name, err)
	}
	return found, nil
}

// collect reads all rows; fields points to where a row's columns go.
func collect[R any](rows *sql.Rows, fields func(*R) []any) ([]R, error) {
	defer func() { _ = rows.Close() }()
	var found []R
	for rows.Next() {
		found = append(found, *new(R))
		if err := rows.Scan(fields(&found[len(found)-1])...); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}

// among returns the condition that column is one of values, as one argument, so that the statement's text is the same
// for any number of them.
func among(d sqldb.Dialect, column string, values []string) (string, any) {
	if d == sqldb.Postgres {
		return column + " = ANY(?)", values
	}
	list, err := json.Marshal(values)
	if err != nil {
		panic(err) // a list of strings always encodes
	}
	return column + " IN (SELECT value FROM json_each(?))", string(list)
}
