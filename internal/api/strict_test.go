package api

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUnmarshalStrict(t *testing.T) {
	for _, body := range []string{
		`{"a":1,"A":2}`, `{"a":{"b":1,"b":2}}`, `[{"x":1,"X":1}]`, `{"k":1,"\u212a":2}`, "{\"a\":\"\xff\"}", `{"a":"\u0000"}`, `{"\u0000":1}`,
		`{} {}`, `{}x`, `{`, ``, strings.Repeat("[", 40) + strings.Repeat("]", 40),
	} {
		var v any
		if err := unmarshalStrict([]byte(body), &v); err == nil {
			t.Errorf("%q was taken as %v", body, v)
		} else if strings.Contains(err.Error(), "api.") {
			t.Errorf("%q: %v names our types", body, err)
		}
	}
	var v struct {
		URL string `json:"url"`
	}
	if err := unmarshalStrict([]byte(`{"Url":"x"}`), &v); err == nil || !strings.Contains(err.Error(), `did you mean "url"?`) {
		t.Errorf("another case: %v", err)
	}
	if err := unmarshalStrict([]byte(` {"url":"x","other":{"url":1,"URI":2}} `), &v); err != nil || v.URL != "x" {
		t.Errorf("%v, %v", v, err)
	}
}

// FuzzUnmarshalStrict: what it takes, encoding/json takes too and reads the same.
func FuzzUnmarshalStrict(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":null}]}`, `{"a":1,"a":2}`, `"x"`, `1e999`, `{"a":"\ud800"}`, "\u0000"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var strict, loose any
		if unmarshalStrict(data, &strict) != nil {
			return
		}
		if err := json.Unmarshal(data, &loose); err != nil {
			t.Fatalf("%q: only the strict one takes it: %v", data, err)
		}
		a, errA := json.Marshal(strict)
		b, errB := json.Marshal(loose)
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%q: %s and %s", data, a, b)
		}
	})
}

func TestOptional(t *testing.T) {
	var p PatchWebhook
	if err := json.Unmarshal([]byte(`{"url":"x","filter":null,"headers":{"A":null,"B":"b"}}`), &p); err != nil {
		t.Fatal(err)
	}
	patch, faults := p.toPatch()
	if faults != nil || *patch.URL != "x" || patch.Filter == nil || *patch.Filter != "" || patch.Description != nil || patch.Enabled != nil {
		t.Errorf("patch %+v, %v", patch, faults)
	}
	if a, ok := patch.Headers["A"]; !ok || a != nil || *patch.Headers["B"] != "b" || patch.ClearHeaders {
		t.Errorf("headers %v", patch.Headers)
	}
	var all PatchWebhook
	if err := json.Unmarshal([]byte(`{"url":null,"event_types":null,"enabled":null,"headers":null}`), &all); err != nil {
		t.Fatal(err)
	}
	if patch, faults := all.toPatch(); len(faults) != 3 || !patch.ClearHeaders {
		t.Errorf("%d faults %v", len(faults), faults)
	}
}

func TestFaultsHideSecrets(t *testing.T) {
	for location, value := range map[string]any{
		"body.secret": "hush", "body.headers.X-Key": "hush", "body.url": "https://user:hush@x", "body": `{"secret":"hush"}`,
		"body.description": strings.Repeat("hush", 100), "body.list": []any{"hush"},
	} {
		if f := fault(location, "is wrong", value); f.Value != nil {
			t.Errorf("%s repeats %v", location, f.Value)
		}
	}
	if f := fault("query.limit", "is wrong", "x"); f.Value != "x" {
		t.Errorf("a harmless value is not repeated: %+v", f)
	}
}
