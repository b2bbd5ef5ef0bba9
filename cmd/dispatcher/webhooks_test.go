package main

import (
	"strings"
	"testing"
)

// TestParseLine: a line is one webhook and means one thing; nothing is left out in silence.
func TestParseLine(t *testing.T) {
	const good = `{"id":"wh_1","workspace_id":"ws_a","url":"https://example.com","event_types":["*"],"secret":"hunter2-hunter2-hunter2"}`
	if line, err := parseLine([]byte(good)); err != nil || line.WorkspaceID != "ws_a" {
		t.Fatalf("%+v, %v", line, err)
	}
	for text, want := range map[string]string{
		good + good:        "something follows",
		good + ` ,`:        "something follows",
		`[` + good + `]`:   "want a webhook",
		`{"id":"wh_1"`:     "unexpected EOF",
		`{"secret":17}`:    "secret: want string",
		`{"id":"a","x":1}`: `unknown field "x"`,
		strings.Replace(good, `"url"`, `"WORKSPACE_ID":"ws_b","url"`, 1):                                 "workspace_id: is there twice",
		strings.Replace(good, `"url"`, `"\u0073ecret":"hunter2","url"`, 1):                               "secret: is there twice",
		strings.Replace(good, `"url"`, `"event_types":["hunter2"],"url"`, 1):                             "event_types: is there twice",
		strings.Replace(good, `"url"`, `"workſpace_id":"ws_b","url"`, 1):                                 "workspace_id: is there twice",
		strings.Replace(good, `"url"`, `"headers":{"X-A":"1","X-B":"hunter2","X-A":"hunter2"},"url"`, 1): "X-A: is there twice",
		strings.Replace(good, `"url"`, `"headers":{"X-A":"1","x-a":"hunter2"},"url"`, 1):                 "X-A: is there twice",
		strings.Replace(good, `"secret"`, `"created_at":"hunter2","secret"`, 1):                          "RFC 3339",
	} {
		_, err := parseLine([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
