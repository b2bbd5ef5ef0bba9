package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat reads and writes JSON. encoding/json takes the last of two equal keys and matches names without regard to
// case: a body could mean one thing to whoever checked it in front of us and another to us. This one refuses both.
func jsonFormat() huma.Format {
	return huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrict}
}

// maxNesting is deeper than any body of ours and far below what could hurt.
const maxNesting = 32

func unmarshalStrict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not valid UTF-8")
	}
	if f := checkTokens(data); f != nil {
		return errors.New(f.message)
	}
	if err := checkNames(data, reflect.TypeOf(v)); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return describe(err)
	}
	return nil
}

// describe says what is wrong with a body in words that don't name our types.
func describe(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not JSON at byte %d: %s", syntax.Offset, syntax.Error())
	}
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(typed.Value, " ") // behind it stands the number itself, however long
		return fmt.Errorf("%s: this JSON %s does not fit here", typed.Field, kind)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends too early")
	}
	return errors.New("not JSON of the expected form")
}

// flaw is what no body may have, and where it has it: a path below the body such as `headers.X-Key` or `event_types[1]`.
type flaw struct{ path, message string }

// checkTokens walks the body once: no key twice in an object, in whatever case; no NUL, which no database takes; no
// number beyond what a float64 holds; one value and nothing behind it.
func checkTokens(data []byte) *flaw {
	c := checker{dec: json.NewDecoder(bytes.NewReader(data))}
	c.dec.UseNumber()
	if f := c.value(); f != nil {
		return f
	}
	if _, err := c.dec.Token(); !errors.Is(err, io.EOF) {
		return c.flaw("something follows the JSON value")
	}
	return nil
}

// checker keeps the way to where it is as steps, which become text only for a flaw: a long name with much below it would
// else be copied for each of that.
type checker struct {
	dec  *json.Decoder
	path []step
}

// step is a property by its name, or an element of a list by its index.
type step struct {
	name    string
	index   int
	element bool
}

func (c *checker) flaw(message string) *flaw {
	var path strings.Builder
	for _, s := range c.path {
		if path.Len() > maxLocation {
			break
		}
		switch {
		case s.element:
			fmt.Fprintf(&path, "[%d]", s.index)
		case path.Len() > 0:
			path.WriteString("." + s.name)
		default:
			path.WriteString(s.name)
		}
	}
	return &flaw{path.String(), message}
}

func (c *checker) below(s step) *flaw {
	c.path = append(c.path, s)
	f := c.value()
	c.path = c.path[:len(c.path)-1]
	return f
}

func (c *checker) value() *flaw {
	if len(c.path) > maxNesting {
		return c.flaw(fmt.Sprintf("nested deeper than %d", maxNesting))
	}
	token, err := c.dec.Token()
	if err != nil {
		return &flaw{"", describe(err).Error()}
	}
	switch t := token.(type) {
	case string:
		return c.text(t)
	case json.Number:
		if _, err := t.Float64(); err != nil {
			return c.flaw("the number is too large")
		}
	case json.Delim:
		if t == '{' {
			return c.object()
		}
		return c.array()
	}
	return nil
}

func (c *checker) object() *flaw {
	seen := make(map[string]bool)
	for c.dec.More() {
		token, err := c.dec.Token()
		if err != nil {
			return &flaw{"", describe(err).Error()}
		}
		name, _ := token.(string)
		if f := c.text(name); f != nil {
			return f
		}
		folded := strings.ToLower(strings.ToUpper(name))
		if seen[folded] {
			c.path = append(c.path, step{name: name})
			return c.flaw("is there twice; case makes no difference")
		}
		seen[folded] = true
		if f := c.below(step{name: name}); f != nil {
			return f
		}
	}
	return c.end()
}

func (c *checker) array() *flaw {
	for i := 0; c.dec.More(); i++ {
		if f := c.below(step{index: i, element: true}); f != nil {
			return f
		}
	}
	return c.end()
}

func (c *checker) end() *flaw {
	if _, err := c.dec.Token(); err != nil {
		return &flaw{"", describe(err).Error()}
	}
	return nil
}

func (c *checker) text(s string) *flaw {
	if strings.ContainsRune(s, 0) {
		return c.flaw("contains a NUL character")
	}
	return nil
}

// unknownName is what the words of checkNames begin with.
const unknownName = "unknown property "

// checkNames refuses the properties of an object that equal one of t's only without regard to case. (Unknown ones are
// refused by the schema.) t is a pointer to what the body is read into; only structs have names to check.
func checkNames(data []byte, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return describe(err)
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, exact := object[name]; exact || name == "" || name == "-" {
			continue
		}
		for key := range object {
			if strings.EqualFold(key, name) {
				return fmt.Errorf("%s%q: did you mean %q?", unknownName, key, name)
			}
		}
	}
	return nil
}

// plainText says whether a database takes s as it is.
func plainText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
