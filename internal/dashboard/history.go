package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// historyView is a webhook's Request History: its attempts, or the deliveries that wait for one.
type historyView struct {
	Live     bool // the newest rows: new ones may come
	Tabs     []link
	Action   string
	Keep     []pair
	Filtered bool

	EventOptions, HTTPOptions, TimeOptions []option

	ClearHref string
	Rows      []historyRow
	Pager     pager
}

type historyRow struct {
	ID, Href          string
	At                time.Time
	Status            status
	Next              string
	Long              bool // Next is a sentence
	Event             string
	Test              bool
	Attempt, Duration string
	Payload, Response string
}

const (
	// maxPage is the most that the store returns at once.
	maxPage = store.MaxLimit
	// previewBytes of a body are read for a row, previewRunes of it shown.
	previewBytes = 160
	previewRunes = 60
)

// times are the ranges that the history can be narrowed to.
var times = []struct {
	value, name string
	length      time.Duration
}{{"1h", "Last hour", time.Hour}, {"24h", "Last 24 hours", 24 * time.Hour}, {"7d", "Last 7 days", 7 * 24 * time.Hour}}

// answersOf are the kinds of answers that the history can be narrowed to.
var answersOf = []struct {
	value, name string
	min, max    int
	err         event.ErrorCode
}{
	{"2xx", "2xx", 200, 299, ""}, {"3xx", "3xx", 300, 399, ""}, {"4xx", "4xx", 400, 499, ""}, {"5xx", "5xx", 500, 599, ""},
	{"timeout", "timeout", 0, 0, event.ErrTimeout}, {"dns_error", "dns_error", 0, 0, event.ErrDNS},
	{"connection_refused", "connection_refused", 0, 0, event.ErrConnectionRefused},
	{"connection_reset", "connection_reset", 0, 0, event.ErrConnectionReset},
	{"unreachable", "unreachable", 0, 0, event.ErrUnreachable}, {"tls_error", "tls_error", 0, 0, event.ErrTLS},
	{"blocked", "blocked", 0, 0, event.ErrBlocked}, {"protocol_error", "protocol_error", 0, 0, event.ErrProtocol},
}

// history reads the rows that the page's address asks for.
func (v *visit) history(ctx context.Context, w *subscription.Webhook) (historyView, error) {
	q := v.r.URL.Query()
	h := v.historyFilters(w)
	var next string
	var err error
	if q.Get("status") == "waiting" {
		next, err = v.waitingRows(ctx, w.ID, &h)
	} else {
		next, err = v.attemptRows(ctx, w.ID, &h)
	}
	h.Pager = v.pager(next, "#history")
	h.Live = q.Get("cursor") == "" && v.r.Method == http.MethodGet
	return h, err
}

// historyFilters is the controls above the rows.
func (v *visit) historyFilters(w *subscription.Webhook) historyView {
	q := v.r.URL.Query()
	path := v.webhookHref(w.ID)
	h := historyView{Action: path, ClearHref: path + "#history"}
	for _, tab := range []struct{ value, name string }{{"", "All"}, {"succeeded", "Succeeded"}, {"failed", "Failed"}, {"waiting", "Waiting"}} {
		h.Tabs = append(h.Tabs, link{tab.name, v.with("status", tab.value) + "#history", q.Get("status") == tab.value})
	}
	if status := q.Get("status"); status != "" {
		h.Keep = append(h.Keep, pair{"status", status})
	}
	for _, t := range v.Catalogue().Names() {
		h.EventOptions = append(h.EventOptions, option{t, t, q.Get("event") == t})
	}
	if q.Get("status") != "waiting" { // what waits has no answer
		for _, a := range answersOf {
			h.HTTPOptions = append(h.HTTPOptions, option{a.value, a.name, q.Get("http_status") == a.value})
		}
	}
	for _, t := range times {
		h.TimeOptions = append(h.TimeOptions, option{t.value, t.name, q.Get("within") == t.value})
	}
	for _, name := range []string{"status", "event", "http_status", "within"} {
		h.Filtered = h.Filtered || q.Get(name) != ""
	}
	return h
}

func (v *visit) attemptRows(ctx context.Context, webhook string, h *historyView) (next string, err error) {
	q := v.r.URL.Query()
	query := store.AttemptQuery{
		WorkspaceID: v.workspace, WebhookIDs: []string{webhook}, Preview: previewBytes,
		Page: store.Page{Limit: pageSize, Cursor: q.Get("cursor")},
	}
	if s := event.Status(q.Get("status")); s == event.Succeeded || s == event.Failed {
		query.Statuses = []event.Status{s}
	}
	if e := q.Get("event"); e != "" && thingType.MatchString(e) {
		query.Events = []string{e}
	}
	for _, a := range answersOf {
		switch {
		case a.value != q.Get("http_status"):
		case a.err != "":
			query.Errors = []event.ErrorCode{a.err}
		default:
			query.HTTPStatuses = []store.StatusRange{{Min: a.min, Max: a.max}}
		}
	}
	query.Since = v.since()
	l, err := v.History.Attempts(ctx, query)
	if err != nil {
		return "", fmt.Errorf("read attempts: %w", err)
	}
	for i := range l.Data {
		h.Rows = append(h.Rows, v.attemptRow(&l.Data[i]))
	}
	return l.Next, nil
}

// since is the beginning of the range of time that the page's address asks for.
func (v *visit) since() time.Time {
	for _, t := range times {
		if t.value == v.r.URL.Query().Get("within") {
			return v.now.Add(-t.length)
		}
	}
	return time.Time{}
}

func (v *visit) attemptRow(a *store.Attempt) historyRow {
	row := historyRow{
		ID: a.ID, Href: v.base() + "/attempts/" + a.ID, At: a.Timestamp, Status: attemptStatus(a), Event: plain(a.Event),
		Test: a.Trigger == event.TriggerTest, Attempt: v.ordinal(a), Duration: span(a.Duration),
		Payload: preview(a.RequestPreview, previewRunes), Response: preview(a.ResponsePreview, previewRunes),
	}
	if row.Payload == "" {
		row.Payload = "not kept"
	}
	if row.Response == "" {
		row.Response = "–"
	}
	if a.DeliveryStatus == event.Pending && a.NextAttemptAt.After(v.now) {
		row.Next = "next try " + ago(a.NextAttemptAt, v.now)
	}
	return row
}

// tries is how many attempts a whole schedule has.
func (v *visit) tries() int { return len(v.cfg.RetrySchedule) + 1 }

// ordinal is `3 of 8`, and only the number where there is no "of".
func (v *visit) ordinal(a *store.Attempt) string {
	scheduled := a.Trigger == event.TriggerEvent || a.Trigger == event.TriggerRetry
	first := a.Attempt == 1 && a.Status == event.Succeeded
	if first || !scheduled || a.Attempt > v.tries() {
		return strconv.Itoa(a.Attempt)
	}
	return fmt.Sprintf("%d of %d", a.Attempt, v.tries())
}

// waiting lists the deliveries of a webhook that wait for their next attempt.
func (v *visit) waiting(ctx context.Context, webhook, cursor string, limit int) (store.List[store.Delivery], error) {
	q := store.DeliveryQuery{
		WorkspaceID: v.workspace, WebhookIDs: []string{webhook}, Statuses: []event.Status{event.Pending},
		Since: v.since(), Page: store.Page{Limit: limit, Cursor: cursor},
	}
	if e := v.r.URL.Query().Get("event"); e != "" && thingType.MatchString(e) {
		q.Events = []string{e}
	}
	return v.History.Deliveries(ctx, q)
}

func (v *visit) waitingRows(ctx context.Context, webhook string, h *historyView) (next string, err error) {
	l, err := v.waiting(ctx, webhook, v.r.URL.Query().Get("cursor"), pageSize)
	if err != nil {
		return "", fmt.Errorf("read waiting deliveries: %w", err)
	}
	for i := range l.Data {
		d := &l.Data[i]
		h.Rows = append(h.Rows, historyRow{
			ID: d.ID, Href: v.base() + "/deliveries/" + d.ID, At: d.CreatedAt, Status: deliveryStatus(d, v.now), Event: plain(d.Event),
			Attempt: fmt.Sprintf("%d of %d", min(d.Attempts+1, max(v.tries(), d.Attempts+1)), max(v.tries(), d.Attempts+1)),
			Next:    causeText(d.Cause), Long: true, Duration: "–", Payload: "–", Response: "–",
		})
	}
	return l.Next, nil
}
