package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// good returns an event's JSON with the given members put in or, given as "-name", left out.
func good(members ...string) string {
	order := []string{"id", "event", "workspace_id", "timestamp", "data"}
	fields := map[string]string{
		"id": `"evt_1"`, "event": `"SessionStarted"`, "workspace_id": `"ws_acme"`,
		"timestamp": `"2026-11-23T08:00:00.123Z"`, "data": `{"a":1}`,
	}
	var extra []string
	for _, m := range members {
		name, value, _ := strings.Cut(m, "=")
		switch {
		case name[0] == '-':
			delete(fields, name[1:])
		case fields[name] != "":
			fields[name] = value
		default:
			extra = append(extra, `"`+name+`":`+value)
		}
	}
	var parts []string
	for _, name := range order {
		if v, ok := fields[name]; ok {
			parts = append(parts, `"`+name+`":`+v)
		}
	}
	return "{" + strings.Join(append(parts, extra...), ",") + "}"
}

func TestParseTakes(t *testing.T) {
	derived := benchMeta.EventID()
	for _, tc := range []struct {
		name, value                   string
		id, kind, workspace, ts, data string
	}{
		{name: "plain", value: good()},
		{name: "white space around", value: " \t\r\n" + good() + "\n \r\t"},
		{name: "white space inside", value: "{ \"event\" : \"SessionStarted\" ,\n\"workspace_id\":\t\"ws_acme\" , \"id\":\"evt_1\",\"timestamp\":\"2026-11-23T08:00:00.123Z\", \"data\" : { \"a\" : 1 } }", data: `{ "a" : 1 }`},
		{name: "Confluent frame", value: "\x00\x00\x00\x01\x07" + good()},
		{name: "no id", value: good("-id"), id: derived},
		{name: "null id", value: good("id=null"), id: derived},
		{name: "no timestamp", value: good("-timestamp"), ts: "2026-11-23T08:00:00.123Z"},
		{name: "null timestamp", value: good("timestamp=null"), ts: "2026-11-23T08:00:00.123Z"},
		{name: "timestamp with offset", value: good(`timestamp="2026-11-23T10:00:00.123456789+02:00"`), ts: "2026-11-23T10:00:00.123456789+02:00"},
		{name: "unknown keys", value: good(`x={"id":"y","ID":null}`, `id2=1`, `Workspace=[]`)},
		{name: "unknown key twice", value: good(`x=1`, `x=2`)},
		{name: "escapes in fields", value: good(`id="ev\u0074_2"`, `workspace_id="\u0077\u0073"`), id: "evt_2", workspace: "ws"},
		{name: "escapes in a key", value: strings.Replace(good(), `"id"`, `"\u0069d"`, 1)},
		{name: "longest fields", value: good(`id="`+strings.Repeat("i", 128)+`"`, `event="`+strings.Repeat("e", 128)+`"`, `workspace_id="`+strings.Repeat("w", 64)+`"`),
			id: strings.Repeat("i", 128), kind: strings.Repeat("e", 128), workspace: strings.Repeat("w", 64)},
		{name: "all characters", value: good(`id="AZaz09_-"`, `event="AZaz09._-"`, `workspace_id="AZaz09_-"`), id: "AZaz09_-", kind: "AZaz09._-", workspace: "AZaz09_-"},
		{name: "empty data", value: good(`data={}`), data: "{}"},
		{name: "data verbatim", value: good(`data={"n":9007199254740993,"f":1.10,"e":1e400,"z":-0.0,"é":"\u00e9\/\ud83d\ude00","k":1,"k":2, "s" : [ ] }`),
			data: `{"n":9007199254740993,"f":1.10,"e":1e400,"z":-0.0,"é":"\u00e9\/\ud83d\ude00","k":1,"k":2, "s" : [ ] }`},
		{name: "lone surrogate", value: good(`data={"s":"\ud800"}`), data: `{"s":"\ud800"}`},
		{name: "deepest", value: good("x=" + strings.Repeat("[", 9999) + strings.Repeat("]", 9999))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := event.Parse([]byte(tc.value), benchMeta, 0)
			if err != nil {
				t.Fatal(err)
			}
			or := func(s, other string) string {
				if s == "" {
					return other
				}
				return s
			}
			got := []string{e.ID, e.Type, e.WorkspaceID, e.Timestamp, string(e.Data)}
			want := []string{
				or(tc.id, "evt_1"), or(tc.kind, "SessionStarted"), or(tc.workspace, "ws_acme"),
				or(tc.ts, "2026-11-23T08:00:00.123Z"), or(tc.data, `{"a":1}`),
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("field %d is %q, want %q", i, got[i], want[i])
				}
			}
			if e.Derived != (tc.id == derived) {
				t.Errorf("Derived is %v", e.Derived)
			}
			if want := time.UnixMilli(1795420800123); e.Time.UnixMilli() != want.UnixMilli() {
				t.Errorf("Time is %v, want %v", e.Time, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	for _, tc := range []struct {
		name, value string
		reason      event.Reason
		detail      string
	}{
		{"empty", "", event.BadJSON, "byte 0: empty value"},
		{"white space only", " \n", event.BadJSON, "byte 2: empty value"},
		{"frame only", "\x00\x00\x00\x00\x01", event.BadJSON, "byte 5: empty value"},
		{"short frame", "\x00\x00", event.BadJSON, "byte 0: not an object"},
		{"byte-order mark", "\xEF\xBB\xBF" + good(), event.BadJSON, "byte 0: byte-order mark"},
		{"framed byte-order mark", "\x00\x00\x00\x00\x01\xEF\xBB\xBF" + good(), event.BadJSON, "byte 5: byte-order mark"},
		{"null", "null", event.BadJSON, "byte 0: not an object"},
		{"array", "[" + good() + "]", event.BadJSON, "byte 0: not an object"},
		{"string", `"x"`, event.BadJSON, "byte 0: not an object"},
		{"trailing comma behind", good() + ",", event.BadJSON, "byte 118: more bytes behind the object"},
		{"two objects", good() + good(), event.BadJSON, "byte 118: more bytes behind the object"},
		{"trailing zero byte", good() + "\x00", event.BadJSON, "byte 118: more bytes behind the object"},
		{"open object", good()[:117], event.BadJSON, "byte 117: expected a comma or a closing brace"},
		{"open string", `{"a":"b`, event.BadJSON, "byte 7: string without an end"},
		{"open long string", `{"a":"bcdefghijklmnop`, event.BadJSON, "byte 21: string without an end"},
		{"open escape", `{"a":"\`, event.BadJSON, "byte 7: string without an end"},
		{"short unicode escape", `{"a":"\u00`, event.BadJSON, "byte 6: broken escape in a string"},
		{"bad unicode escape", `{"a":"\u00g0"}`, event.BadJSON, "byte 6: broken escape in a string"},
		{"bad escape", `{"a":"\x"}`, event.BadJSON, "byte 6: broken escape in a string"},
		{"control character", "{\"a\":\"b\nc\"}", event.BadJSON, "byte 7: control character in a string"},
		{"control character in a word", "{\"a\":\"0123456789\x1f0123456789\"}", event.BadJSON, "byte 16: control character in a string"},
		{"trailing comma", `{"a":1,}`, event.BadJSON, "byte 7: expected a key"},
		{"trailing comma in array", `{"a":[1,]}`, event.BadJSON, "byte 8: expected a value"},
		{"no comma", `{"a":1 "b":2}`, event.BadJSON, "byte 7: expected a comma or a closing brace"},
		{"no comma inside", `{"a":{"b":1 "c":2}}`, event.BadJSON, "byte 12: expected a comma or a closing brace"},
		{"no comma in array", `{"a":[1 2]}`, event.BadJSON, "byte 8: expected a comma or a closing bracket"},
		{"wrong bracket", `{"a":[1}`, event.BadJSON, "byte 7: expected a comma or a closing bracket"},
		{"no colon", `{"a" 1}`, event.BadJSON, "byte 5: expected a colon"},
		{"bare key", `{a:1}`, event.BadJSON, "byte 1: expected a key"},
		{"no value", `{"a":}`, event.BadJSON, "byte 5: expected a value"},
		{"literal", `{"a":nul}`, event.BadJSON, "byte 5: expected a value"},
		{"literal at the end", `{"a":tru`, event.BadJSON, "byte 5: expected a value"},
		{"NaN", `{"a":NaN}`, event.BadJSON, "byte 5: expected a value"},
		{"leading zero", `{"a":01}`, event.BadJSON, "byte 6: expected a comma or a closing brace"},
		{"leading plus", `{"a":+1}`, event.BadJSON, "byte 5: expected a value"},
		{"bare minus", `{"a":-}`, event.BadJSON, "byte 6: expected a digit"},
		{"bare fraction", `{"a":1.}`, event.BadJSON, "byte 7: expected a digit"},
		{"bare exponent", `{"a":1e+}`, event.BadJSON, "byte 8: expected a digit"},
		{"comment", `{/**/"a":1}`, event.BadJSON, "byte 1: expected a key"},
		{"no-break space", "{\u00a0\"a\":1}", event.BadJSON, "byte 1: expected a key"},
		{"too deep", good("x=" + strings.Repeat("[", 10000) + strings.Repeat("]", 10000)), event.BadJSON, "byte 10121: nested deeper than 10000"},
		{"too deep objects", `{"a":` + strings.Repeat(`{"a":`, 10000), event.BadJSON, "byte 50000: nested deeper than 10000"},

		{"same key twice", good(`data={},"data":{}`), event.DuplicateKey, "byte 113: key data again, or in another spelling"},
		{"id twice, once null", good(`id=null,"id":"a"`), event.DuplicateKey, "byte 11: key id again, or in another spelling"},
		{"other case", good("ID=1"), event.DuplicateKey, "byte 118: key id again, or in another spelling"},
		{"other case alone", good("-id", `Id="x"`), event.DuplicateKey, "byte 105: key id again, or in another spelling"},
		{"long s", good("work\u017fpace_id=1"), event.DuplicateKey, "byte 118: key workspace_id again, or in another spelling"},
		{"Kelvin", good("wor\u212Aspace_id=1"), event.DuplicateKey, "byte 118: key workspace_id again, or in another spelling"},
		{"long s, escaped", good(`work\u017Fpace_id=1`), event.DuplicateKey, "byte 118: key workspace_id again, or in another spelling"},
		{"escaped again", good(`d\u0061ta=1`), event.DuplicateKey, "byte 118: key data again, or in another spelling"},
		{"escaped other case", good(`\u0045vent=1`), event.DuplicateKey, "byte 118: key event again, or in another spelling"},
		{"all folds", good("WOR\u212A\u017fPACE_ID=1"), event.DuplicateKey, "byte 118: key workspace_id again, or in another spelling"},
		{"bad JSON beats it", good("ID=1") + "x", event.BadJSON, "byte 125: more bytes behind the object"},

		{"empty object", "{}", event.MissingField, "event: absent"},
		{"no event", good("-event"), event.MissingField, "event: absent"},
		{"no workspace", good("-workspace_id"), event.MissingField, "workspace_id: absent"},
		{"no data", good("-data"), event.MissingField, "data: absent"},

		{"data array", good("data=[]"), event.BadField, "data: not an object"},
		{"data null", good("data=null"), event.BadField, "data: not an object"},
		{"event null", good("event=null"), event.BadField, "event: not a string"},
		{"event number", good("event=1"), event.BadField, "event: not a string"},
		{"event empty", good(`event=""`), event.BadField, "event: empty"},
		{"event too long", good("event=" + long(129)), event.BadField, "event: 129 bytes, at most 128 are allowed"},
		{"event with a space", good(`event="a b"`), event.BadField, "event: character at 1 is not allowed"},
		{"event not ASCII", good(`event="aé"`), event.BadField, "event: character at 1 is not allowed"},
		{"event with an escape", good(`event="a\nb"`), event.BadField, "event: character at 1 is not allowed"},
		{"workspace object", good("workspace_id={}"), event.BadField, "workspace_id: not a string"},
		{"workspace empty", good(`workspace_id=""`), event.BadField, "workspace_id: empty"},
		{"workspace too long", good("workspace_id=" + long(65)), event.BadField, "workspace_id: 65 bytes, at most 64 are allowed"},
		{"workspace with a dot", good(`workspace_id="a.b"`), event.BadField, "workspace_id: character at 1 is not allowed"},
		{"workspace zero byte", good(`workspace_id="a\u0000"`), event.BadField, "workspace_id: character at 1 is not allowed"},
		{"id number", good("id=7"), event.BadField, "id: not a string"},
		{"id empty", good(`id=""`), event.BadField, "id: empty"},
		{"id too long", good("id=" + long(129)), event.BadField, "id: 129 bytes, at most 128 are allowed"},
		{"id with a dot", good(`id="a.b"`), event.BadField, "id: character at 1 is not allowed"},
		{"test id", good(`id="evt_test_1"`), event.BadField, "id: begins with evt_test_, which is kept for test events"},
		{"test id, escaped", good(`id="evt\u005ftest_1"`), event.BadField, "id: begins with evt_test_, which is kept for test events"},
		{"timestamp number", good("timestamp=1795420800"), event.BadField, "timestamp: not a string"},
		{"timestamp empty", good(`timestamp=""`), event.BadField, "timestamp: empty"},
		{"timestamp text", good(`timestamp="Tt"`), event.BadField, "timestamp: not an RFC 3339 time"},
		{"timestamp too long", good(`timestamp="2026-11-23T08:00:00.` + strings.Repeat("0", 45) + `Z"`), event.BadField, "timestamp: 66 bytes, at most 64 are allowed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := event.Parse([]byte(tc.value), benchMeta, 0)
			bad, ok := errors.AsType[*event.Invalid](err)
			if !ok {
				t.Fatalf("no *Invalid: %v, %v", e, err)
			}
			if bad.Reason != tc.reason || bad.Detail != tc.detail {
				t.Errorf("got %s %q, want %s %q", bad.Reason, bad.Detail, tc.reason, tc.detail)
			}
			if e.ID != "" || e.Data != nil {
				t.Error("an event beside the error")
			}
		})
	}
}

// Every kind of broken UTF-8, at every offset against the eight-byte words and in keys and values.
func TestParseRefusesBrokenUTF8(t *testing.T) {
	broken := []string{
		"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xC3\xC3\xA9", "\xE0\x80\x80", "\xE0\x9F\xBF",
		"\xE1\x80", "\xE1\x80\x41", "\xED\xA0\x80", "\xED\xBF\xBF", "\xEF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF",
		"\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF",
	}
	around := []string{"", "é", "д", "हि", "日本", "😀", "a", " é ", "дддддддд", "日本語日本語"}
	for _, bad := range broken {
		for pad := range 17 {
			for _, near := range around {
				s := strings.Repeat("x", pad) + near + bad + near + "tail"
				for _, value := range []string{good(`data={"k":"` + s + `"}`), good(`data={"` + s + `":1}`), good(s + "=1")} {
					_, err := event.Parse([]byte(value), benchMeta, 0)
					invalid, _ := errors.AsType[*event.Invalid](err)
					if invalid == nil || invalid.Reason != event.BadJSON {
						t.Fatalf("%q: %v", value, err)
					}
				}
			}
		}
	}
}

func TestParseTakesEveryRuneAnywhere(t *testing.T) {
	runes := []rune{0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF, 'é', 'д', 'ह', '日', '😀'}
	for _, a := range runes {
		for _, b := range runes {
			for pad := range 9 {
				data := `{"k":"` + strings.Repeat("x", pad) + string([]rune{a, b, b, a, ' ', b, ',', ' ', a}) + `"}`
				if e, err := event.Parse([]byte(good("data="+data)), benchMeta, 0); err != nil || string(e.Data) != data {
					t.Fatalf("%q: %v", data, err)
				}
			}
		}
	}
}

func TestParseSize(t *testing.T) {
	value := []byte(good())
	for _, frame := range []string{"", "\x00\x00\x00\x00\x01"} {
		framed := append([]byte(frame), value...)
		if _, err := event.Parse(framed, benchMeta, len(value)); err != nil {
			t.Errorf("exactly the largest size: %v", err)
		}
		_, err := event.Parse(framed, benchMeta, len(value)-1)
		bad, _ := errors.AsType[*event.Invalid](err)
		if want := fmt.Sprintf("%d bytes, at most %d are allowed", len(value), len(value)-1); bad == nil || bad.Reason != event.TooLarge || bad.Detail != want {
			t.Errorf("a byte too many: %v", err)
		}
	}
}

func TestParseTest(t *testing.T) {
	value := []byte(good(`id="evt_test_01"`))
	if e, err := event.ParseTest(value, benchMeta, 0); err != nil || e.ID != "evt_test_01" {
		t.Errorf("own test event: %v, %v", e.ID, err)
	}
	for _, value := range []string{good(), good("-id"), "{"} {
		if _, err := event.ParseTest([]byte(value), benchMeta, 0); err == nil {
			t.Errorf("%s passed as a test event", value)
		}
	}
}

// The detail goes to logs and headers: nothing of the payload may be in it.
func TestDetailHoldsNoContent(t *testing.T) {
	const planted = "hunter2"
	for _, value := range []string{
		good(`data={"` + planted + `":"` + planted + "\n" + `"}`), good(`workspace_id="` + planted + ` ` + planted + `"`),
		good(`timestamp="` + planted + `"`), good(`event="` + strings.Repeat(planted, 30) + `"`), good() + planted, `{"` + planted + `" 1}`,
	} {
		_, err := event.Parse([]byte(value), benchMeta, 0)
		if err == nil || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestExamples(t *testing.T) {
	turns := map[string]int{
		"SessionStarted.json": 0, "ConversationComplete.json": 2, "ConversationComplete-40.json": 40, "ConversationComplete-400.json": 400,
	}
	sizes := map[string][2]int{
		"SessionStarted.json": {300, 1000}, "ConversationComplete.json": {900, 1100}, "ConversationComplete-40.json": {28e3, 32e3}, "ConversationComplete-400.json": {280e3, 320e3},
	}
	files, err := fs.Glob(event.Examples(), "*.json")
	if err != nil || len(files) != len(turns) {
		t.Fatal(files, err)
	}
	for _, name := range files {
		value := exampleFile(t, name)
		e, err := event.Parse(value, benchMeta, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want, _, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-"); e.Type != want {
			t.Errorf("%s is of type %s", name, e.Type)
		}
		if size := sizes[name]; len(value) < size[0] || len(value) > size[1] {
			t.Errorf("%s has %d bytes", name, len(value))
		}
		var data struct {
			SessionID string            `json:"session_id"`
			History   []json.RawMessage `json:"history"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil || len(data.History) != turns[name] || data.SessionID == "" {
			t.Errorf("%s: %d turns, session %q, %v", name, len(data.History), data.SessionID, err)
		}
		if !strings.Contains(string(e.Data), "9007199254740993") {
			t.Errorf("%s has no number that a float would change", name)
		}
	}
	if event.Example("SessionStarted") == nil || event.Example("Nothing") != nil || event.Example("../x") != nil {
		t.Error("Example finds the wrong things")
	}
}

// The longer examples are what the generator writes today.
func TestExamplesAreGenerated(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "run", "./testdata/gen", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"ConversationComplete-40.json", "ConversationComplete-400.json"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, exampleFile(t, name)) {
			t.Errorf("%s differs from what go run ./testdata/gen testdata/examples writes (%v)", name, err)
		}
	}
}

func TestBody(t *testing.T) {
	e, err := event.Parse([]byte(good(`data={ "b" : 1.10 , "a":"\u00e9" }`)), benchMeta, 0)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"evt_1","event":"SessionStarted","timestamp":"2026-11-23T08:00:00.123Z","data":{ "b" : 1.10 , "a":"\u00e9" }}`
	body := event.Body(&e)
	if string(body) != want {
		t.Errorf("body %s", body)
	}
	if got := event.DataOf(body); !bytes.Equal(got, e.Data) {
		t.Errorf("data of the body: %s", got)
	}
	if got := event.DataOf(nil); len(got) != 0 {
		t.Errorf("data of nothing: %q", got)
	}
}

func TestMembers(t *testing.T) {
	for object, want := range map[string]string{
		`{}`: "", `{ "a" : [1, {"b":2}] , "\u0063":"}" , "a":null}`: `a=[1, {"b":2}] c="}" a=null `,
		`{"a":1,"b":}`: "a=1 ", `[1]`: "", ``: "", `{"a":1`: "a=1 ",
	} {
		var got strings.Builder
		for name, value := range event.Members([]byte(object)) {
			fmt.Fprintf(&got, "%s=%s ", name, value)
		}
		if got.String() != want {
			t.Errorf("%s: %s", object, got.String())
		}
	}
	for name := range event.Members([]byte(`{"a":1,"b":2}`)) {
		if name != "a" {
			t.Errorf("went on to %s", name)
		}
		break
	}
}

func TestParseAllocations(t *testing.T) {
	value := exampleFile(t, "ConversationComplete-40.json")
	n := testing.AllocsPerRun(100, func() {
		e, err := event.Parse(value, benchMeta, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		event.Body(&e)
	})
	if n > 2 {
		t.Errorf("%v allocations, want 1 for all strings together and 1 for the body", n)
	}
}
