package catalogue_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/catalogue"
)

func TestDefaultHasExamples(t *testing.T) {
	c := catalogue.Default()
	if got := c.Names(); !slices.Equal(got, []string{"ConversationComplete", "SessionStarted"}) {
		t.Fatalf("names: %q", got)
	}
	for _, typ := range c.Types() {
		if !strings.Contains(string(typ.Example), `"session_id"`) || typ.Description == "" {
			t.Errorf("%s: description %q, example %.40q", typ.Name, typ.Description, typ.Example)
		}
	}
}

func TestSelectable(t *testing.T) {
	c := catalogue.Default()
	for selection, want := range map[string]bool{
		"SessionStarted": true, "sessionstarted": false, "*": true, "Conversation*": true, "Future*": true,
		"": false, "Con*sation": false, "**": false, "Con versation*": false, "Unknown": false,
	} {
		if got := c.Selectable(selection); got != want {
			t.Errorf("Selectable(%q) = %t, want %t", selection, got, want)
		}
	}
}

func TestLoad(t *testing.T) {
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "types.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, err := catalogue.Load(write(`[{"name":"CallTransferred","max_age":"24h","example":{"a":1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.MaxAge("CallTransferred"); got != 24*time.Hour {
		t.Errorf("max age %s", got)
	}
	if got := c.MaxAge("Other"); got != 0 {
		t.Errorf("a type that is not listed has max age %s", got)
	}
	for content, want := range map[string]string{
		`{}`:                             "cannot unmarshal",
		`[{"name":"a b"}]`:               "want 1 to 128",
		`[{"name":"A"},{"name":"A"}]`:    "stands twice",
		`[{"name":"A","maxage":"1h"}]`:   "unknown field",
		`[{"name":"A","max_age":"-1h"}]`: "not a duration",
		`[{"name":"A","example":[1]}]`:   "not an object",
		`[{"name":"A"}] []`:              "follows the array",
	} {
		if _, err := catalogue.Load(write(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", content, err, want)
		}
	}
	if _, err := catalogue.Load(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file loads")
	}
}
