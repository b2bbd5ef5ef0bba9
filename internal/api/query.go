package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// checkQuery refuses a query of which the framework would drop a part in silence: a filter that is not heard selects
// everything. (It refuses unknown parameters itself.)
func checkQuery(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if faults := queryFaults(r.URL.RawQuery, ctx.Operation().Parameters); faults != nil {
		writeProblem(w, problem(http.StatusUnprocessableEntity, detailInvalid, faults...))
		return
	}
	next(ctx)
}

// queryFaults judges a query by an operation's parameters. An empty cursor is the first page.
func queryFaults(raw string, params []*huma.Param) []Fault {
	if raw == "" {
		return nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return []Fault{fault("query", "is not well-formed: % needs two hexadecimal digits behind it, and ; is %3B", nil)}
	}
	var faults []Fault
	for _, p := range params {
		values := query[p.Name]
		if p.In != "query" || len(values) == 0 {
			continue
		}
		if message := valuesFault(p, values); message != "" {
			faults = append(faults, fault("query."+p.Name, message, nil))
		}
	}
	return faults
}

// valuesFault says what is wrong with a parameter's values, whatever it means; "" if nothing.
func valuesFault(p *huma.Param, values []string) string {
	switch {
	case len(values) > 1 && p.Schema.Type != huma.TypeArray:
		return "is given more than once"
	case p.Schema.MaxItems != nil && len(values) > *p.Schema.MaxItems:
		return fmt.Sprintf("is given %d times, at most %d are allowed", len(values), *p.Schema.MaxItems)
	case slices.Contains(values, "") && p.Name != cursorParam:
		return "is empty: give a value, or leave it out"
	case slices.ContainsFunc(values, func(v string) bool { return !plainText(v) }):
		return "is not plain text"
	}
	return ""
}
