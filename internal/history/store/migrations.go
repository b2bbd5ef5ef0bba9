package store

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the history's tables, for sqldb.DB's Migrate and Check.
func Migrations() sqldb.Set {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err)) // a path that is a constant and valid
	}
	return sqldb.Set{Name: "history", FS: dir}
}
