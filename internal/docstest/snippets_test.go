package docstest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pages are what the tests run, relative to this package.
var pages = []string{"../../docs/receiving.md", "../../docs/publishing.md"}

// snippets returns the files that the pages show, by name.
func snippets(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if err := extract(string(text), files); err != nil {
			t.Fatalf("%s: %v", page, err)
		}
	}
	return files
}

// extract adds the fenced blocks of a page to files, by the names in the comments before them.
func extract(page string, files map[string]string) error {
	name, open := "", false
	var text strings.Builder
	number := 0
	for line := range strings.Lines(page) {
		number++
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence && !open && name == "":
			return fmt.Errorf("line %d: no comment names the file that begins here", number)
		case fence && !open:
			open = true
			text.Reset()
		case fence:
			if _, twice := files[name]; twice {
				return fmt.Errorf("line %d: %s is there twice", number, name)
			}
			files[name] = text.String()
			name, open = "", false
		case open:
			text.WriteString(line)
		default:
			name = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "<!-- file: "), " -->")
			if !strings.HasPrefix(line, "<!-- file: ") {
				name = ""
			}
		}
	}
	if open {
		return fmt.Errorf("%s does not end", name)
	}
	return nil
}

// snippet returns one file.
func snippet(t *testing.T, name string) string {
	t.Helper()
	text, ok := snippets(t)[name]
	if !ok {
		t.Fatalf("no page shows %s", name)
	}
	return text
}

// layOut writes the files of a directory into a new folder and returns it. The folder lies in that of the part, where
// interpreters find their libraries, and lib/ leads to the jars.
func layOut(t *testing.T, directory, part string) string {
	t.Helper()
	folder, err := os.MkdirTemp(part, "run-") //nolint:usetesting // below the libraries, not somewhere
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	found := false
	for name, text := range snippets(t) {
		rest, ok := strings.CutPrefix(name, directory+"/")
		if !ok {
			continue
		}
		found = true
		path := filepath.Join(folder, rest)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Fatalf("no page shows files of %s", directory)
	}
	if err := os.Symlink(filepath.Join(part, "lib"), filepath.Join(folder, "lib")); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestEverySnippetIsRun: no block is on a page that no test runs.
func TestEverySnippetIsRun(t *testing.T) {
	directories := make(map[string]bool)
	for _, r := range receivers {
		directories[r.directory] = true
	}
	for _, r := range relays {
		directories[r.directory] = true
	}
	for _, name := range slices.Sorted(maps.Keys(snippets(t))) {
		directory, _, _ := strings.Cut(name, "/")
		if !directories[directory] && !slices.Contains(singleFiles, name) {
			t.Errorf("no test runs %s", name)
		}
	}
}

func TestExtract(t *testing.T) {
	files := make(map[string]string)
	if err := extract("text\n<!-- file: a/b.txt -->\n```js\none\n\ntwo\n```\n", files); err != nil || files["a/b.txt"] != "one\n\ntwo\n" {
		t.Errorf("extracted %q, %v", files, err)
	}
	for _, bad := range []string{
		"```js\nunnamed\n```\n",
		"<!-- file: a -->\nnot at once\n```js\n```\n",
		"<!-- file: a -->\n```js\nopen\n",
		"<!-- file: a/b.txt -->\n```js\nagain\n```\n",
	} {
		if err := extract(bad, files); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
