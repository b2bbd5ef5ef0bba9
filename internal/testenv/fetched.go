package testenv

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Fetched returns the directory of a part that scripts/test-deps.sh fetched; its head says which parts there are.
func Fetched(tb testing.TB, part string) string {
	tb.Helper()
	root, err := moduleRoot()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), filepath.Join(root, "scripts", "test-deps.sh"), "where", part)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v: %s", part, err, complaint.Bytes())
	}
	return strings.TrimSpace(string(out))
}
