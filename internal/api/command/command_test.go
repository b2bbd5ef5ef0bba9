package command_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

var actor = subscription.Actor{KeyID: "tests"}

func TestResendOfPending(t *testing.T) {
	in := apitest.New()
	hook := in.Webhook("ws_a", "https://a.example", "")
	now := time.Now()
	bad := apitest.Answer{Status: 500}
	tests := []struct {
		name  string
		at    time.Time // published
		next  time.Time
		cause event.Cause
		want  error
	}{
		{"due later", now.Add(-time.Hour), now.Add(time.Hour), "", nil},
		{"due now", now.Add(-time.Hour), now.Add(-time.Second), "", command.ErrInProgress},
		{"due long ago", now.Add(-time.Hour), now.Add(-10 * time.Minute), "", nil},
		{"just published", now, time.Time{}, "", command.ErrInProgress},
		{"published long ago, never due", now.Add(-time.Hour), time.Time{}, "", nil},
		{"waits for the breaker", now.Add(-time.Hour), now.Add(-time.Second), event.CauseBreakerOpen, nil},
		{"was just resent", now.Add(-time.Hour), now, event.CauseResend, command.ErrInProgress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			occurrence := event.NewOccurrence(tt.at)
			d := store.Delivery{
				ID: occurrence.DeliveryID(hook), WebhookID: hook, WorkspaceID: "ws_a", Occurrence: occurrence, Status: event.Pending,
				Cause: tt.cause, NextAttemptAt: tt.next, CreatedAt: tt.at, Chain: 2, Made: 3, Attempts: 3,
			}
			in.History.Add(d, []byte(`{"n":1.0}`))
			before := len(in.Commander.Resends())
			err := in.Actions.Resend(t.Context(), actor, "ws_a", d.ID)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			orders := in.Commander.Resends()[before:]
			if (len(orders) == 1) != (tt.want == nil) {
				t.Fatalf("%d orders", len(orders))
			}
			if tt.want != nil {
				return
			}
			if o := orders[0]; o.Chain != 3 || o.Attempt != 4 || o.Single || string(o.Body) != `{"n":1.0}` || o.Trigger != event.TriggerResend || o.Epoch != 1 {
				t.Errorf("order %+v", o)
			}
		})
	}
	d := in.Deliver("ws_a", hook, "X", now.Add(-time.Hour), time.Time{}, []byte("{}"), bad, bad)
	if err := in.Actions.Resend(t.Context(), actor, "ws_a", d.ID); err != nil {
		t.Fatal(err)
	}
	orders := in.Commander.Resends()
	if o := orders[len(orders)-1]; !o.Single || o.Attempt != 3 || o.Chain != 2 {
		t.Errorf("order of a finished delivery %+v", o)
	}
}

func TestForeignDelivery(t *testing.T) {
	in := apitest.New()
	hook := in.Webhook("ws_a", "https://a.example", "")
	d := in.Deliver("ws_a", hook, "X", time.Now().Add(-time.Hour), time.Time{}, []byte("{}"), apitest.Answer{Status: 500})
	if err := in.Actions.Resend(t.Context(), actor, "ws_b", d.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("resend: %v", err)
	}
	if err := in.Actions.Cancel(t.Context(), actor, "ws_b", d.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("cancel: %v", err)
	}
	if _, err := in.Actions.Test(t.Context(), actor, "ws_b", hook, "SessionStarted"); !errors.Is(err, subscription.ErrNotFound) {
		t.Errorf("test: %v", err)
	}
}

func TestTestEvents(t *testing.T) {
	in := apitest.New()
	hook := in.Webhook("ws_a", "https://a.example", "")
	seen := map[string]bool{}
	for range 3 {
		id, err := in.Actions.Test(t.Context(), actor, "ws_a", hook, "ConversationComplete")
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Error("two tests are one delivery")
		}
		seen[id] = true
	}
	o := in.Commander.Tests()[0]
	var body struct {
		ID, Event, Timestamp string
		Data                 json.RawMessage
	}
	if err := json.Unmarshal(o.Body, &body); err != nil {
		t.Fatal(err)
	}
	example := in.Catalogue.Lookup("ConversationComplete").Example
	if body.ID != o.EventID || !strings.HasPrefix(body.ID, event.PrefixTest) || string(body.Data) != string(example) || body.Timestamp != o.Timestamp {
		t.Errorf("body %.120s", o.Body)
	}
	if o.DeliveryID != o.Occurrence.DeliveryID(hook) || o.Attempt != 1 || !o.Single {
		t.Errorf("order %+v", o)
	}
}

func TestCommanderAway(t *testing.T) {
	in := apitest.New()
	in.Commander.Err = errors.New("kafka is away")
	hook := in.Webhook("ws_a", "https://a.example", "")
	d := in.Deliver("ws_a", hook, "X", time.Now().Add(-time.Hour), time.Now().Add(time.Hour), []byte("{}"), apitest.Answer{Status: 500})
	for name, err := range map[string]error{
		"resend": in.Actions.Resend(t.Context(), actor, "ws_a", d.ID),
		"cancel": in.Actions.Cancel(t.Context(), actor, "ws_a", d.ID),
		"test":   errorOf(in.Actions.Test(t.Context(), actor, "ws_a", hook, "SessionStarted")),
	} {
		if !errors.Is(err, in.Commander.Err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errorOf(_ string, err error) error { return err }
