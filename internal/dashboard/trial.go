package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/filter"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// What one trial looks at. An evaluation takes at most some 40 ms, so all of them stay within a second.
const (
	trialEvents = 20
	trialBytes  = 4 << 20 // of payloads
	// trialTypes is how many chosen types the history is asked for; with more, it is asked for all.
	trialTypes = 100
)

// trial is what a filter says of a workspace's newest events.
type trial struct {
	Rows                            []trialRow
	Matched, Missed, Failed, Untold int
	Chosen                          bool // only events of the chosen types were looked at
	Now                             time.Time
}

// filterExamples are what filters are often about.
var filterExamples = []string{
	`event == "ConversationComplete" && data.duration_seconds > 60`,
	`has(data.campaign_id) && data.campaign_id == "spring"`,
	`data.history.exists(m, m.role == "User" && m.content.contains("refund"))`,
}

type trialRow struct {
	judgement
	Href, Event, Session string
	At                   time.Time
}

// judgement is what the filter says of one event.
type judgement struct {
	Status status
	Why    string
}

// tryFilter shows the form as it was entered, with what its filter says of the newest events. Nothing is saved.
func (d *dashboard) tryFilter(v *visit) error {
	f, types := v.readForm()
	if f.ID != "" {
		w, err := v.Webhooks.Webhook(v.r.Context(), v.workspace, f.ID)
		if err != nil {
			return err
		}
		f.Name = webhookName(&w)
	}
	compiled, err := filter.Compile(f.Filter)
	switch {
	case f.Filter == "":
		f.Errors["filter"] = "Enter an expression to try it."
	case err != nil: // also an answer to the question that was asked
		f.note(&subscription.FieldError{Location: "body.filter", Message: err.Error()})
	default:
		return v.showTrial(f, compiled, types)
	}
	return v.showForm(http.StatusOK, f, types)
}

func (v *visit) showTrial(f *formView, compiled *filter.Filter, types []string) error {
	var err error
	f.Trial, err = v.try(compiled, f.Filter, types)
	switch {
	case err == nil:
		return v.showForm(http.StatusOK, f, types)
	case errors.Is(err, context.Canceled):
		return err
	}
	v.log.Error("filter trial failed", zap.String("workspace", v.workspace), zap.Error(err))
	f.Errors["filter"] = "The recent events cannot be read right now. Try again in a moment; saving does not need them."
	return v.showForm(http.StatusInternalServerError, f, types) // what was entered must not be lost with it
}

// backToEdit is where a reload of a trial's address leads.
func (d *dashboard) backToEdit(v *visit) error {
	if _, err := v.Webhooks.Webhook(v.r.Context(), v.workspace, v.id()); err != nil {
		return err
	}
	return v.redirect(v.webhookHref(v.id()) + "/edit")
}

// try judges the newest events of the chosen types, or of all types when none is chosen.
func (v *visit) try(f *filter.Filter, text string, types []string) (*trial, error) {
	ctx := v.r.Context()
	query := store.EventQuery{WorkspaceID: v.workspace, Page: store.Page{Limit: trialEvents}}
	if len(types) <= trialTypes && !slices.ContainsFunc(types, func(t string) bool { return strings.HasSuffix(t, "*") }) {
		query.Events = types
	}
	l, err := v.History.Events(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read recent events: %w", err)
	}
	t := &trial{Chosen: len(query.Events) > 0, Now: v.now}
	room := trialBytes
	for i := range l.Data[:min(len(l.Data), trialEvents)] {
		e := &l.Data[i]
		row := trialRow{Href: v.base() + "/events/" + e.ID, Event: plain(e.Event), Session: plain(e.SessionID), At: e.RecordTime}
		if row.Session == "" {
			row.Session = e.ID
		}
		switch {
		case len(types) > 0 && !subscription.Selects(types, e.Event):
			row.judgement = unknown("Its type is not chosen.")
		case e.BodySize > room:
			row.judgement = unknown("These events are too large to try all of them at once.")
		default:
			room -= e.BodySize
			row.judgement, err = v.judge(ctx, f, text, e)
		}
		if err != nil {
			return nil, err
		}
		t.count(row.Status.Kind)
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// judge reads an event's payload and asks the filter.
func (v *visit) judge(ctx context.Context, f *filter.Filter, text string, e *store.Event) (judgement, error) {
	p, err := v.History.Payload(ctx, v.workspace, e.Occurrence)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // its retention may end in this moment
		return judgement{}, fmt.Errorf("read payload of event %s: %w", e.ID, err)
	}
	if p.State == store.PayloadErased {
		return unknown("Its payload was erased."), nil
	}
	if p.State != store.PayloadKept {
		return unknown("Its payload is not kept any more."), nil
	}
	switch yes, err := f.Match(filter.NewInput(e.Event, event.DataOf(p.Body))); {
	case err != nil:
		return judgement{Status: status{"fail", "fails"}, Why: failing(text, err)}, nil
	case yes:
		return judgement{Status: status{"ok", "matches"}}, nil
	}
	return judgement{Status: status{"off", "does not match"}}, nil
}

// unknown is for an event that the filter was not asked about.
func unknown(why string) judgement { return judgement{Status: status{"wait", "not tried"}, Why: why} }

func (t *trial) count(kind string) {
	switch kind {
	case "ok":
		t.Matched++
	case "off":
		t.Missed++
	case "fail":
		t.Failed++
	default:
		t.Untold++
	}
}

// Heading says what was looked at.
func (t *trial) Heading() string {
	of := ""
	if t.Chosen {
		of = " of the chosen types"
	}
	switch len(t.Rows) {
	case 0:
		if t.Chosen {
			return "No event of the chosen types was published in the time that history is kept."
		}
		return "Nothing was published for this workspace yet."
	case 1:
		return "The last event" + of + ":"
	default:
		return "The last " + count(len(t.Rows)) + " events" + of + ":"
	}
}

// maxReason is how much of a reason is shown, in characters: it may hold a piece of the payload.
const maxReason = 200

// failing says in words why the filter with this text failed on an event, and what would help.
func failing(text string, err error) string {
	if errors.Is(err, filter.ErrCost) {
		return "It takes too much work on this event. Look at fewer messages, or at shorter texts."
	}
	reason := strings.TrimPrefix(err.Error(), "filter: ")
	if key, ok := strings.CutPrefix(reason, "no such key: "); ok {
		return "No such key: " + preview([]byte(key), maxReason) + ". " + askFor(text, key)
	}
	said := upperFirst(preview([]byte(reason), maxReason)) + "."
	if strings.HasPrefix(reason, "no such overload") {
		return "A value is null, or of another type than is needed here. " + said
	}
	return said
}

// askFor is how the filter can ask for the property key before it uses it. Where it reads that is found in its text.
func askFor(text, key string) string {
	const path = `[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*\.`
	if len(key) <= filter.MaxLength {
		find, err := regexp.Compile(`\b` + path + regexp.QuoteMeta(key) + `\b`)
		if err == nil {
			if at := find.FindString(text); at != "" {
				return "Ask has(" + at + ") first."
			}
		}
	}
	return "Ask first whether it is there."
}
