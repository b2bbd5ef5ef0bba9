package apitest

import (
	"context"
	"time"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// OperatorKey is the one operator key of an Installation.
const OperatorKey = "operator-key-for-tests"

// Installation is everything that the API and the dashboard stand on.
type Installation struct {
	Repository *Repository
	History    *History
	Commander  *Commander
	Actions    *command.Service
	Keyring    *auth.Keyring
	Quotas     *auth.Quotas // nil: no bounds
	Catalogue  *catalogue.Catalogue
}

// New returns an empty installation with the platform's catalogue and one operator key.
func New() *Installation {
	in := &Installation{Repository: &Repository{}, History: &History{}, Commander: &Commander{}, Catalogue: catalogue.Default()}
	in.Actions = command.New(in.Repository, in.History, in.Types, in.Commander)
	keyring, err := auth.New([]auth.OperatorKey{{Name: "tests", Scopes: auth.All, Key: OperatorKey}}, in.Repository)
	if err != nil {
		panic(err) // the key above is a constant
	}
	in.Keyring = keyring
	return in
}

// Types is the catalogue.
func (in *Installation) Types() *catalogue.Catalogue { return in.Catalogue }

// APIDeps is what api.New takes.
func (in *Installation) APIDeps() api.Deps {
	return api.Deps{
		Keyring: in.Keyring, Quotas: in.Quotas, Webhooks: in.Repository, Secrets: in.Repository, Workspaces: in.Repository,
		Keys: in.Repository, Audit: in.Repository, History: in.History, Actions: in.Actions, Catalogue: in.Types,
	}
}

// Key makes a workspace's key with the scopes (none: all) and returns its text.
func (in *Installation) Key(workspace string, scopes ...subscription.Scope) string {
	_, text, err := in.Repository.CreateAPIKey(context.Background(), subscription.Actor{KeyID: "tests"}, workspace,
		subscription.NewAPIKey{Name: "tests", Scopes: scopes})
	if err != nil {
		panic(err) // the repository is in memory
	}
	return text
}

// Webhook makes a webhook for all events and returns its id.
func (in *Installation) Webhook(workspace, url, description string) string {
	c, err := in.Repository.Create(context.Background(), subscription.Actor{KeyID: "tests", Operator: true}, workspace,
		subscription.New{URL: url, Description: description, EventTypes: []string{"*"}}, subscription.Idempotency{})
	if err != nil {
		panic(err) // the repository is in memory
	}
	return c.Webhook.ID
}

// Answer is what a receiver did in one attempt: a status, or an error in place of one.
type Answer struct {
	Status int
	Error  event.ErrorCode
	Detail string
	Body   string
	Took   time.Duration
}

// Deliver puts a delivery into the history that was published at at and got these answers, 5 s apart. The last one ends
// it if it succeeded; else it is pending until next, or failed if next is zero. It returns the delivery.
func (in *Installation) Deliver(workspace, webhook, eventType string, at, next time.Time, payload []byte, answers ...Answer) store.Delivery {
	occurrence := event.NewOccurrence(at)
	source := event.Source{Topic: "voxagent.conversation.events", Partition: 3, Offset: at.UnixMilli() % 100_000}
	d := store.Delivery{
		ID: occurrence.DeliveryID(webhook), WebhookID: webhook, WorkspaceID: workspace, EventID: "evt_" + occurrence.String(),
		Event: eventType, SessionID: "ses_" + occurrence.String()[18:], Occurrence: occurrence, Source: source,
		EventTimestamp: event.FormatTime(at), Status: event.Pending, Attempts: len(answers), Chain: 1, Made: len(answers),
		Epoch: 1, NextAttemptAt: next, CreatedAt: at,
	}
	attempts := make([]store.AttemptDetail, len(answers))
	for i, a := range answers {
		attempts[i] = attempt(&d, i, at.Add(time.Duration(i)*5*time.Second), a)
	}
	if n := len(attempts); n > 0 {
		last := &attempts[n-1]
		switch {
		case last.Status == event.Succeeded:
			d.Status, d.NextAttemptAt = event.Succeeded, time.Time{}
		case next.IsZero():
			d.Status = event.Failed
		}
		last.NextAttemptAt, last.DeliveryStatus = d.NextAttemptAt, d.Status
		if d.Status != event.Pending {
			d.CompletedAt = last.Timestamp.Add(last.Duration)
		}
	}
	in.History.Add(d, payload, attempts...)
	return d
}

func attempt(d *store.Delivery, i int, at time.Time, a Answer) store.AttemptDetail {
	trigger, status := event.TriggerRetry, event.Failed
	if i == 0 {
		trigger = event.TriggerEvent
	}
	if a.Status >= 200 && a.Status < 300 {
		status = event.Succeeded
	}
	detail := store.AttemptDetail{
		Attempt: store.Attempt{
			ID: d.Occurrence.AttemptID(d.WebhookID, 1, i+1), DeliveryID: d.ID, WebhookID: d.WebhookID, WorkspaceID: d.WorkspaceID,
			EventID: d.EventID, Event: d.Event, SessionID: d.SessionID, Occurrence: d.Occurrence, Chain: 1, Attempt: i + 1,
			Trigger: trigger, Timestamp: at, Duration: a.Took, Status: status, HTTPStatus: a.Status, Error: a.Error,
			ErrorDetail: a.Detail, DeliveryStatus: event.Pending, NextAttemptAt: at.Add(5 * time.Second),
		},
		Source: d.Source, EventTimestamp: d.EventTimestamp,
		Request: event.Request{URL: "https://crm.example/hooks/voxagent?token=***", Headers: []event.Header{
			{"Content-Type", "application/json"}, {"User-Agent", "Voxagent-Webhooks/1.0.0"}, {"X-Voxagent-Signature", "***"},
			{"X-Voxagent-Event", d.Event}, {"X-Voxagent-Delivery", d.ID}, {"X-Voxagent-Attempt", string(rune('1' + i))},
			{"webhook-id", d.EventID}, {"webhook-timestamp", "1763884800"}, {"webhook-signature", "***"},
		}},
		Timing: event.Timing{
			DNS: event.Millis(a.Took / 20), Connect: event.Millis(a.Took / 10), TLS: event.Millis(a.Took / 5),
			Wait: event.Millis(a.Took / 2), Read: event.Millis(a.Took / 20),
		},
	}
	if a.Status != 0 {
		detail.Response = event.Response{
			Headers: []event.Header{{"Content-Type", "application/json"}, {"Server", "nginx"}}, Body: event.Text(a.Body), Size: int64(len(a.Body)),
		}
	}
	return detail
}
