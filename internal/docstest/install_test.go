package docstest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// split takes the lines of a run.sh apart: those that install, as words, and those that start.
func split(script string) (installs [][]string, start string) {
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		switch strings.Join(words[:2], " ") {
		case "npm install", "pip install", "go mod", "go get":
			installs = append(installs, words)
		default:
			start += line
		}
	}
	return installs, start
}

// TestInstalledPackagesArePinned: what the pages tell to install is what the tests have, so what they run is what a reader gets.
func TestInstalledPackagesArePinned(t *testing.T) {
	for name, text := range snippets(t) {
		if filepath.Base(name) != "run.sh" {
			continue
		}
		installs, _ := split(text)
		for _, words := range installs {
			manifest := pinned(t, words[0])
			for _, word := range words[2:] {
				if strings.HasPrefix(word, "-") || words[1] == "mod" {
					continue
				}
				if !manifest(strings.Trim(word, "'")) {
					t.Errorf("%s installs %s, which is not pinned", name, word)
				}
			}
		}
	}
}

// pinned tells which packages the tests have, by the tool that installs them.
func pinned(t *testing.T, tool string) func(string) bool {
	t.Helper()
	switch tool {
	case "npm":
		var manifest struct {
			Dependencies    map[string]string `json:"dependencies"`
			DevDependencies map[string]string `json:"devDependencies"`
		}
		if err := json.Unmarshal([]byte(read(t, "testdata/node/package.json")), &manifest); err != nil {
			t.Fatal(err)
		}
		return func(pkg string) bool { return manifest.Dependencies[pkg] != "" || manifest.DevDependencies[pkg] != "" }
	case "pip":
		requirements := read(t, "testdata/python/requirements.txt")
		return func(distribution string) bool {
			distribution, _, _ = strings.Cut(distribution, "[") // extras
			return strings.HasPrefix(requirements, distribution+"==") || strings.Contains(requirements, "\n"+distribution+"==")
		}
	default:
		modules := read(t, "../../go.mod")
		return func(pkg string) bool {
			return strings.HasPrefix(pkg, "github.com/voxagent/dispatcher/") || strings.Contains(modules, "\t"+pkg+" v")
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// goModule makes a folder a module of its own: with what this project requires, and the project itself as it is here.
func goModule(t *testing.T, folder string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	own := "module github.com/voxagent/dispatcher\n"
	manifest, rest, ok := strings.Cut(read(t, filepath.Join(root, "go.mod")), own)
	if !ok || manifest != "" {
		t.Fatal("go.mod does not begin with its module")
	}
	manifest = "module example.com/snippet\n" + rest +
		"\nrequire github.com/voxagent/dispatcher v0.0.0\nreplace github.com/voxagent/dispatcher => " + root + "\n"
	for name, text := range map[string]string{"go.mod": manifest, "go.sum": read(t, filepath.Join(root, "go.sum"))} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
