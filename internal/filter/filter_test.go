package filter_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/voxagent/dispatcher/internal/filter"
)

const data = `{"session_id":"ses_1","duration_seconds":42.5,"turns":3,"big":9007199254740993,"huge":1e400,"campaign_id":null,
	"to_number":"+49","role":"first","role":"last","caf\u00e9":true,
	"history":[{"role":"User","content":"I want a Refund"},{"role":"Agent","content":"Of course"}],"url_parameters":{"a":{"b":[1,2.5]}},
	"created_at":"2026-11-23T08:00:00.123Z","empty":{}}`

func judge(t *testing.T, text, data string) (bool, error) {
	t.Helper()
	f, err := filter.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f.Match(filter.NewInput("ConversationComplete", []byte(data)))
}

func TestMatch(t *testing.T) {
	const fails = "fails"
	for text, want := range map[string]string{
		`true`:                            "true",
		`event == "ConversationComplete"`: "true",
		`event == "SessionStarted" || data.turns > 2`:                              "true",
		`event.startsWith("Conversation")`:                                         "true",
		`event in ["SessionStarted", "Other"]`:                                     "false",
		`data.duration_seconds > 60`:                                               "false",
		`data.duration_seconds > 42 && data.turns < 3.5`:                           "true",
		`data.turns == 3 && data.turns == 3.0`:                                     "true",
		`data.turns + 1 == 4 && data.turns % 2 == 1`:                               "true",
		`data.big == 9007199254740993`:                                             "true",
		`data.big == 9007199254740992`:                                             "false",
		`data.huge > 1.0`:                                                          fails,
		`data.campaign_id == null`:                                                 "true",
		`data.campaign_id == "x"`:                                                  "false",
		`has(data.campaign_id)`:                                                    "true",
		`has(data.no_such)`:                                                        "false",
		`has(data.no_such) && data.no_such == 1`:                                   "false",
		`data.no_such == 1`:                                                        fails,
		`data.no_such == 1 || data.turns == 3`:                                     "true", // CEL's || takes the side that knows
		`data["to_number"] == "+49"`:                                               "true",
		`"turns" in data && !("x" in data)`:                                        "true",
		`data.role == "last"`:                                                      "true",
		`data["café"]`:                                                             "true",
		`data.url_parameters.a.b[1] == 2.5`:                                        "true",
		`data.url_parameters.a.b[2] == 2.5`:                                        fails,
		`size(data.history) == 2 && size(data.empty) == 0`:                         "true",
		`data.history.exists(m, m.role == "User" && m.content.contains("Refund"))`: "true",
		`data.history.all(m, m.role == "User")`:                                    "false",
		`data.history.filter(m, m.role == "Agent").size() == 1`:                    "true",
		`data.history.map(m, m.role) == ["User", "Agent"]`:                         "true",
		`data.history.exists(m, m.content.matches("(?i)refund"))`:                  "true",
		`data.to_number.matches("^\\+49")`:                                         "true",
		`data.turns.matches("3")`:                                                  fails,
		`data == data && data != {}`:                                               "true",
		`data.exists(k, k == "turns") && size(data) == 13`:                         "true",
		`timestamp(data.created_at).getFullYear() == 2026`:                         "true",
		`timestamp(data.created_at) < timestamp("2027-01-01T00:00:00Z")`:           "true",
		`timestamp(data.session_id).getHours() == 1`:                               fails,
		`data.turns / 0 == 1`:                                                      fails,
		`data.turns`:                                                               fails, // no boolean
		`data.history[0].role`:                                                     fails,
		`dyn(data).turns == 3`:                                                     "true",
	} {
		yes, err := judge(t, text, data)
		got := fmt.Sprint(yes)
		if err != nil {
			got = fails
		}
		if got != want || (err != nil && yes) {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestCompileSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`data.x =`:                     "line 1, column 8: ",
		"true &&\n  evnt == 'x'":       "line 2, column 3: undeclared reference to 'evnt'",
		`data.turns + `:                "line 1, column 14: ",
		`"text"`:                       "want an expression that is true or false, this one is of type string",
		`event + 1 == "x"`:             "line 1, column 7: found no matching overload for '_+_'",
		`data.x.matches(data.y)`:       "line 1, column 20: the pattern of matches must be a literal",
		`event.matches("(")`:           "line 1, column 15: not a pattern of RE2: ",
		`event.matches("(a{30}){30}")`: "line 1, column 15: the pattern comes to ",
		// Short to write and large to keep: each of them would be a megabyte.
		`event.matches("(?i)\\pL{70}")`:                                    "line 1, column 15: the patterns take too much memory",
		`event.matches("(?i)\\pL+a") || event.matches("(?i)\\pL+b")`:       "line 1, column 46: the patterns take too much memory",
		`matches(event, "x")`:                                              "line 1, column 8: found no matching overload for 'matches'",
		`timestamp("2026-01-01T00:00:00Z").getHours("Europe/Berlin") == 1`: "line 1, column 43: found no matching overload",
		strings.Repeat("(", 40) + "true" + strings.Repeat(")", 40):         "expression recursion limit exceeded: 30",
		strings.Repeat("true || ", 300) + "true":                           "expression node count exceeds limit",
		strings.Repeat("x", filter.MaxLength+1):                            "want at most 4096 bytes of text",
		"\xff":                                                             "want at most 4096 bytes of text",
		"event == \"\x00\"":                                                "want at most 4096 bytes of text",
	} {
		_, err := filter.Compile(text)
		var fault *filter.SyntaxError
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

// transcript has more turns, and a longer text, than any real one.
func transcript() []byte {
	var b strings.Builder
	b.WriteString(`{"history":[`)
	for i := range 400 {
		fmt.Fprintf(&b, `{"role":"%d","content":"%s","created_at":"2026-11-23T08:00:00Z"},`, i, strings.Repeat("lorem ipsum ", 60))
	}
	b.WriteString(`{}],"big":"` + strings.Repeat("ab", 250_000) + `"}`)
	return []byte(b.String())
}

func TestCostIsBounded(t *testing.T) {
	data := transcript()
	for _, text := range []string{
		`data.history.all(x, data.history.all(y, data.history.all(z, true)))`,
		`data.history.all(x, data.history == data.history)`,
		`data.history.all(x, size(data.big) > 0)`,
		`data.history.all(x, !data.big.contains("abababababababababababababababababc"))`,
		`data.history.all(x, size(data.big + data.big) > 0)`,
		`data.history.all(x, string(bytes(data.big)) != "")`,
		`data.history.map(x, data.history.map(y, data.history)).size() > 0`,
		`(data.big + data.big + data.big + data.big + data.big + data.big + data.big + data.big + data.big + data.big) == ""`,
		`data.history.all(x, x in data.history || true)`,
		`data.history.map(x, data.history).all(x, data.history.map(x, data.history) != [x])`,
		`data.big.matches("(?:ab|ba|b)*(?:ab|x)*c")`,
		`data.history.all(x, !data.history[0].content.matches("(?:a?){40}b"))`,
		`[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d,
			[1,2,3,4,5,6,7,8,9].all(e, [1,2,3,4,5,6,7,8,9].all(f, true))))))`,
	} {
		f, err := filter.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err := f.Match(filter.NewInput("x", data)); !errors.Is(err, filter.ErrCost) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What a customer may well ask of the largest transcript is within the bounds.
func TestHonestFiltersFit(t *testing.T) {
	in := filter.NewInput("x", transcript())
	for _, text := range []string{
		`data.history.exists(m, m.role == "User" && m.content.contains("refund"))`,
		`data.history.exists(m, has(m.content) && m.content.matches("(?i)refund|cancel|chargeback"))`,
		`size(data.history) > 10 && data.history.filter(m, has(m.role) && m.role == "7").size() == 1`,
	} {
		f, err := filter.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err := f.Match(in); err != nil && !strings.Contains(err.Error(), "no such key") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOneEventsFiltersShareABound(t *testing.T) {
	f, err := filter.Compile(`data.history.exists(m, m.content.matches("(?i)refund|cancel|chargeback"))`)
	if err != nil {
		t.Fatal(err)
	}
	in := filter.NewInput("x", transcript())
	for i := range 100 {
		if _, err := f.Match(in); errors.Is(err, filter.ErrCost) {
			if i < 4 {
				t.Errorf("after %d evaluations", i)
			}
			return
		}
	}
	t.Error("a hundred evaluations were within the bound of one event")
}

// What a compiled filter takes is told well enough for a cache to be bounded by it, whatever a customer writes.
func TestSizeIsTold(t *testing.T) {
	for _, text := range []string{
		"event in [" + strings.Repeat(`"a",`, 480) + `"b"]`,
		strings.Repeat(`data.h.exists(m, m.a == 1) || `, 24) + "true",
		strings.Repeat(`event.matches("(a|b|c){40}[x-z]+") || `, 90) + "true",
		`event.matches("(?i)^\\pL+$")`,
		`data.duration_seconds > 60`,
	} {
		var before, after runtime.MemStats
		kept := make([]*filter.Filter, 30)
		runtime.GC()
		runtime.GC() // what pools keep goes with the second
		runtime.ReadMemStats(&before)
		for i := range kept {
			f, err := filter.Compile(text)
			if err != nil {
				t.Fatalf("%.40s: %v", text, err)
			}
			kept[i] = f
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		took, told := int(after.HeapAlloc-before.HeapAlloc)/len(kept), kept[0].Size()
		if took > told+told/2 || told > 3*took+2048 {
			t.Errorf("%.40s takes %d bytes and tells %d", text, took, told)
		}
		runtime.KeepAlive(kept)
	}
}

// Loops that need no data are not for free because the event is small; a thousand ordinary filters are.
func TestSmallEventsCostLittle(t *testing.T) {
	small := []byte(`{"session_id":"ses_1","agent_id":"agt_1","duration_seconds":42.5}`)
	loop, err := filter.Compile(`[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, a + b + c + d > 0))))`)
	if err != nil {
		t.Fatal(err)
	}
	in := filter.NewInput("x", small)
	n := 0
	for ; n < 100; n++ {
		if _, err := loop.Match(in); err != nil {
			break
		}
	}
	if n == 0 || n > 2 {
		t.Errorf("%d loops were run for a small event", n)
	}
	if in.Read("true") {
		t.Error("then another filter is compiled")
	}
	ordinary, err := filter.Compile(`event == "x" && has(data.duration_seconds) && data.duration_seconds > 60 || data.agent_id == "agt_2"`)
	if err != nil {
		t.Fatal(err)
	}
	in = filter.NewInput("x", small)
	for i := range 1000 {
		if _, err := ordinary.Match(in); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
	}
}

// The filters that one event is shown to are bounded by their text, before any of them is compiled.
func TestReadingIsBounded(t *testing.T) {
	in := filter.NewInput("x", []byte(`{}`))
	long := strings.Repeat("x", filter.MaxLength)
	n := 0
	for in.Read(long) && n < 1000 {
		n++
	}
	if n < 20 || n > 150 {
		t.Errorf("%d filters of the greatest length are read for one event", n)
	}
	in, n = filter.NewInput("x", []byte(`{}`)), 0
	for in.Read(`data.duration_seconds > 60 && event == "ConversationComplete"`) && n < 8000 {
		n++
	}
	if n != 8000 {
		t.Errorf("only %d ordinary filters are read for one event", n)
	}
}

func FuzzFilter(f *testing.F) {
	for _, text := range []string{`data.x == 1`, `data.history.exists(m, m.role == "User")`, `event.matches("a+")`, `{"a": data}["a"].x`, `[data].all(x, x == data)`} {
		f.Add(text, data)
	}
	f.Fuzz(func(t *testing.T, text, data string) {
		compiled, err := filter.Compile(text)
		var fault *filter.SyntaxError
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("%v is no SyntaxError", err)
		}
		if err != nil {
			return
		}
		first, firstErr := compiled.Match(filter.NewInput("x", []byte(data)))
		again, againErr := compiled.Match(filter.NewInput("x", []byte(data)))
		if first != again || (firstErr == nil) != (againErr == nil) {
			t.Errorf("judged twice: %v %v, then %v %v", first, firstErr, again, againErr)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	large := transcript()
	for name, text := range map[string]string{
		"event": `event == "x"`, "field": `data.big == "x"`, "history": `data.history.exists(m, has(m.role) && m.role == "User")`,
	} {
		b.Run(name, func(b *testing.B) {
			f, err := filter.Compile(text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Match(filter.NewInput("x", large)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
