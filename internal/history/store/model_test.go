package store

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// model is what the store should say about a set of records, found by looking at all of them at once: the slow and plain
// meaning of folding.
type model struct {
	records    []Record
	events     map[event.Occurrence]*event.EventRecord
	attempts   map[string]*event.AttemptRecord
	deliveries map[string]*modelDelivery
}

// modelDelivery is all that was said about one delivery.
type modelDelivery struct {
	view       Delivery
	states     []event.State
	made       []time.Time
	epoch      int64
	generation int64 // 0: no event record matched it
	attempted  bool
	revived    bool
	requests   map[string]bool
}

func newModel(records []Record) *model {
	m := &model{
		records: records, events: map[event.Occurrence]*event.EventRecord{},
		attempts: map[string]*event.AttemptRecord{}, deliveries: map[string]*modelDelivery{},
	}
	for _, r := range records {
		switch r := r.History.(type) {
		case *event.EventRecord:
			m.addEvent(r)
		case *event.AttemptRecord:
			m.addAttempt(r)
		case *event.DeliveryRecord:
			m.addDelivery(r)
		}
	}
	return m
}

func (m *model) addEvent(r *event.EventRecord) {
	if old := m.events[r.Occurrence]; old == nil || r.Supersedes(old) {
		m.events[r.Occurrence] = r
	}
	for _, match := range r.Matched {
		d := m.delivery(Delivery{
			ID: match.DeliveryID, WebhookID: match.WebhookID, WorkspaceID: r.WorkspaceID, EventID: r.EventID, Event: r.Event,
			SessionID: r.SessionID, Occurrence: r.Occurrence, Source: r.Source, EventTimestamp: r.Timestamp,
		})
		d.generation = max(d.generation, r.Generation)
		d.epoch = max(d.epoch, match.Epoch)
		d.made = append(d.made, r.ReceivedAt)
	}
}

func (m *model) addAttempt(r *event.AttemptRecord) {
	if old := m.attempts[r.ID]; old == nil || r.Supersedes(old) {
		m.attempts[r.ID] = r
	}
	d := m.delivery(Delivery{
		ID: r.DeliveryID, WebhookID: r.WebhookID, WorkspaceID: r.WorkspaceID, EventID: r.EventID, Event: r.Event,
		SessionID: r.SessionID, Occurrence: r.Occurrence, Source: r.Source, EventTimestamp: r.EventTimestamp,
	})
	d.states = append(d.states, r.State())
	d.epoch = max(d.epoch, r.Epoch)
	d.made = append(d.made, r.Timestamp)
	d.attempted = true
	d.requests[r.ID] = true
}

func (m *model) addDelivery(r *event.DeliveryRecord) {
	d := m.delivery(Delivery{
		ID: r.DeliveryID, WebhookID: r.WebhookID, WorkspaceID: r.WorkspaceID, EventID: r.EventID, Event: r.Event,
		SessionID: r.SessionID, Occurrence: r.Occurrence, Source: r.Source, EventTimestamp: r.EventTimestamp,
	})
	d.states = append(d.states, r.State())
	d.epoch = max(d.epoch, r.Epoch)
	d.made = append(d.made, r.At)
	d.attempted = d.attempted || r.Attempts > 0
	d.revived = d.revived || r.Chain > 1 || r.Cause == event.CauseResend || r.Cause == event.CauseRecovery
}

func (m *model) delivery(view Delivery) *modelDelivery {
	if m.deliveries[view.ID] == nil {
		m.deliveries[view.ID] = &modelDelivery{view: view, requests: map[string]bool{}}
	}
	return m.deliveries[view.ID]
}

// erasedAt is when the event's payload was first asked to be erased, of those times that cover it.
func (m *model) erasedAt(r *event.EventRecord) time.Time {
	var at time.Time
	for _, record := range m.records {
		e, ok := record.History.(*event.ErasureRecord)
		if !ok || e.WorkspaceID != r.WorkspaceID || (e.EventID != r.EventID && e.SessionID != r.SessionID) {
			continue
		}
		if !r.Occurrence.Time().After(e.At) && (at.IsZero() || e.At.Before(at)) {
			at = e.At
		}
	}
	return at
}

// cut returns the epoch that cancelled a delivery of the given epoch: the next one that is known.
func (m *model) cut(d *modelDelivery) *event.WebhookRecord {
	var cut *event.WebhookRecord
	for _, record := range m.records {
		w, ok := record.History.(*event.WebhookRecord)
		if !ok || w.WorkspaceID != d.view.WorkspaceID || w.WebhookID != d.view.WebhookID || w.Epoch <= d.epoch {
			continue
		}
		if cut == nil || w.Epoch < cut.Epoch || (w.Epoch == cut.Epoch && w.Supersedes(cut)) {
			cut = w
		}
	}
	return cut
}

func (m *model) settle(d *modelDelivery) Delivery {
	v := d.view
	state := event.State{Status: event.Pending, Chain: 1}
	for i, s := range d.states {
		if i == 0 || s.Supersedes(state) {
			state = s
		}
	}
	v.Status, v.Cause, v.Chain, v.Made, v.Epoch = state.Status, state.Cause, state.Chain, state.Attempts, d.epoch
	v.CreatedAt = slices.MinFunc(d.made, time.Time.Compare)
	v.Attempts = len(d.requests)
	if state.Status != event.Pending {
		v.CompletedAt = state.At
		return v
	}
	cancel := func(cause event.Cause, at time.Time) Delivery {
		v.Status, v.Cause, v.CompletedAt = event.Cancelled, cause, at
		return v
	}
	ev := m.events[v.Occurrence]
	if ev != nil {
		if at := m.erasedAt(ev); !at.IsZero() {
			return cancel(event.CauseErased, at)
		}
	}
	if cut := m.cut(d); cut != nil {
		return cancel(cut.Cause, cut.At)
	}
	if ev != nil && d.generation < ev.Generation && !d.attempted && !d.revived {
		return cancel(event.CauseSuperseded, ev.ReceivedAt)
	}
	v.NextAttemptAt = state.NextAttemptAt
	return v
}

// contents is all that the store says about a workspace.
type contents struct {
	Events     []Event
	Deliveries []Delivery
	Attempts   []Attempt
	Payloads   map[string]string
	Health     map[string]Health
}

func (m *model) contents() contents {
	c := contents{Payloads: map[string]string{}, Health: map[string]Health{}}
	for _, r := range m.events {
		c.Events = append(c.Events, Event{
			ID: r.EventID, Event: r.Event, WorkspaceID: r.WorkspaceID, SessionID: r.SessionID, Occurrence: r.Occurrence,
			Source: r.Source, Timestamp: r.Timestamp, RecordTime: r.RecordTimestamp, ReceivedAt: r.ReceivedAt,
			BodySize: r.BodySize, BodySHA256: r.BodySHA256, Matched: len(r.Matched), Unmatched: len(r.Unmatched),
			Reason: r.Reason, ErasedAt: m.erasedAt(r),
		})
	}
	slices.SortFunc(c.Events, func(a, b Event) int {
		return cmp.Compare(b.Occurrence.String(), a.Occurrence.String())
	})
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(m.deliveries))) {
		c.Deliveries = append(c.Deliveries, m.settle(m.deliveries[id]))
	}
	m.addAttempts(&c)
	m.addPayloads(&c)
	return c
}

func (m *model) addAttempts(c *contents) {
	for _, r := range m.attempts {
		c.Attempts = append(c.Attempts, Attempt{
			ID: r.ID, DeliveryID: r.DeliveryID, WebhookID: r.WebhookID, WorkspaceID: r.WorkspaceID, EventID: r.EventID,
			Event: r.Event, SessionID: r.SessionID, Occurrence: r.Occurrence, Chain: r.Chain, Attempt: r.Attempt,
			Trigger: r.Trigger, Timestamp: r.Timestamp, Duration: r.Duration.Duration(), Status: r.Status,
			HTTPStatus: r.HTTPStatus, Error: r.Error, ErrorDetail: r.ErrorDetail, NextAttemptAt: r.NextAttemptAt,
			DeliveryStatus: r.DeliveryStatus, ResponseSize: r.Response.Size,
		})
	}
	slices.SortFunc(c.Attempts, func(a, b Attempt) int {
		return cmp.Or(b.Timestamp.Compare(a.Timestamp), cmp.Compare(b.ID, a.ID))
	})
	for _, record := range m.records {
		r, ok := record.History.(*event.AttemptRecord)
		if !ok {
			continue
		}
		h := c.Health[r.WebhookID]
		h.WorkspaceID, h.WebhookID = r.WorkspaceID, r.WebhookID
		h.LastAttempt = later(h.LastAttempt, r.Timestamp)
		if r.Status == event.Succeeded {
			h.LastSuccess = later(h.LastSuccess, r.Timestamp)
		} else {
			h.LastFailure = later(h.LastFailure, r.Timestamp)
		}
		c.Health[r.WebhookID] = h
	}
	for id, h := range c.Health {
		c.Health[id] = m.since(h)
	}
}

// since adds the first failure after the last success, of the attempts that were kept.
func (m *model) since(h Health) Health {
	if !h.LastFailure.After(h.LastSuccess) {
		return h
	}
	for _, r := range m.attempts {
		if r.WebhookID != h.WebhookID || r.Status != event.Failed || !r.Timestamp.After(h.LastSuccess) {
			continue
		}
		if h.FailingSince.IsZero() || r.Timestamp.Before(h.FailingSince) {
			h.FailingSince = r.Timestamp
		}
	}
	if h.FailingSince.IsZero() {
		h.FailingSince = h.LastFailure // the failed request lost to a successful one of the same attempt
	}
	return h
}

func (m *model) addPayloads(c *contents) {
	for _, r := range m.records {
		if r.History == nil {
			c.Payloads[r.Occurrence.String()] = string(r.Payload)
		}
	}
	for o, r := range m.events {
		if !m.erasedAt(r).IsZero() {
			c.Payloads[o.String()] = string(PayloadErased)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
