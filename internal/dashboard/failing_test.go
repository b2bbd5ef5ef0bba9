package dashboard

import (
	"strings"
	"testing"

	"github.com/voxagent/dispatcher/internal/filter"
)

func TestFailing(t *testing.T) {
	data := `{"a":null,"n":1,"text":"x","list":[{"r":1}],"deep":{"k":1},"long":"` + strings.Repeat("y", 20_000) + `","odd":"\u202e<b>"}`
	for text, want := range map[string]string{
		`data.x == 1`:                            "No such key: x. Ask has(data.x) first.",
		`data.deep.q == 1`:                       "No such key: q. Ask has(data.deep.q) first.",
		`data.list[0].q == 1`:                    "No such key: q. Ask has(data.list[0].q) first.",
		`data.list.all(m, m.q == 1)`:             "No such key: q. Ask has(m.q) first.",
		`data.n == 2 || data.nn == 1`:            "No such key: nn. Ask has(data.nn) first.",
		`data["x"] == 1`:                         "No such key: x. Ask first whether it is there.",
		`data[data.odd] == 1`:                    "No such key: <b>. Ask first whether it is there.",
		`data[data.long] == 1`:                   "No such key: " + strings.Repeat("y", maxReason) + "…. Ask first whether it is there.",
		`data.a > 5`:                             "A value is null, or of another type than is needed here. No such overload: _>_.",
		`data.list[3].r == 1`:                    "Index out of bounds: 3.",
		`data.n / 0 == 1`:                        "Division by zero.",
		`data.n`:                                 "Want true or false, have int.",
		`timestamp(data.text).getFullYear() > 1`: `Invalid RFC 3339 timestamp "x".`,
		`data.long.matches("(?:a?){100}b")`:      "It takes too much work on this event. Look at fewer messages, or at shorter texts.",
	} {
		f, err := filter.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		yes, err := f.Match(filter.NewInput("X", []byte(data)))
		if err == nil {
			t.Errorf("%s is %v, want a failure", text, yes)
			continue
		}
		if got := failing(text, err); got != want {
			t.Errorf("%s: %s\nwant %s", text, got, want)
		}
	}
}

// The examples of the form must work on what is published.
func TestFilterExamples(t *testing.T) {
	data := []byte(`{"duration_seconds":61,"campaign_id":null,"history":[{"role":"User","content":"a refund, please"}]}`)
	for i, want := range []bool{true, false, true} {
		f, err := filter.Compile(filterExamples[i])
		if err != nil {
			t.Fatalf("%s: %v", filterExamples[i], err)
		}
		if yes, err := f.Match(filter.NewInput("ConversationComplete", data)); yes != want || err != nil {
			t.Errorf("%s: %v, %v", filterExamples[i], yes, err)
		}
	}
}
