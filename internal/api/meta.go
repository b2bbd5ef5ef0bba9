package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/catalogue"
)

func (s *server) routeMeta() {
	register(s, operation{
		id: "list-event-types", method: http.MethodGet, path: "/v1/event-types", tag: tagAbout, scope: auth.Read,
		summary: "List event types", doc: "The catalogue: what can be selected and what it looks like.",
	}, s.eventTypes)
	register(s, operation{
		id: "get-meta", method: http.MethodGet, path: "/v1/meta", tag: tagAbout, scope: auth.Read,
		summary: "About this installation", doc: "Version, retry schedule, timeout, and the addresses that requests come from.",
	}, s.meta)
}

// EventType is one entry of the catalogue.
type EventType struct {
	Name          string          `json:"name" example:"ConversationComplete" doc:"What event_types takes."`
	Description   string          `json:"description" example:"A conversation has ended; carries the transcript." doc:"What it is."`
	Schema        json.RawMessage `json:"schema" doc:"The JSON Schema of data; null: none is given."`
	Example       json.RawMessage `json:"example" doc:"An example of data; null: none is given."`
	MaxAgeSeconds *int            `json:"max_age_seconds" doc:"An older event is not delivered; null: any age."`
}

// Meta is this installation.
type Meta struct {
	Version         string   `json:"version" example:"1.0.0" doc:"The program's version."`
	RetrySchedule   []string `json:"retry_schedule" nullable:"false" example:"[\"5s\",\"5m\",\"30m\",\"2h\",\"5h\",\"10h\",\"10h\"]" doc:"The delays after the first attempt; up to 10 % is added to each."`
	Timeout         string   `json:"timeout" example:"5s" doc:"The deadline of an attempt, from connecting to the last byte."`
	SignatureHeader string   `json:"signature_header" example:"X-Voxagent-Signature" doc:"The header with the signature in hex."`
	EgressIPs       []string `json:"egress_ips" nullable:"false" example:"[\"203.0.113.0/28\"]" doc:"Where requests come from; empty: not stated."`
}

func (s *server) eventTypes(context.Context, *struct{}) (*body[List[EventType]], error) {
	return &body[List[EventType]]{listOf(s.Catalogue().Types(), "", eventTypeJSON)}, nil
}

func eventTypeJSON(t *catalogue.Type) EventType {
	return EventType{
		Name: t.Name, Description: t.Description, Schema: rawOrNull(t.Schema), Example: rawOrNull(t.Example),
		MaxAgeSeconds: orNull(int(time.Duration(t.MaxAge) / time.Second)),
	}
}

func (s *server) meta(context.Context, *struct{}) (*body[Meta], error) {
	m := Meta{
		Version: s.cfg.Version, RetrySchedule: make([]string, len(s.cfg.RetrySchedule)), Timeout: shortDuration(s.cfg.DeliveryTimeout),
		SignatureHeader: s.cfg.SignatureHeader, EgressIPs: make([]string, len(s.cfg.EgressIPs)),
	}
	for i, d := range s.cfg.RetrySchedule {
		m.RetrySchedule[i] = shortDuration(d)
	}
	for i, p := range s.cfg.EgressIPs {
		m.EgressIPs[i] = p.String()
	}
	return &body[Meta]{m}, nil
}

// shortDuration writes a duration as the flags take it: 5s, 30m, 2h, else as Go does.
func shortDuration(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.size && d%unit.size == 0 {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name
		}
	}
	return d.String()
}
