package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests run the real go command on small modules: its JSON is not ours to imitate.
func TestReport(t *testing.T) {
	for _, tc := range []struct {
		name, source string
		last         string
		ok           bool
		contains     []string
		lacks        []string
	}{
		{
			name:   "all pass",
			source: `func TestA(t *testing.T) { t.Log("chatter"); for _, n := range []string{"x", "y"} { t.Run(n, func(*testing.T) {}) } }; func TestB(*testing.T) {}`,
			last:   "3 passed, 0 failed, 0 skipped", ok: true,
			contains: []string{"ok    example.org/m  3 tests"}, lacks: []string{"chatter"},
		},
		{
			name:   "failure is shown in full, success is not",
			source: `func TestBad(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Error("the reason") }) }; func TestGood(t *testing.T) { t.Log("chatter") }`,
			last:   "1 passed, 1 failed, 0 skipped",
			// The parent failed only through its subtest.
			contains: []string{"the reason", "TestBad/sub"}, lacks: []string{"chatter", "TestGood"},
		},
		{
			name:   "parent fails by itself",
			source: `func TestBad(t *testing.T) { t.Run("sub", func(*testing.T) {}); t.Error("the reason") }`,
			last:   "1 passed, 1 failed, 0 skipped", contains: []string{"the reason"},
		},
		{
			name:   "a skip fails the run",
			source: `func TestLazy(t *testing.T) { t.Skip("no time") }`,
			last:   "0 passed, 0 failed, 1 skipped", contains: []string{"no time"},
		},
		{
			name:   "panic",
			source: `func TestA(*testing.T) {}; func TestB(*testing.T) { go func() { panic("boom") }(); select {} }`,
			last:   "1 passed, 1 failed, 0 skipped", contains: []string{"boom"},
		},
		{
			name:   "does not build",
			source: `func TestA(*testing.T) { undefinedName() }`,
			last:   "0 passed, 1 failed, 0 skipped", contains: []string{"undefinedName"},
		},
		{
			name:   "fails outside of any test",
			source: `func TestA(*testing.T) {}; func TestMain(m *testing.M) { m.Run(); println("late trouble"); panic("after") }`,
			last:   "1 passed, 1 failed, 0 skipped", contains: []string{"late trouble"},
		},
		{
			name: "nothing to run", source: `var _ testing.TB`,
			last: "0 passed, 1 failed, 0 skipped",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			report, ok := report(t, tc.source)
			lines := strings.Split(strings.TrimRight(report, "\n"), "\n")
			if last := lines[len(lines)-1]; last != tc.last || ok != tc.ok {
				t.Errorf("last line %q, ok %v; want %q, %v", last, ok, tc.last, tc.ok)
			}
			for _, want := range tc.contains {
				if !strings.Contains(report, want) {
					t.Errorf("report lacks %q", want)
				}
			}
			for _, unwanted := range tc.lacks {
				if strings.Contains(report, unwanted) {
					t.Errorf("report has %q", unwanted)
				}
			}
			if t.Failed() {
				t.Log(report)
			}
		})
	}
}

// report runs gotest on a module with the one test file.
func report(t *testing.T, source string) (string, bool) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"go.mod":    "module example.org/m\n\ngo 1.26\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\n" + source + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	ok, err := run([]string{"-count=1", "./..."}, &out, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), ok
}
