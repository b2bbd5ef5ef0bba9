package catalogue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Type is one event type.
type Type struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Example     json.RawMessage `json:"example,omitempty"` // an event's data
	Schema      json.RawMessage `json:"schema,omitempty"`  // JSON Schema of data
	MaxAge      Duration        `json:"max_age,omitzero"`  // older events end as expired; 0: no limit
}

// Duration is a time.Duration that JSON writes as text: "24h".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as 24h", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Catalogue is a set of event types. It is immutable.
type Catalogue struct {
	types  []Type
	byName map[string]*Type
}

var typeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Default returns the platform's own types.
func Default() *Catalogue {
	c, err := build([]Type{
		{
			Name:        "ConversationComplete",
			Description: "A conversation ended. Carries its full transcript and metadata.",
			Example:     exampleData("ConversationComplete"),
		},
		{
			Name:        "SessionStarted",
			Description: "A voice session started. Carries the agent and the session's metadata.",
			Example:     exampleData("SessionStarted"),
		},
	})
	if err != nil {
		panic(err) // the types above are constants
	}
	return c
}

// exampleData returns the data of a type's example event.
func exampleData(name string) json.RawMessage {
	var e struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(event.Example(name), &e); err != nil {
		panic(fmt.Errorf("example %s: %w", name, err)) // embedded and tested
	}
	return e.Data
}

// Parse reads a catalogue: a JSON array of types. Errors say what is wrong, each fault in a line.
func Parse(content []byte) (*Catalogue, error) {
	var types []Type
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&types); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the array")
	}
	if len(types) == 0 {
		return nil, errors.New("no type is in it: no webhook could choose one")
	}
	return build(types)
}

func build(types []Type) (*Catalogue, error) {
	c := &Catalogue{types: slices.Clone(types), byName: make(map[string]*Type, len(types))}
	slices.SortFunc(c.types, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	var errs []error
	for i := range c.types {
		t := &c.types[i]
		switch {
		case !typeName.MatchString(t.Name):
			errs = append(errs, fmt.Errorf("name %q: want 1 to 128 of A-Z a-z 0-9 . _ -", t.Name))
		case c.byName[t.Name] != nil:
			errs = append(errs, fmt.Errorf("name %q stands twice", t.Name))
		case len(t.Example) > 0 && !bytes.HasPrefix(bytes.TrimSpace(t.Example), []byte("{")):
			errs = append(errs, fmt.Errorf("type %s: example is not an object", t.Name))
		default:
			if err := t.checkSchema(); err != nil {
				errs = append(errs, fmt.Errorf("type %s: %w", t.Name, err))
			}
		}
		c.byName[t.Name] = t
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// checkSchema says what is wrong with the type's schema, or with its example by it.
func (t *Type) checkSchema() error {
	if len(t.Schema) == 0 {
		return nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(t.Schema))
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	const name = "urn:schema"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(jsonschema.SchemeURLLoader{}) // it refers to nothing outside of itself
	if err := compiler.AddResource(name, document); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	schema, err := compiler.Compile(name)
	if err != nil {
		return fmt.Errorf("schema: %s", oneLine(err))
	}
	if len(t.Example) == 0 {
		return nil
	}
	example, err := jsonschema.UnmarshalJSON(bytes.NewReader(t.Example))
	if err != nil {
		return fmt.Errorf("example: %w", err)
	}
	if err := schema.Validate(example); err != nil {
		return fmt.Errorf("example does not fit the schema: %s", oneLine(err))
	}
	return nil
}

// oneLine is an error of the schema library, which likes to use several.
func oneLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "- ")
}

// Types are all types, by name.
func (c *Catalogue) Types() []Type { return c.types }

// Names are the types' names, sorted.
func (c *Catalogue) Names() []string {
	names := make([]string, len(c.types))
	for i := range c.types {
		names[i] = c.types[i].Name
	}
	return names
}

// Lookup returns the type of that name, nil when it is not listed.
func (c *Catalogue) Lookup(name string) *Type { return c.byName[name] }

// Rule returns how old an event of the type may be (0: no limit), and whether the type is listed.
func (c *Catalogue) Rule(name string) (maxAge time.Duration, listed bool) {
	if t := c.byName[name]; t != nil {
		return time.Duration(t.MaxAge), true
	}
	return 0, false
}
