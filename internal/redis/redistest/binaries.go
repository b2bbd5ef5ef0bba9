package redistest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// Binaries are the servers that there are besides that of the PATH, by name: redis-8, valkey-9.
func Binaries(tb testing.TB) map[string]string {
	tb.Helper()
	dir := testenv.Fetched(tb, "redis")
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		found[e.Name()] = filepath.Join(dir, e.Name())
	}
	return found
}
