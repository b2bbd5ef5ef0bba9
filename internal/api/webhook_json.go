package api

import (
	"maps"
	"slices"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Webhook is a webhook as its owner sees it.
type Webhook struct {
	ID             string            `json:"id" example:"wh_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"Its id."`
	WorkspaceID    string            `json:"workspace_id" example:"ws_acme" doc:"The workspace that it belongs to."`
	URL            string            `json:"url" example:"https://crm.example/hooks/voxagent" doc:"Where events are sent."`
	Description    string            `json:"description" example:"CRM sync" doc:"What it is for, in its owner's words."`
	EventTypes     []string          `json:"event_types" nullable:"false" example:"[\"ConversationComplete\"]" doc:"Known event types, * for all (also future ones), or a prefix with a trailing *."`
	Enabled        bool              `json:"enabled" doc:"Whether it gets events."`
	DisabledReason *string           `json:"disabled_reason" enum:"customer,operator,gone,failing" doc:"Who or what disabled it: its owner, an operator, the receiver's 410, or too long a run of failures. Null while enabled."`
	Health         string            `json:"health" enum:"ok,failing" doc:"How its deliveries have been going."`
	FailingSince   *Time             `json:"failing_since" nullable:"true" doc:"When it began to fail; null while health is ok."`
	CreatedAt      Time              `json:"created_at" doc:"When it was created."`
	UpdatedAt      Time              `json:"updated_at" doc:"When it was last changed."`
	MaxPerSecond   *float64          `json:"max_per_second" doc:"Requests a second at most; what is above it waits. Null: no limit."`
	Filter         *string           `json:"filter" doc:"A CEL expression over event (the type) and data that must be true; null: none. One that fails on an event keeps it back, as filter_error: ask has(data.x) for what may be absent."`
	Headers        map[string]string `json:"headers" example:"{\"X-Tenant\":\"***\"}" doc:"Static headers of each request. Values are never shown."`
}

// NewWebhook is a webhook with its secret, shown when it is created.
type NewWebhook struct {
	Webhook
	Secret string `json:"secret" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=" doc:"What signs each request."`
}

// CreateWebhook is the body of a create.
type CreateWebhook struct {
	URL          string            `json:"url" example:"https://crm.example/hooks/voxagent" doc:"Where to send events: http or https, public."`
	Description  string            `json:"description,omitempty" nullable:"true" example:"CRM sync" doc:"What it is for."`
	EventTypes   []string          `json:"event_types" nullable:"false" minItems:"1" example:"[\"ConversationComplete\"]" doc:"Known event types, * for all (also future ones), or a prefix with a trailing *."`
	Enabled      *bool             `json:"enabled,omitempty" nullable:"true" default:"true" doc:"Whether it gets events."`
	MaxPerSecond *float64          `json:"max_per_second,omitempty" nullable:"true" minimum:"0.0001" maximum:"100000" doc:"Requests a second at most."`
	Filter       *string           `json:"filter,omitempty" nullable:"true" example:"data.duration_seconds > 60" doc:"A CEL expression over event and data that must be true."`
	Headers      map[string]string `json:"headers,omitempty" nullable:"true" doc:"Static headers of each request."`
	ID           string            `json:"id,omitempty" nullable:"true" pattern:"^wh_[A-Za-z0-9_-]{1,61}$" patternDescription:"wh_ and 1 to 61 of A-Z a-z 0-9 _ -" doc:"Operators only: the id of a webhook that comes from elsewhere."`
	Secret       string            `json:"secret,omitempty" nullable:"true" minLength:"16" maxLength:"256" pattern:"^[ -~]*$" patternDescription:"printable ASCII" doc:"Operators only: its secret, 16 to 256 printable ASCII characters."`
}

// PatchWebhook is the body of a change (RFC 7396): what is absent stays, null removes.
type PatchWebhook struct {
	URL          Optional[string]             `json:"url,omitzero" example:"https://crm.example/hooks/v2" doc:"Where to send events."`
	Description  Optional[string]             `json:"description,omitzero" nullable:"true" doc:"What it is for."`
	EventTypes   Optional[[]string]           `json:"event_types,omitzero" nullable:"false" minItems:"1" doc:"Event types."`
	Enabled      Optional[bool]               `json:"enabled,omitzero" doc:"Disabling cancels what is pending."`
	MaxPerSecond Optional[float64]            `json:"max_per_second,omitzero" nullable:"true" minimum:"0.0001" maximum:"100000" doc:"Requests a second at most; null: no limit."`
	Filter       Optional[string]             `json:"filter,omitzero" nullable:"true" doc:"A CEL expression; null: none."`
	Headers      Optional[map[string]*string] `json:"headers,omitzero" nullable:"true" doc:"Each named header is set, or removed by null; others stay. Null removes all."`
}

func webhookJSON(w *subscription.Webhook) Webhook {
	headers := make(map[string]string, len(w.Headers))
	for _, h := range w.Headers {
		headers[h[0]] = "***"
	}
	types := w.EventTypes
	if types == nil {
		types = []string{}
	}
	return Webhook{
		ID: w.ID, WorkspaceID: w.WorkspaceID, URL: w.URL, Description: w.Description, EventTypes: types,
		Enabled: w.Enabled, DisabledReason: orNull(string(w.DisabledReason)), Health: string(w.Health),
		FailingSince: optionalTime(w.FailingSince), CreatedAt: Time{w.CreatedAt}, UpdatedAt: Time{w.UpdatedAt},
		MaxPerSecond: orNull(w.MaxPerSecond), Filter: orNull(w.Filter), Headers: headers,
	}
}

func (b *CreateWebhook) toNew() subscription.New {
	n := subscription.New{
		ID: b.ID, Secret: fanout.Secret(b.Secret), URL: b.URL, Description: b.Description, EventTypes: b.EventTypes,
		Disabled: b.Enabled != nil && !*b.Enabled,
	}
	if b.MaxPerSecond != nil {
		n.MaxPerSecond = *b.MaxPerSecond
	}
	if b.Filter != nil {
		n.Filter = *b.Filter
	}
	for _, name := range slices.Sorted(maps.Keys(b.Headers)) {
		n.Headers = append(n.Headers, event.Header{name, b.Headers[name]})
	}
	return n
}

// toPatch returns what the body changes, and each property that cannot be null but is.
func (b *PatchWebhook) toPatch() (subscription.Patch, []Fault) {
	var faults []Fault
	notNull := func(null bool, name string) {
		if null {
			faults = append(faults, fault("body."+name, "cannot be null", nil))
		}
	}
	notNull(b.URL.Null, "url")
	notNull(b.EventTypes.Null, "event_types")
	notNull(b.Enabled.Null, "enabled")
	p := subscription.Patch{
		URL: b.URL.pointer(), Description: b.Description.pointer(), EventTypes: b.EventTypes.pointer(),
		Enabled: b.Enabled.pointer(), MaxPerSecond: b.MaxPerSecond.pointer(), Filter: b.Filter.pointer(),
	}
	p.Headers, p.ClearHeaders = b.Headers.Value, b.Headers.Null
	return p, faults
}

// SecretBody shows a webhook's secrets.
type SecretBody struct {
	Secret            string  `json:"secret" doc:"What signs each request."`
	PreviousSecret    *string `json:"previous_secret" doc:"What signs too, during a rotation's overlap; else null."`
	PreviousExpiresAt *Time   `json:"previous_expires_at" nullable:"true" doc:"When the overlap ends."`
}

func secretJSON(s *subscription.Secrets) SecretBody {
	return SecretBody{
		Secret: string(s.Current), PreviousSecret: orNull(string(s.Previous)), PreviousExpiresAt: optionalTime(s.PreviousExpiresAt),
	}
}
