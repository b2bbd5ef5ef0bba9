package event_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/pkg/event"
)

// schema is the part of JSON Schema that ours use. Decoding one refuses any other keyword, so none
// can stand there unchecked.
type schema struct {
	Schema               string             `json:"$schema"`
	ID                   string             `json:"$id"`
	Ref                  string             `json:"$ref"`
	Defs                 map[string]*schema `json:"$defs"`
	Title                string             `json:"title"`
	Description          string             `json:"description"`
	Type                 any                `json:"type"`
	Required             []string           `json:"required"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties *bool              `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	PrefixItems          []*schema          `json:"prefixItems"`
	MinItems             int                `json:"minItems"`
	MaxItems             *int               `json:"maxItems"`
	Pattern              string             `json:"pattern"`
	Format               string             `json:"format"`
	MinLength            int                `json:"minLength"`
	MaxLength            *int               `json:"maxLength"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	Enum                 []any              `json:"enum"`
	Const                any                `json:"const"`
	Examples             []any              `json:"examples"`
	AnyOf                []*schema          `json:"anyOf"`
	AllOf                []*schema          `json:"allOf"`
	If                   *schema            `json:"if"`
	Then                 *schema            `json:"then"`
}

func loadSchema(t *testing.T, name string) *schema {
	t.Helper()
	b, err := event.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	s := new(schema)
	if err := d.Decode(s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" || s.Title == "" || s.Description == "" {
		t.Errorf("%s: no draft, title or description", name)
	}
	return s
}

// faults returns what is wrong with v by s; strict also refuses properties that s does not list.
func faults(root, s *schema, v any, path string, strict bool) []string {
	if s.Ref != "" {
		return faults(root, root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")], v, path, strict)
	}
	var all []string
	add := func(format string, args ...any) { all = append(all, path+": "+fmt.Sprintf(format, args...)) }
	if s.Type != nil && !typeFits(s.Type, v) {
		add("is %T, want %v", v, s.Type)
		return all
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) || s.Const != nil && s.Const != v {
		add("%v is not one of %v %v", v, s.Enum, s.Const)
	}
	if len(s.AnyOf) > 0 && !slices.ContainsFunc(s.AnyOf, func(o *schema) bool { return len(faults(root, o, v, path, strict)) == 0 }) {
		add("fits none of anyOf: %v", v)
	}
	for _, o := range s.AllOf {
		if len(faults(root, o.If, v, path, false)) == 0 {
			all = append(all, faults(root, o.Then, v, path, false)...)
		}
	}
	switch v := v.(type) {
	case string:
		all = append(all, textFaults(s, v, path)...)
	case float64:
		if s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum {
			add("%v out of bounds", v)
		}
	case []any:
		all = append(all, itemFaults(root, s, v, path, strict)...)
	case map[string]any:
		all = append(all, memberFaults(root, s, v, path, strict)...)
	}
	return all
}

func textFaults(s *schema, v, path string) (all []string) {
	if n := utf8.RuneCountInString(v); n < s.MinLength || s.MaxLength != nil && n > *s.MaxLength {
		all = append(all, fmt.Sprintf("%s: %d characters", path, n))
	}
	// Go's expressions have no look-ahead; the only one there is checked by hand.
	pattern := strings.Replace(s.Pattern, "(?!evt_test_)", "", 1)
	if !regexp.MustCompile(pattern).MatchString(v) || pattern != s.Pattern && strings.HasPrefix(v, "evt_test_") {
		all = append(all, fmt.Sprintf("%s: %q does not match %s", path, v, s.Pattern))
	}
	if s.Format != "" {
		if _, err := time.Parse(time.RFC3339, v); s.Format != "date-time" || err != nil {
			all = append(all, fmt.Sprintf("%s: %q is no %s: %v", path, v, s.Format, err))
		}
	}
	return all
}

func itemFaults(root, s *schema, v []any, path string, strict bool) (all []string) {
	if len(v) < s.MinItems || s.MaxItems != nil && len(v) > *s.MaxItems {
		all = append(all, fmt.Sprintf("%s: %d items", path, len(v)))
	}
	for i, item := range v {
		of := s.Items
		if i < len(s.PrefixItems) {
			of = s.PrefixItems[i]
		}
		if of != nil {
			all = append(all, faults(root, of, item, fmt.Sprintf("%s[%d]", path, i), strict)...)
		}
	}
	return all
}

func memberFaults(root, s *schema, v map[string]any, path string, strict bool) (all []string) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			all = append(all, path+": "+name+" is missing")
		}
	}
	for name, value := range v {
		if p := s.Properties[name]; p != nil {
			all = append(all, faults(root, p, value, path+"."+name, strict)...)
		} else if strict && s.Properties != nil {
			all = append(all, path+": "+name+" is not described")
		}
	}
	return all
}

func typeFits(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return typeFits(w, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == math.Trunc(v)
	case []any:
		return want == "array"
	}
	return want == "object"
}

func decoded(t *testing.T, value []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(value, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Each record is described by its own definition, every field of it, and taking any required
// field away is noticed.
func TestRecordsFitTheirSchema(t *testing.T) {
	root := loadSchema(t, "history")
	for i, r := range records() {
		def := root.Defs[string(r.RecordType())]
		v := decoded(t, r.AppendJSON(nil))
		if f := faults(root, def, v, string(r.RecordType()), true); f != nil {
			t.Errorf("record %d: %q", i, f)
		}
		if f := faults(root, root, v, "record", false); f != nil {
			t.Errorf("record %d as a history record: %q", i, f)
		}
		for _, name := range def.Required {
			less := maps.Clone(v)
			delete(less, name)
			if faults(root, def, less, "", true) == nil {
				t.Errorf("record %d without %s passes", i, name)
			}
			less[name] = []any{[]any{}}
			if faults(root, def, less, "", true) == nil {
				t.Errorf("record %d with a wrong %s passes", i, name)
			}
		}
	}
}

func TestNoticesFitTheirSchema(t *testing.T) {
	root := loadSchema(t, "notice")
	for _, n := range notices() {
		v := decoded(t, n.AppendJSON(nil))
		if f := faults(root, root, v, string(n.Type), true); f != nil {
			t.Errorf("%q", f)
		}
		delete(v, "webhook_id")
		delete(v, "source")
		if faults(root, root, v, "", true) == nil {
			t.Errorf("%s without what it is about passes", n.Type)
		}
	}
}

// The schema and the parser take the same events, as far as a schema can say it.
func TestEventSchemaAgreesWithParse(t *testing.T) {
	root := loadSchema(t, "event")
	values := []string{
		good(), good("-id"), good("id=null"), good("timestamp=null"), good("x=1"), good("-data"), good("-event"), good("-workspace_id"), good("data=[]"),
		good("data=null"), good(`id="evt_test_1"`), good(`id=""`), good("id=1"), good(`event="a b"`), good(`event="a.b"`), good(`workspace_id="a.b"`), good(`workspace_id="ä"`),
		good(`timestamp="x"`), good(`timestamp=1`), good(`timestamp="2026-11-23T08:00:00+01:00"`), good(`id="` + strings.Repeat("i", 129) + `"`), good(`workspace_id="` + strings.Repeat("w", 65) + `"`),
	}
	for _, name := range []string{"SessionStarted", "ConversationComplete", "ConversationComplete-40", "ConversationComplete-400"} {
		values = append(values, string(exampleFile(t, name+".json")))
	}
	for _, value := range values {
		_, err := event.Parse([]byte(value), benchMeta, 0)
		f := faults(root, root, decoded(t, []byte(value)), "event", false)
		if (err == nil) != (f == nil) {
			t.Errorf("%.200s\nparser: %v\nschema: %q", value, err, f)
		}
	}
}

func TestSchemaNames(t *testing.T) {
	for _, name := range event.SchemaNames() {
		if b, err := event.Schema(name); err != nil || len(b) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := event.Schema("../record"); err == nil {
		t.Error("a schema that is none")
	}
}
