package dashboardtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/api/apitest"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Workspace is the demo's workspace.
const Workspace = "ws_acme"

// Hostile is a text that runs as script, or turns the text around it, wherever it is shown as anything but text.
const Hostile = `</pre><script>window.broken=1</script><img src=x onerror="window.broken=1">'"&` + "\u202e\u200b\x01"

// Demo is what Fill made.
type Demo struct {
	CRM, Analytics, Old                                  string // webhooks
	Succeeded, Failed, Timeout, Waiting, Hostile, Queued store.Delivery
}

// Payload is the body of a ConversationComplete event of about n turns.
func Payload(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"id":"evt_01JD9Q3M8K5T7V2X4Z6B8D0F2H","event":"ConversationComplete","timestamp":"2026-11-23T08:00:00.123Z","data":{"session_id":"ses_8f41","agent_id":"agt_17","agent_name":"Réception","audio_url":null,"duration_seconds":42.50,"history":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"msg_%d","role":"%s","kind":"Message","content":"Guten Tag, ich möchte meinen Termin am Freitag verschieben. Ginge auch 15 Uhr? 好的","interrupted":false}`, i, []string{"User", "Agent"}[i%2])
	}
	b.WriteString(`],"telecom_provider":"Twilio","from_number":"+4930123456","to_number":"+4930654321","campaign_id":null,"url_parameters":{}}}`)
	return []byte(b.String())
}

// Fill puts the demo into in, as of now.
func Fill(in *apitest.Installation, now time.Time) Demo {
	now = now.UTC().Truncate(time.Millisecond)
	d := Demo{
		Old:       in.Webhook(Workspace, "https://old.example/hook", "Old CRM"),
		Analytics: in.Webhook(Workspace, "https://a.example/in", "Analytics"),
		CRM:       in.Webhook(Workspace, "https://crm.example/hooks/voxagent", "CRM sync"),
	}
	off, types := false, []string{"ConversationComplete"}
	options := subscription.Patch{
		EventTypes: &types, Filter: new(`data.duration_seconds > 40 && data.history.exists(m, m.role == "User" && m.content.contains("Termin"))`),
		MaxPerSecond: new(2.5), Headers: map[string]*string{"X-Api-Key": new("k3y"), "X-Tenant-With-A-Rather-Long-Name": new("acme")},
	}
	for id, p := range map[string]subscription.Patch{d.Old: {Enabled: &off}, d.CRM: {EventTypes: &[]string{"ConversationComplete", "SessionStarted"}}, d.Analytics: options} {
		if _, err := in.Repository.Update(context.Background(), subscription.Actor{KeyID: "tests", Name: "dana@acme.example", Operator: true, Addr: "203.0.113.7"}, Workspace, id, p, 0); err != nil {
			panic(err) // the repository is in memory
		}
	}
	in.Repository.SetFailing(d.Analytics, now.Add(-80*time.Minute))
	past(in, &d, now)
	recent(in, &d, now)
	in.History.AddEvent(store.EventDetail{
		Event: store.Event{
			ID: "evt_nobody", Event: "SessionStarted", WorkspaceID: Workspace, SessionID: "ses_lonely", Unmatched: 3, BodySize: 812,
			Timestamp: event.FormatTime(now), RecordTime: now.Add(-30 * time.Second), ReceivedAt: now.Add(-30 * time.Second),
			Occurrence: event.NewOccurrence(now.Add(-30 * time.Second)),
			Source:     event.Source{Topic: "voxagent.session.events", Partition: 1, Offset: 77},
		},
		Payload: store.Payload{State: store.PayloadKept, Body: []byte(`{"id":"evt_nobody"}`)},
		Misses: []store.Miss{
			{WebhookID: d.Old, Reason: event.MissDisabled}, {WebhookID: d.Analytics, Reason: event.MissTypeNotSelected},
			{WebhookID: d.CRM, Reason: event.MissFilterError},
		},
	})
	return d
}

// past is a day of traffic.
func past(in *apitest.Installation, d *Demo, now time.Time) {
	ok := apitest.Answer{Status: 200, Body: "ok", Took: 41 * time.Millisecond}
	bad := apitest.Answer{Status: 500, Body: `{"error":"db is read-only"}`, Took: 182 * time.Millisecond}
	for h := 23; h > 0; h-- {
		at := now.Add(-time.Duration(h) * time.Hour)
		for i := range 1 + h*7%5 {
			in.Deliver(Workspace, d.CRM, "SessionStarted", at.Add(time.Duration(i)*time.Minute), time.Time{}, Payload(0), ok)
		}
		answer := ok
		if h < 3 || h == 9 {
			answer = bad
		}
		in.Deliver(Workspace, d.Analytics, "ConversationComplete", at, time.Time{}, Payload(2), answer)
	}
}

// recent is one delivery of each kind.
func recent(in *apitest.Installation, d *Demo, now time.Time) {
	bad := apitest.Answer{Status: 500, Body: `{"error":"db is read-only","retry":true}`, Took: 182 * time.Millisecond}
	timeout := apitest.Answer{Error: event.ErrTimeout, Took: 5 * time.Second}
	const kind = "ConversationComplete"
	d.Timeout = in.Deliver(Workspace, d.CRM, kind, now.Add(-9*time.Minute), time.Time{}, Payload(2), timeout)
	d.Hostile = in.Deliver(Workspace, d.CRM, kind, now.Add(-7*time.Minute), time.Time{}, []byte(`{"text":`+string(quote(Hostile))+`}`),
		apitest.Answer{Status: 418, Body: Hostile, Took: 12 * time.Millisecond})
	d.Failed = in.Deliver(Workspace, d.CRM, kind, now.Add(-5*time.Minute), time.Time{}, Payload(40), bad, timeout, bad)
	d.Waiting = in.Deliver(Workspace, d.CRM, kind, now.Add(-2*time.Minute), now.Add(4*time.Minute), Payload(2), timeout, bad)
	d.Succeeded = in.Deliver(Workspace, d.CRM, "SessionStarted", now.Add(-time.Minute), time.Time{}, Payload(1),
		apitest.Answer{Status: 200, Body: "ok", Took: 41 * time.Millisecond})
	d.Queued = in.Deliver(Workspace, d.CRM, kind, now.Add(-20*time.Second), now.Add(time.Minute), Payload(2))
}

// quote writes s as JSON does that leaves everything as it is which it may: the characters reach the page raw.
func quote(s string) []byte {
	out := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < ' ':
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, string(r)...)
		}
	}
	return append(out, '"')
}
