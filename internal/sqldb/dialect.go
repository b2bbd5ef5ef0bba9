package sqldb

import (
	"strconv"
	"strings"
)

// Dialect is the database's kind.
type Dialect uint8

// The dialects. A migration set has a folder for each, named by String.
const (
	Postgres Dialect = iota + 1
	SQLite
)

// String returns the folder name of the dialect's migrations.
func (d Dialect) String() string {
	switch d {
	case Postgres:
		return "postgres"
	case SQLite:
		return "sqlite"
	}
	return "unknown"
}

// rebind writes the arguments of query as the dialect wants them: ? becomes $1, $2, … on PostgreSQL. Text between
// single quotes is left alone.
func (d Dialect) rebind(query string) string {
	if d != Postgres || strings.IndexByte(query, '?') < 0 {
		return query
	}
	out := make([]byte, 0, len(query)+32)
	quoted, n := false, 0
	for i := range len(query) {
		switch c := query[i]; {
		case c == '?' && !quoted:
			n++
			out = strconv.AppendInt(append(out, '$'), int64(n), 10)
		default:
			quoted = quoted != (c == '\'')
			out = append(out, c)
		}
	}
	return string(out)
}

// List returns "(?,?,?)" with n marks, for IN and for a row of VALUES. n is at least 1.
func List(n int) string {
	return "(" + strings.Repeat("?,", n-1) + "?)"
}

// Rows returns n lists of cols marks with commas between, for a VALUES of several rows. PostgreSQL takes at most 65,535
// arguments in one statement, SQLite 32,766.
func Rows(n, cols int) string {
	list := List(cols)
	return strings.Repeat(list+",", n-1) + list
}
