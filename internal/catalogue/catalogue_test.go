package catalogue_test

import (
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

func TestParse(t *testing.T) {
	c, err := catalogue.Parse([]byte(`[{"name":"CallTransferred","max_age":"24h","example":{"a":1},
		"schema":{"type":"object","properties":{"a":{"type":"integer"}}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	if age, listed := c.Rule("CallTransferred"); age != 24*time.Hour || !listed {
		t.Errorf("max age %s, listed %t", age, listed)
	}
	if age, listed := c.Rule("Other"); age != 0 || listed {
		t.Errorf("a type that is not listed: max age %s, listed %t", age, listed)
	}
	for content, want := range map[string]string{
		`{}`:                             "cannot unmarshal",
		`[]`:                             "no type is in it",
		`null`:                           "no type is in it",
		`[{"name":"a b"}]`:               "want 1 to 128",
		`[{"name":"A"},{"name":"A"}]`:    "stands twice",
		`[{"name":"A","maxage":"1h"}]`:   "unknown field",
		`[{"name":"A","max_age":"-1h"}]`: "not a duration",
		`[{"name":"A","example":[1]}]`:   "not an object",
		`[{"name":"A"}] []`:              "follows the array",
		`[{"name":"A","schema":{"type":"strin"}}]`:                                "type A: schema: ",
		`[{"name":"A","schema":{"$ref":"file:///etc/hosts"}}]`:                    "type A: schema: ",
		`[{"name":"A","schema":{"required":["b"]},"example":{"a":1}}]`:            "type A: example does not fit the schema: ",
		`[{"name":"A","schema":{"properties":{"a":false}},"example":{"a":1}},{}]`: "name \"\": want",
	} {
		if _, err := catalogue.Parse([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", content, err, want)
		}
	}
}
