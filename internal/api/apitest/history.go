package apitest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

// History keeps whole attempts, deliveries and events, newest first.
type History struct {
	mu         sync.Mutex
	attempts   []store.AttemptDetail
	deliveries []store.Delivery
	events     []store.EventDetail
	payloads   map[event.Occurrence]store.Payload
	// Err, if set, is what every method returns.
	Err error
}

// Add puts a delivery with its attempts (oldest first) and its event into the history.
func (h *History) Add(d store.Delivery, payload []byte, attempts ...store.AttemptDetail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.payloads == nil {
		h.payloads = map[event.Occurrence]store.Payload{}
	}
	kept := store.Payload{Body: payload, State: store.PayloadKept}
	if payload == nil {
		kept.State = store.PayloadGone
	}
	h.payloads[d.Occurrence] = kept
	h.deliveries = slices.Insert(h.deliveries, 0, d)
	for _, a := range attempts {
		a.Payload = kept
		h.attempts = slices.Insert(h.attempts, 0, a)
	}
	slices.SortStableFunc(h.attempts, func(a, b store.AttemptDetail) int { return b.Timestamp.Compare(a.Timestamp) })
	h.events = slices.Insert(h.events, 0, store.EventDetail{
		Event: store.Event{
			ID: d.EventID, Event: d.Event, WorkspaceID: d.WorkspaceID, SessionID: d.SessionID, Occurrence: d.Occurrence,
			Source: d.Source, Timestamp: d.EventTimestamp, RecordTime: d.CreatedAt, ReceivedAt: d.CreatedAt,
			BodySize: len(payload), Matched: 1,
		},
		Payload: kept, Deliveries: []store.Delivery{d},
	})
}

// AddEvent puts an event into the history that came to no delivery.
func (h *History) AddEvent(e store.EventDetail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = slices.Insert(h.events, 0, e)
}

func anyOf[T comparable](wanted []T, v T) bool { return len(wanted) == 0 || slices.Contains(wanted, v) }

func within(t, since, until time.Time) bool {
	return (since.IsZero() || !t.Before(since)) && (until.IsZero() || t.Before(until))
}

// Attempts implements store.Reader.
func (h *History) Attempts(_ context.Context, q store.AttemptQuery) (store.List[store.Attempt], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []store.Attempt
	for i := range h.attempts {
		a := h.attempts[i].Attempt
		inRange := len(q.HTTPStatuses) == 0 || slices.ContainsFunc(q.HTTPStatuses, func(r store.StatusRange) bool {
			return a.HTTPStatus >= r.Min && a.HTTPStatus <= r.Max
		})
		if a.WorkspaceID != q.WorkspaceID || !inRange || !anyOf(q.WebhookIDs, a.WebhookID) || !anyOf(q.Events, a.Event) ||
			!anyOf(q.Statuses, a.Status) || !anyOf(q.Errors, a.Error) || !anyOf(q.Triggers, a.Trigger) ||
			!anyOf(q.DeliveryIDs, a.DeliveryID) || !anyOf(q.EventIDs, a.EventID) || !anyOf(q.SessionIDs, a.SessionID) ||
			!within(a.Timestamp, q.Since, q.Until) {
			continue
		}
		body, response := h.attempts[i].Payload.Body, []byte(h.attempts[i].Response.Body)
		a.RequestPreview, a.ResponsePreview = body[:min(len(body), q.Preview)], response[:min(len(response), q.Preview)]
		all = append(all, a)
	}
	return list(all, q.Page, h.Err)
}

func list[T any](all []T, page store.Page, fault error) (store.List[T], error) {
	data, next, err := part(all, page.Limit, page.Cursor)
	if err != nil {
		err = store.ErrCursor
	}
	return store.List[T]{Data: data, Next: next}, errs(fault, err)
}

// Attempt implements store.Reader.
func (h *History) Attempt(_ context.Context, workspace, id string) (*store.AttemptDetail, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.attempts {
		if a := h.attempts[i]; a.ID == id && a.WorkspaceID == workspace {
			return &a, h.Err
		}
	}
	return nil, errs(h.Err, store.ErrNotFound)
}

// Deliveries implements store.Reader.
func (h *History) Deliveries(_ context.Context, q store.DeliveryQuery) (store.List[store.Delivery], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []store.Delivery
	for _, d := range h.deliveries {
		if d.WorkspaceID == q.WorkspaceID && anyOf(q.WebhookIDs, d.WebhookID) && anyOf(q.Events, d.Event) &&
			anyOf(q.Statuses, d.Status) && anyOf(q.DeliveryIDs, d.ID) && anyOf(q.EventIDs, d.EventID) &&
			anyOf(q.SessionIDs, d.SessionID) && within(d.CreatedAt, q.Since, q.Until) {
			all = append(all, d)
		}
	}
	return list(all, q.Page, h.Err)
}

// Delivery implements store.Reader.
func (h *History) Delivery(_ context.Context, workspace, id string) (*store.DeliveryDetail, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.deliveries {
		if d.ID != id || d.WorkspaceID != workspace {
			continue
		}
		detail := &store.DeliveryDetail{Delivery: d}
		for _, a := range slices.Backward(h.attempts) {
			if a.DeliveryID == id {
				detail.History = append(detail.History, a.Attempt)
			}
		}
		return detail, h.Err
	}
	return nil, errs(h.Err, store.ErrNotFound)
}

// Events implements store.Reader.
func (h *History) Events(_ context.Context, q store.EventQuery) (store.List[store.Event], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []store.Event
	for i := range h.events {
		e := h.events[i].Event
		if e.WorkspaceID == q.WorkspaceID && anyOf(q.SessionIDs, e.SessionID) && anyOf(q.Events, e.Event) &&
			within(e.RecordTime, q.Since, q.Until) {
			all = append(all, e)
		}
	}
	return list(all, q.Page, h.Err)
}

// Event implements store.Reader.
func (h *History) Event(_ context.Context, workspace, id string) (*store.EventDetail, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.events {
		if e := h.events[i]; e.ID == id && e.WorkspaceID == workspace {
			return &e, h.Err
		}
	}
	return nil, errs(h.Err, store.ErrNotFound)
}

// Payload implements store.Reader.
func (h *History) Payload(_ context.Context, workspace string, o event.Occurrence) (store.Payload, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.deliveries {
		if d.WorkspaceID == workspace && d.Occurrence == o {
			return h.payloads[o], h.Err
		}
	}
	for i := range h.events {
		if e := &h.events[i]; e.WorkspaceID == workspace && e.Occurrence == o {
			return e.Payload, h.Err
		}
	}
	return store.Payload{}, errs(h.Err, store.ErrNotFound)
}

// Stats implements store.Reader.
func (h *History) Stats(_ context.Context, q store.StatsQuery) ([]store.Bucket, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []store.Bucket
	at := func(webhook string, t time.Time) *store.Bucket {
		start := q.Since.Add(t.Sub(q.Since).Truncate(q.Step))
		for i := range out {
			if out[i].WebhookID == webhook && out[i].Start.Equal(start) {
				return &out[i]
			}
		}
		out = append(out, store.Bucket{WebhookID: webhook, Start: start})
		return &out[len(out)-1]
	}
	for i := range h.attempts {
		a := &h.attempts[i]
		if a.WorkspaceID != q.WorkspaceID || !anyOf(q.WebhookIDs, a.WebhookID) || !within(a.Timestamp, q.Since, q.Until) {
			continue
		}
		if b := at(a.WebhookID, a.Timestamp); a.Status == event.Succeeded {
			b.Succeeded++
		} else {
			b.Failed++
		}
	}
	for i := range h.deliveries {
		d := &h.deliveries[i]
		if d.WorkspaceID == q.WorkspaceID && anyOf(q.WebhookIDs, d.WebhookID) && d.Status == event.Pending && within(d.CreatedAt, q.Since, q.Until) {
			at(d.WebhookID, d.CreatedAt).Pending++
		}
	}
	return out, h.Err
}
