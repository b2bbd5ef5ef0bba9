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
	if err := checkTokens(data); err != nil {
		return err
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
		return fmt.Errorf("%s: a JSON %s does not fit here", typed.Field, typed.Value)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends too early")
	}
	return errors.New("not JSON of the expected form")
}

// checkTokens walks the body once: no key twice in an object, in whatever case; no NUL, which no database takes; one
// value and nothing behind it.
func checkTokens(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested deeper than %d", maxNesting)
	}
	token, err := dec.Token()
	if err != nil {
		return describe(err)
	}
	switch t := token.(type) {
	case string:
		return checkString(t)
	case json.Delim:
		if t == '{' {
			return checkObject(dec, depth)
		}
		return checkArray(dec, depth)
	}
	return nil
}

func checkObject(dec *json.Decoder, depth int) error {
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return describe(err)
		}
		key, _ := token.(string)
		if err := checkString(key); err != nil {
			return err
		}
		folded := strings.ToLower(strings.ToUpper(key))
		if seen[folded] {
			return fmt.Errorf("the property %q is there twice", key)
		}
		seen[folded] = true
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	return closeDelim(dec)
}

func checkArray(dec *json.Decoder, depth int) error {
	for dec.More() {
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	return closeDelim(dec)
}

func closeDelim(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return describe(err)
	}
	return nil
}

func checkString(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("a string contains a NUL character")
	}
	return nil
}

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
				return fmt.Errorf("unknown property %q: did you mean %q?", key, name)
			}
		}
	}
	return nil
}

// plainText says whether a database takes s as it is.
func plainText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
