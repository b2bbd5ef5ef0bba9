package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// maxValues bounds one list of values in a query.
const maxValues = 250

// where collects the conditions of a statement, all of which must hold, and their arguments.
type where struct {
	conditions []string
	args       []any
	err        error
}

// newWhere begins with the one condition that every query has (invariant tenant).
func newWhere(workspaceID string) *where {
	w := &where{}
	w.add("workspace_id = ?", clean(workspaceID))
	return w
}

func (w *where) add(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

// String is the WHERE clause.
func (w *where) String() string { return "WHERE " + strings.Join(w.conditions, " AND ") }

// anyOf adds that column is one of values, if there are any.
func anyOf[T ~string](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	w.bound(column, len(values))
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = clean(string(v))
	}
	w.add(column+" IN "+sqldb.List(len(values)), args...)
}

func (w *where) bound(name string, n int) {
	if n > maxValues && w.err == nil {
		w.err = fmt.Errorf("%w: more than %d values for %s", ErrQuery, maxValues, name)
	}
}

// ids adds a range of time as the range of ids that it is.
func (w *where) ids(column, prefix string, since, until time.Time) {
	if !since.IsZero() {
		w.add(column+" >= ?", idBound(prefix, since))
	}
	if !until.IsZero() {
		w.add(column+" < ?", idBound(prefix, until))
	}
}

// occurrences adds that column is one of the select's occurrences, for lists that are asked for by what only an event's
// row has an index for; link reads %s as a list of occurrences.
func (w *where) occurrences(link, workspaceID string, eventIDs, sessionIDs []string) {
	if len(eventIDs) == 0 && len(sessionIDs) == 0 {
		return
	}
	sessions := make([]string, len(sessionIDs))
	for i, s := range sessionIDs {
		sessions[i] = cleanSession(s)
	}
	inner := newWhere(workspaceID)
	anyOf(inner, "event_id", eventIDs)
	anyOf(inner, "session_id", sessions)
	w.add(fmt.Sprintf(link, "SELECT occurrence FROM history_events "+inner.String()), inner.args...)
	if w.err == nil {
		w.err = inner.err
	}
}

// httpStatuses adds that the status is in one of ranges.
func (w *where) httpStatuses(ranges []StatusRange) {
	if len(ranges) == 0 {
		return
	}
	w.bound("http_status", len(ranges))
	parts := make([]string, len(ranges))
	var args []any
	for i, r := range ranges {
		parts[i] = "http_status BETWEEN ? AND ?"
		args = append(args, r.Min, r.Max)
	}
	w.add("("+strings.Join(parts, " OR ")+")", args...)
}

// statuses adds that the status column is one of values. A single known one stands in the statement itself, not as an
// argument, so that the database sees that an index over just these rows fits.
func (w *where) statuses(values []event.Status) {
	if len(values) == 1 {
		switch values[0] {
		case event.Pending, event.Succeeded, event.Failed, event.Cancelled:
			w.add("status = '" + string(values[0]) + "'")
			return
		}
	}
	anyOf(w, "status", values)
}
