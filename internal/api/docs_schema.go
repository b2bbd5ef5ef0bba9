package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// prop is one property of a body, as the documentation shows it.
type prop struct {
	Name, Type, Doc string
	Required        bool
	Props           []prop // of an object
}

// schemas reads the document's schemas.
type schemas struct{ registry huma.Registry }

func (s schemas) resolve(schema *huma.Schema) *huma.Schema {
	for schema != nil && (schema.Ref != "" || len(schema.AnyOf) > 0) {
		if len(schema.AnyOf) > 0 { // a reference, or null
			schema = schema.AnyOf[0]
			continue
		}
		schema = s.registry.SchemaFromRef(schema.Ref)
	}
	return schema
}

// maxDepth ends the documentation of schemas that contain each other.
const maxDepth = 4

// props lists a schema's properties in the order in which the type has them.
func (s schemas) props(schema *huma.Schema, depth int) []prop {
	schema = s.resolve(schema)
	if schema == nil || depth > maxDepth {
		return nil
	}
	if schema.Items != nil {
		return s.props(schema.Items, depth)
	}
	var out []prop
	for _, name := range s.names(schema) {
		p := schema.Properties[name]
		out = append(out, prop{
			Name: name, Type: s.typeName(p), Doc: p.Description, Required: slices.Contains(schema.Required, name),
			Props: s.props(p, depth+1),
		})
	}
	return out
}

// names are a schema's properties, the required ones first, as the type orders them.
func (s schemas) names(schema *huma.Schema) []string {
	names := slices.Clone(schema.Required)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// typeName says what a value is: `string`, `array of string`, `integer or null`.
func (s schemas) typeName(schema *huma.Schema) string {
	r := s.resolve(schema)
	if r == nil {
		return "any"
	}
	name := r.Type
	switch {
	case name == "":
		return "any JSON"
	case name == huma.TypeArray:
		name = "array of " + s.typeName(r.Items)
	case r.Format != "":
		name += " (" + r.Format + ")"
	}
	if schema.Nullable || r.Nullable || len(schema.AnyOf) > 0 {
		name += " or null"
	}
	if len(r.Enum) > 0 {
		var words []string
		for _, v := range r.Enum {
			if v != nil {
				words = append(words, fmt.Sprint(v))
			}
		}
		name += ": " + strings.Join(words, ", ")
	}
	return name
}

// exampleJSON is an example of an answer, indented.
func (s schemas) exampleJSON(schema *huma.Schema) string {
	var b bytes.Buffer
	s.example(&b, schema, 0)
	return indent(b.Bytes())
}

// exampleBody is an example of a request's body, indented: what is required, and what has an example of its own.
func (s schemas) exampleBody(schema *huma.Schema) string {
	schema = s.resolve(schema)
	short := *schema
	short.Properties = map[string]*huma.Schema{}
	for name, p := range schema.Properties {
		if slices.Contains(schema.Required, name) || len(p.Examples) > 0 {
			short.Properties[name] = p
		}
	}
	var b bytes.Buffer
	s.exampleObject(&b, &short, 0)
	return indent(b.Bytes())
}

func indent(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return string(b)
	}
	return out.String()
}

// exampleTime stands for every time that is not null.
const exampleTime = "2026-11-23T08:00:00.123Z"

func (s schemas) example(b *bytes.Buffer, schema *huma.Schema, depth int) {
	given := schema
	schema = s.resolve(schema)
	if schema == nil || depth > maxDepth+2 {
		b.WriteString("null")
		return
	}
	for _, from := range []*huma.Schema{given, schema} {
		if len(from.Examples) > 0 {
			writeExample(b, from.Examples[0])
			return
		}
	}
	switch {
	case given.Nullable || schema.Nullable:
		b.WriteString("null")
	case len(schema.Enum) > 0:
		writeExample(b, schema.Enum[0])
	case schema.Default != nil:
		writeExample(b, schema.Default)
	case schema.Format == "date-time":
		writeExample(b, exampleTime)
	case schema.Type == huma.TypeArray:
		b.WriteByte('[')
		s.example(b, schema.Items, depth+1)
		b.WriteByte(']')
	case schema.Type == huma.TypeObject:
		s.exampleObject(b, schema, depth)
	case schema.Type == huma.TypeString:
		b.WriteString(`""`)
	case schema.Type == huma.TypeBoolean:
		b.WriteString("true")
	case schema.Type == "":
		b.WriteString("{}")
	default:
		b.WriteByte('0')
	}
}

func (s schemas) exampleObject(b *bytes.Buffer, schema *huma.Schema, depth int) {
	b.WriteByte('{')
	for i, name := range s.names(schema) {
		if i > 0 {
			b.WriteByte(',')
		}
		writeExample(b, name)
		b.WriteByte(':')
		s.example(b, schema.Properties[name], depth+1)
	}
	b.WriteByte('}')
}

func writeExample(b *bytes.Buffer, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("null")
	}
	b.Write(text)
}
