package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDocuments(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"empty":                  {"", nil},
		"blank lines":            {"\n\n", nil},
		"lines":                  {"{\"a\":1}\n{\"b\":2}\n", []string{`1 {"a":1}`, `2 {"b":2}`}},
		"no newline at the end":  {`{"a":1}`, []string{`1 {"a":1}`}},
		"blank lines between":    {"{\"a\":1}\n\n{\"b\":2}", []string{`1 {"a":1}`, `3 {"b":2}`}},
		"one document":           {"{\n  \"a\": [\n    {\"x\": 1}\n  ]\n}\n", []string{"1 {\n  \"a\": [\n    {\"x\": 1}\n  ]\n}"}},
		"two documents":          {"{\n \"a\":1\n}\n{\n \"b\":2\n}", []string{"1 {\n \"a\":1\n}", "4 {\n \"b\":2\n}"}},
		"brackets in strings":    {"{\"a\":\"}]{\\\"\"}\n{}", []string{`1 {"a":"}]{\""}`, "2 {}"}},
		"broken line":            {"{\"a\":\n{\"b\":2}\n", []string{`1 {"a":`, `2 {"b":2}`}},
		"string that never ends": {"{\"a\":\"x}\n{\"b\":2}", []string{`1 {"a":"x}`, `2 {"b":2}`}},
		"no JSON":                {"hello\n{\"b\":2}", []string{"1 hello", `2 {"b":2}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for doc, err := range documents(strings.NewReader(tc.in)) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%d %s", doc.line, doc.value))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestDocumentsSaysWhereReadingFailed(t *testing.T) {
	broken := errors.New("disk on fire")
	var last error
	for _, err := range documents(iotest.ErrReader(broken)) {
		last = err
	}
	if !errors.Is(last, broken) || !strings.Contains(last.Error(), "line 1") {
		t.Errorf("got %v", last)
	}
}
