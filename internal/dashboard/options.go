package dashboard

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// moreOptions are the fields below "More options", as they were entered.
type moreOptions struct {
	Filter  string
	Rate    string // requests a second
	Headers []headerRow
}

// headerRow is one static request header. The value of a stored one is not known here: what stands in Value replaces it.
type headerRow struct {
	Name, Value    string
	Stored, Remove bool
	Error          string
}

// The kinds of rows, as their fields begin.
const (
	storedRow = "stored"
	addedRow  = "header"
)

const (
	// emptyRows is how many headers can be added at once.
	emptyRows = 3
	// maxRows is how many headers a webhook may have; the store has the last word.
	maxRows = 20
)

// optionsOf is what an existing webhook has.
func optionsOf(w *subscription.Webhook) moreOptions {
	o := moreOptions{Filter: w.Filter}
	if w.MaxPerSecond != 0 {
		o.Rate = strconv.FormatFloat(w.MaxPerSecond, 'f', -1, 64)
	}
	for _, h := range w.Headers {
		o.Headers = append(o.Headers, headerRow{Name: h[0], Stored: true})
	}
	return o
}

// readOptions takes what the reader entered. A browser ends a textarea's lines with CR LF.
func readOptions(form url.Values) moreOptions {
	return moreOptions{
		Filter:  strings.TrimSpace(strings.ReplaceAll(form.Get("filter"), "\r\n", "\n")),
		Rate:    strings.TrimSpace(form.Get("max_per_second")),
		Headers: append(readRows(form, storedRow), readRows(form, addedRow)...),
	}
}

// readRows puts the names and values of one kind of rows together; empty rows are left out.
func readRows(form url.Values, kind string) []headerRow {
	names, values := form[kind+"_name"], form[kind+"_value"]
	var rows []headerRow
	for i := range min(len(names), len(values)) {
		row := headerRow{Name: strings.TrimSpace(names[i]), Value: strings.TrimSpace(values[i]), Stored: kind == storedRow}
		row.Remove = row.Stored && slices.Contains(form["remove"], row.Name)
		if row.Name != "" || row.Value != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// complete notes what no header can be made of, and says whether there is nothing of that kind. Whether names and values
// are allowed is for the store to judge.
func (o *moreOptions) complete() bool {
	ok, seen := true, map[string]bool{}
	for i := range o.Headers {
		row := &o.Headers[i]
		name := strings.ToLower(row.Name)
		switch {
		case name == "":
			row.Error = "Give it a name."
		case seen[name]:
			row.Error = "It is there already: enter its value there. Case makes no difference."
		case row.Value == "" && !row.Stored:
			row.Error = "Give it a value."
		}
		seen[name] = true
		ok = ok && row.Error == ""
	}
	return ok
}

// headers are those of a new webhook.
func (o *moreOptions) headers() []event.Header {
	var headers []event.Header
	for _, row := range o.Headers {
		headers = append(headers, event.Header{row.Name, row.Value})
	}
	return headers
}

// patch is the change of an existing webhook's headers. A stored one without a new value stays as it is.
func (o *moreOptions) patch() map[string]*string {
	patch := map[string]*string{}
	for _, row := range o.Headers {
		switch {
		case row.Remove:
			patch[row.Name] = nil
		case row.Value != "":
			patch[row.Name] = &row.Value
		}
	}
	return patch
}

// rate is the number of requests a second, 0 where none was entered. What is no limit comes out as no number, which the
// store refuses together with all else that is wrong.
func (o *moreOptions) rate() float64 {
	if o.Rate == "" {
		return 0
	}
	n, err := strconv.ParseFloat(o.Rate, 64)
	if err != nil || n == 0 {
		return math.NaN()
	}
	return n
}

// HasStored says whether one of the headers has a value already.
func (o *moreOptions) HasStored() bool {
	return slices.ContainsFunc(o.Headers, func(row headerRow) bool { return row.Stored })
}

// used says whether anything is set.
func (o *moreOptions) used() bool { return o.Filter != "" || o.Rate != "" || len(o.Headers) > 0 }

// withEmptyRows adds what the reader can fill in.
func (o *moreOptions) withEmptyRows() {
	for range min(emptyRows, max(0, maxRows-len(o.Headers))) {
		o.Headers = append(o.Headers, headerRow{})
	}
}
