package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/pkg/event"
)

// FuzzParse holds Parse against encoding/json: what is valid there and in UTF-8 and an object is
// never bad JSON here, and the other way round; what is taken gives a body that is valid JSON with
// the same data, byte for byte, and the same fields.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"SessionStarted.json", "ConversationComplete.json"} {
		f.Add(exampleFile(f, name))
	}
	for _, s := range []string{
		good(), good("-id", "-timestamp"), good("ID=1"), good(`work\u017fpace_id=1`), "\x00\x00\x00\x00\x01" + good(), "{}", "[]", "nul", "\xEF\xBB\xBF{}",
		good(`x=[[{"a":[]}],-0.5E-7,true,false,null,"\ud83d\ude00é日"]`), good("data={\"a\":\"\xff\"}"), good(`data={"a":"\u2028"}`), strings.Repeat("[", 10001),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		e, err := event.Parse(value, benchMeta, 0)
		if !bytes.Equal(value, before) {
			t.Fatal("Parse changed its input")
		}
		doc := value
		if len(doc) >= 5 && doc[0] == 0 {
			doc = doc[5:]
		}
		object := bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{"))
		valid := object && json.Valid(doc) && utf8.Valid(doc)
		bad, _ := errors.AsType[*event.Invalid](err)
		if (bad != nil && bad.Reason == event.BadJSON) == valid {
			t.Fatalf("encoding/json says %v, Parse says %v", valid, err)
		}
		if err == nil {
			checkEvent(t, doc, &e)
		}
	})
}

func checkEvent(t *testing.T, doc []byte, e *event.Event) {
	t.Helper()
	var in, out map[string]json.RawMessage
	if err := json.Unmarshal(doc, &in); err != nil {
		t.Fatal(err)
	}
	body := event.Body(e)
	if err := json.Unmarshal(body, &out); err != nil || len(out) != 4 {
		t.Fatalf("body %q: %v", body, err)
	}
	if !bytes.Equal(in["data"], out["data"]) || !bytes.Equal(out["data"], e.Data) {
		t.Fatalf("data %q became %q", in["data"], out["data"])
	}
	for key, got := range map[string]string{"id": e.ID, "event": e.Type, "workspace_id": e.WorkspaceID, "timestamp": e.Timestamp} {
		var want *string
		if raw, ok := in[key]; ok {
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
		}
		if want != nil && *want != got {
			t.Fatalf("%s is %q, want %q", key, got, *want)
		}
	}
}
