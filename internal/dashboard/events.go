package dashboard

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

type eventsView struct {
	Session      string
	EventOptions []option
	Filtered     bool
	Hint         string // how to publish a first event
	Rows         []eventRow
	Pager        pager
}

type eventRow struct {
	Href, Event, Session string
	At                   time.Time
	Size                 int
	Result               string
}

func (d *dashboard) eventsPage(v *visit) error {
	q := v.r.URL.Query()
	session, kind := strings.TrimSpace(q.Get("session_id")), q.Get("event")
	view := eventsView{Session: session, Filtered: session != "" || kind != "", Hint: "dispatcher publish --example SessionStarted --workspace " + v.workspace}
	query := store.EventQuery{WorkspaceID: v.workspace, Page: store.Page{Limit: pageSize, Cursor: q.Get("cursor")}}
	if session != "" {
		if !utf8.ValidString(session) || strings.ContainsRune(session, 0) {
			return errNotFound
		}
		query.SessionIDs = []string{session}
	}
	if thingType.MatchString(kind) {
		query.Events = []string{kind}
	}
	for _, t := range v.Catalogue().Names() {
		view.EventOptions = append(view.EventOptions, option{t, t, t == kind})
	}
	l, err := v.History.Events(v.r.Context(), query)
	if err != nil {
		return err
	}
	for i := range l.Data {
		e := &l.Data[i]
		view.Rows = append(view.Rows, eventRow{
			Href: v.base() + "/events/" + e.ID, Event: plain(e.Event), Session: e.SessionID, At: e.RecordTime, Size: e.BodySize, Result: result(e),
		})
	}
	view.Pager = v.pager(l.Next, "")
	return v.show("events", "Events", "events", view)
}

// result says in a few words what became of an event.
func result(e *store.Event) string {
	switch {
	case e.Reason != "":
		return string(e.Reason)
	case e.Matched > 0:
		return "to " + plural(e.Matched, "webhook", "webhooks")
	case e.Unmatched > 0:
		return "no webhook wanted it"
	default:
		return "there was no webhook"
	}
}

type eventView struct {
	ID, Event string
	Verdict   *trouble
	Outcomes  []eventOutcome
	Facts     []fact
	Payload   bodyView
}

// eventOutcome is what became of an event for one webhook.
type eventOutcome struct {
	Webhook, WebhookHref, Href, Why string
	Status                          status
	Try                             string // where to look for the fault of its filter; empty: there is none
}

func (d *dashboard) eventPage(v *visit) error {
	ctx := v.r.Context()
	e, err := v.History.Event(ctx, v.workspace, v.id())
	if err != nil {
		return err
	}
	view := eventView{ID: e.ID, Event: plain(e.Event.Event), Verdict: verdict(e), Payload: v.payloadView(e.Payload, v.base()+"/events/"+e.ID+"/payload")}
	names, deleted := map[string]string{}, map[string]bool{}
	name := func(id string) string {
		if n, ok := names[id]; ok {
			return n
		}
		names[id] = id
		w, err := v.Webhooks.Webhook(ctx, v.workspace, id)
		if err == nil {
			names[id] = webhookName(&w)
		} else if errors.Is(err, subscription.ErrNotFound) {
			names[id], deleted[id] = id+" (deleted)", true
		}
		return names[id]
	}
	for i := range e.Deliveries {
		d := &e.Deliveries[i]
		o := eventOutcome{
			Webhook: name(d.WebhookID), WebhookHref: v.webhookHref(d.WebhookID), Href: v.base() + "/deliveries/" + d.ID,
			Status: deliveryStatus(d, v.now), Why: plural(d.Attempts, "attempt", "attempts"),
		}
		if d.Cause != "" {
			o.Why += ". " + causeText(d.Cause)
		}
		view.Outcomes = append(view.Outcomes, o)
	}
	for _, m := range e.Misses {
		o := eventOutcome{Webhook: name(m.WebhookID), WebhookHref: v.webhookHref(m.WebhookID), Status: status{"off", "not sent"}, Why: missText(m.Reason)}
		if m.Reason == event.MissFilterError && !deleted[m.WebhookID] && v.principal.Scopes.Has(auth.Read|auth.Write) {
			o.Try = o.WebhookHref + "/edit#filter-field"
		}
		view.Outcomes = append(view.Outcomes, o)
	}
	view.Facts = v.eventFacts(e)
	return v.show("event", view.Event, "events", view)
}

func (v *visit) eventFacts(e *store.EventDetail) []fact {
	facts := []fact{{Name: "Event ID", Value: e.ID}}
	if e.SessionID != "" {
		facts = append(facts, v.sessionFact(e.SessionID))
	}
	facts = append(facts, fact{Name: "Timestamp", Value: e.Timestamp}, fact{Name: "Received", Value: utc(e.ReceivedAt)})
	if e.Source.Topic != "" {
		facts = append(facts, fact{Name: "Kafka", Value: fmt.Sprintf("%s, partition %d, offset %d", e.Source.Topic, e.Source.Partition, e.Source.Offset)})
	}
	if n := len(e.Repeats); n > 0 {
		facts = append(facts, fact{Name: "Published again", Value: plural(n, "time", "times")})
	}
	return facts
}

// verdict is the sentence above an event that went to nobody; nil when it went to somebody.
func verdict(e *store.EventDetail) *trouble {
	switch {
	case len(e.Deliveries) > 0:
		return nil
	case e.Reason == event.MissDuplicate:
		return &trouble{Kind: "off", What: "Nobody got it: the same id was published before.", Do: "That is meant to be when a producer repeats itself."}
	case e.Reason == event.MissExpired:
		return &trouble{Kind: "fail", What: "Nobody got it: it was older than its type may be."}
	case e.Reason == event.MissSuspended:
		return &trouble{Kind: "fail", What: "Nobody got it: the workspace was suspended."}
	case len(e.Misses) == 0:
		return &trouble{Kind: "off", What: "Nobody got it: there was no webhook.", Do: "Webhooks get what is published after they were created."}
	default:
		return &trouble{Kind: "off", What: "Nobody got it: no webhook wanted it.", Do: "Below is the reason for each."}
	}
}

func (d *dashboard) eventPayload(v *visit) error {
	e, err := v.History.Event(v.r.Context(), v.workspace, v.id())
	if err != nil {
		return err
	}
	return v.downloadPayload(e.ID, e.Payload)
}
