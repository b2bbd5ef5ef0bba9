package fanout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is every port of the pipeline as a fake, on one goroutine unless a test says otherwise. Facts are acknowledged
// only when a test says so, which is how it sees that nothing is done before.
type world struct {
	targets  map[string]*fanout.Target
	changes  map[string]*fanout.Target // what a fresh look finds
	match    *fanout.Match
	matchErr error
	outcome  func(d *fanout.Delivery) (fanout.Outcome, error)
	decision func(d *fanout.Delivery, out *fanout.Outcome) fanout.Decision
	dups     map[string]bool
	gone     []string // deliveries whose 410 disabled a webhook
	goneErr  error

	offered  []*fanout.Delivery
	sent     []string
	bodies   [][]byte // of what was sent
	facts    []string
	attempts []*event.AttemptRecord
	states   []*event.DeliveryRecord
	events   []*event.EventRecord
	notices  []*event.Notice
	parked   []*fanout.Delivery
	letters  []*fanout.Record
	acks     []fanout.Ack
}

func newWorld(webhooks ...string) *world {
	signer, err := webhook.NewSigner(webhook.NewSecret())
	if err != nil {
		panic(err)
	}
	w := &world{targets: map[string]*fanout.Target{}, match: &fanout.Match{}, dups: map[string]bool{}}
	for _, id := range webhooks {
		t := &fanout.Target{WorkspaceID: "ws", WebhookID: id, Enabled: true, Epoch: 1, Signer: signer}
		w.targets[id] = t
		w.match.Targets = append(w.match.Targets, t)
	}
	w.answer(200)
	return w
}

// answer makes every attempt get this status and be judged by it alone.
func (w *world) answer(status int) {
	w.outcome = func(*fanout.Delivery) (fanout.Outcome, error) {
		return fanout.Outcome{Start: time.Now(), HTTPStatus: status}, nil
	}
	w.decision = func(_ *fanout.Delivery, out *fanout.Outcome) fanout.Decision {
		if out.Succeeded() {
			return fanout.Decision{Status: event.Succeeded}
		}
		return fanout.Decision{Status: event.Failed, Gone: out.HTTPStatus == 410}
	}
}

func (w *world) fact(what string, ack fanout.Ack) {
	w.facts = append(w.facts, what)
	w.acks = append(w.acks, ack)
}

// ackAll acknowledges every open fact with err.
func (w *world) ackAll(err error) {
	for len(w.acks) > 0 {
		ack := w.acks[0]
		w.acks = w.acks[1:]
		ack.Acked(err)
	}
}

func (w *world) Match(_ context.Context, events []*fanout.Event) ([]*fanout.Match, error) {
	matches := make([]*fanout.Match, len(events))
	for i := range matches {
		matches[i] = w.match
	}
	return matches, w.matchErr
}

func (w *world) Target(_ context.Context, ref fanout.Ref, fresh bool) (*fanout.Target, error) {
	if t := w.changes[ref.WebhookID]; fresh && t != nil {
		return t, nil
	}
	if t := w.targets[ref.WebhookID]; t != nil {
		return t, nil
	}
	return nil, fanout.ErrNoWebhook
}

func (w *world) DisableGone(_ context.Context, _ *fanout.Target, deliveryID string) error {
	w.gone = append(w.gone, deliveryID)
	return w.goneErr
}

func (w *world) Send(_ context.Context, _ *fanout.Target, d *fanout.Delivery) (fanout.Outcome, error) {
	w.sent = append(w.sent, fmt.Sprintf("%s %d", d.Ref.WebhookID, d.Attempt))
	w.bodies = append(w.bodies, bytes.Clone(d.Event.Body))
	return w.outcome(d)
}

func (w *world) Next(d *fanout.Delivery, out *fanout.Outcome, _ float64) fanout.Decision {
	return w.decision(d, out)
}

func (w *world) Wait(parked int, now, notBefore time.Time) time.Time {
	if at := now.Add(time.Duration(parked) * time.Second); at.After(notBefore) {
		return at
	}
	return notBefore
}
func (w *world) Expires(created time.Time) time.Time { return created.Add(time.Hour) }

func (w *world) Offer(d *fanout.Delivery)          { w.offered = append(w.offered, d) }
func (w *world) Hold(fanout.Ref) time.Duration     { return 0 }
func (w *world) Purge(func(*fanout.Delivery) bool) {}
func (w *world) Park(d *fanout.Delivery, a fanout.Ack) {
	w.parked = append(w.parked, d)
	w.fact("ladder "+d.Ref.WebhookID, a)
}

func (w *world) FirstSeen(_ context.Context, events []*fanout.Event) ([]bool, error) {
	first := make([]bool, len(events))
	for i, e := range events {
		first[i] = !w.dups[e.ID]
	}
	return first, nil
}

func (w *world) room(ctx context.Context) error { return ctx.Err() }

func (w *world) DeadLetter(r *fanout.Record, reason event.Reason, _ string, a fanout.Ack) {
	w.letters = append(w.letters, r)
	w.fact("dead-letter "+string(reason), a)
}

// recorder and notifier are views of world, since two of their methods share a name.
type recorder struct{ *world }

func (r recorder) Event(rec *event.EventRecord, a fanout.Ack) {
	r.events = append(r.events, rec)
	r.fact("event", a)
}

func (r recorder) Attempt(rec *event.AttemptRecord, a fanout.Ack) {
	r.attempts = append(r.attempts, rec)
	r.fact("attempt "+rec.WebhookID, a)
}

func (r recorder) Delivery(rec *event.DeliveryRecord, a fanout.Ack) {
	r.states = append(r.states, rec)
	r.fact("delivery "+string(rec.Cause), a)
}
func (r recorder) Payload(_ *fanout.Event, a fanout.Ack) { r.fact("payload", a) }
func (r recorder) Notice(n *event.Notice, a fanout.Ack) {
	r.notices = append(r.notices, n)
	r.fact("notice "+string(n.Type), a)
}

// ticket is one record's ticket: it counts how often it was settled and how.
type ticket struct {
	done, abandoned int
	lost            bool
	parts           map[uint64]bool
	before          map[uint64]bool
}

func newTicket() *ticket {
	return &ticket{parts: map[uint64]bool{}, before: map[uint64]bool{}}
}
func (t *ticket) Done()                       { t.done++ }
func (t *ticket) Abandon()                    { t.abandoned++ }
func (t *ticket) Abandoned() bool             { return t.lost }
func (t *ticket) PartDone(key uint64)         { t.parts[key] = true }
func (t *ticket) PartWasDone(key uint64) bool { return t.before[key] }

// pipeline is an engine and an intake over a world.
type pipeline struct {
	*world
	engine *fanout.Engine
	intake *fanout.Intake
}

func newPipeline(t *testing.T, w *world) *pipeline {
	t.Helper()
	budget, err := fanout.NewBudget(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	engine := fanout.NewEngine(fanout.Ports{
		Subscriptions: w, Sender: w, Policy: w, Ladder: w, Recorder: recorder{w}, Notifier: recorder{w},
	}, budget, fanout.NewMetrics(nil), zap.NewNop())
	intake := fanout.NewIntake(fanout.IntakeConfig{MaxEventBytes: 1 << 16, Expand: 3}, engine,
		fanout.Exits{Scheduler: w, Dedupe: w, DeadLetters: w, Room: w.room})
	return &pipeline{w, engine, intake}
}

const goodEvent = `{"id":"evt_1","event":"SessionStarted","workspace_id":"ws","data":{"n":1.10}}`

// feed hands one record to the intake and returns its ticket.
func (p *pipeline) feed(t *testing.T, value string) *ticket {
	t.Helper()
	tk := newTicket()
	p.handle(t, value, tk)
	return tk
}

func (p *pipeline) handle(t *testing.T, value string, tk *ticket) {
	t.Helper()
	r := &fanout.Record{Source: event.Source{Topic: "events"}, Time: time.Now(), Key: []byte("ses_1"), Ticket: tk}
	if value != "" {
		r.Value = []byte(value)
	}
	if err := p.intake.Handle(t.Context(), []*fanout.Record{r}); err != nil {
		t.Fatal(err)
	}
}

// work makes the attempt of every delivery that was offered.
func (p *pipeline) work(t *testing.T) {
	t.Helper()
	for len(p.offered) > 0 {
		d := p.offered[0]
		p.offered = p.offered[1:]
		p.engine.Attempt(t.Context(), d)
	}
}

func TestNoGapADoneRecordHasEveryFactAcknowledged(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a", "wh_b"))
	tk := p.feed(t, goodEvent)
	p.work(t)
	if got := strings.Join(p.facts, ", "); got != "event, payload, attempt wh_a, attempt wh_b" {
		t.Fatalf("facts: %s", got)
	}
	for len(p.acks) > 0 {
		if tk.done != 0 {
			t.Fatalf("done with %d facts open", len(p.acks))
		}
		ack := p.acks[0]
		p.acks = p.acks[1:]
		ack.Acked(nil)
	}
	if tk.done != 1 || tk.abandoned != 0 {
		t.Errorf("done %d times, abandoned %d times", tk.done, tk.abandoned)
	}
	if !tk.parts[fanout.PartKey("wh_a")] || !tk.parts[fanout.PartKey("wh_b")] {
		t.Errorf("parts done: %v", tk.parts)
	}
}

func TestBodyIsBuiltOnceAndDataIsVerbatim(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	p.feed(t, goodEvent)
	body := string(p.offered[0].Event.Body)
	if !strings.HasPrefix(body, `{"id":"evt_1","event":"SessionStarted","timestamp":"`) || !strings.HasSuffix(body, `,"data":{"n":1.10}}`) {
		t.Errorf("body %s", body)
	}
	first := p.offered[0].Event.Body
	p.answer(500)
	p.decision = func(*fanout.Delivery, *fanout.Outcome) fanout.Decision {
		return fanout.Decision{Status: event.Pending, NextAt: time.Now().Add(time.Second)}
	}
	p.work(t)
	if next := p.parked[0]; &next.Event.Body[0] != &first[0] || next.Attempt != 2 || next.Step != 1 || next.Trigger != event.TriggerRetry {
		t.Errorf("next attempt: %+v", next)
	}
}

func TestFailedAttemptIsRecordedAndParkedBeforeTheRecordIsDone(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	p.answer(500)
	due := time.Now().Add(5 * time.Second)
	p.decision = func(*fanout.Delivery, *fanout.Outcome) fanout.Decision {
		return fanout.Decision{Status: event.Pending, NextAt: due}
	}
	tk := p.feed(t, goodEvent)
	p.work(t)
	if got := strings.Join(p.facts, ", "); got != "event, payload, attempt wh_a, ladder wh_a" {
		t.Fatalf("facts: %s", got)
	}
	rec := p.attempts[0]
	if rec.DeliveryStatus != event.Pending || !rec.NextAttemptAt.Equal(due) || !p.parked[0].DueAt.Equal(due) {
		t.Errorf("record %+v, parked until %s", rec, p.parked[0].DueAt)
	}
	p.ackAll(nil)
	if tk.done != 1 {
		t.Error("not done")
	}
}

func TestWhatIsNotAnEventIsDeadLettered(t *testing.T) {
	for value, reason := range map[string]string{
		`{`: "bad_json",
		`{"event":"A","EVENT":"B","workspace_id":"ws","data":{}}`:                             "duplicate_key",
		`{"event":"A","data":{}}`:                                                             "missing_field",
		`{"event":"A","workspace_id":"w s","data":{}}`:                                        "bad_field",
		`{"event":"A","workspace_id":"ws","data":{"x":"` + strings.Repeat("y", 1<<16) + `"}}`: "too_large",
	} {
		p := newPipeline(t, newWorld("wh_a"))
		tk := p.feed(t, value)
		if got := strings.Join(p.facts, ", "); got != "dead-letter "+reason+", notice event.dead_lettered" {
			t.Errorf("%.40s: %s", value, got)
		}
		if tk.done != 0 {
			t.Errorf("%.40s: done before Kafka has the dead letter", value)
		}
		p.ackAll(nil)
		if tk.done != 1 || len(p.offered) != 0 {
			t.Errorf("%.40s: done %d times, %d deliveries", value, tk.done, len(p.offered))
		}
	}
}

// TestNothingOfARecordsBytesIsKept overwrites a record once the intake has returned, as the next fetch does.
func TestNothingOfARecordsBytesIsKept(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	const rejected = `{"no":"event"}`
	key, header := []byte("ses_1"), []byte("application/json")
	values := [][]byte{[]byte(goodEvent), []byte(rejected)}
	records := make([]*fanout.Record, len(values))
	for i, v := range values {
		records[i] = &fanout.Record{
			Source: event.Source{Topic: "events", Offset: int64(i)}, Time: time.Now(), Key: key, Value: v, Ticket: newTicket(),
			Headers: []fanout.RecordHeader{{Key: unsafe.String(&header[0], len(header)), Value: header}},
		}
	}
	if err := p.intake.Handle(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for _, b := range append(values, key, header) {
		for i := range b {
			b[i] = '#'
		}
	}
	p.work(t)
	e, letter := p.events[0], p.letters[0]
	seen := fmt.Sprintf("%s %+v %+v %+v %s %s %v %v", p.attempts[0].DeliveryID, *e, *p.attempts[0], *p.notices[0],
		letter.Key, letter.Value, letter.Headers[0].Key, string(letter.Headers[0].Value))
	if strings.Contains(seen, "#") || e.SessionID != "ses_1" || string(letter.Value) != rejected || string(letter.Key) != "ses_1" {
		t.Error(seen)
	}
	if body := string(p.bodies[0]); !strings.HasPrefix(body, `{"id":"evt_1","event":"SessionStarted"`) || !strings.HasSuffix(body, `"data":{"n":1.10}}`) {
		t.Errorf("body %s", body)
	}
}

func TestNullRecordIsSkipped(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	if tk := p.feed(t, ""); tk.done != 1 || len(p.facts) != 0 {
		t.Errorf("done %d times, facts %q", tk.done, p.facts)
	}
}

func TestEventsThatGoToNobodySayWhy(t *testing.T) {
	old := `{"id":"evt_2","event":"Old","workspace_id":"ws","timestamp":"2020-01-01T00:00:00Z","data":{}}`
	for name, tc := range map[string]struct {
		set   func(w *world)
		value string
		want  event.MissReason
	}{
		"duplicate": {func(w *world) { w.dups["evt_1"] = true }, goodEvent, event.MissDuplicate},
		"suspended": {func(w *world) { w.match = &fanout.Match{Targets: w.match.Targets, Reason: event.MissSuspended} }, goodEvent, event.MissSuspended},
		"expired":   {func(*world) {}, old, event.MissExpired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("wh_a")
			tc.set(w)
			p := newPipeline(t, w)
			p.intake = fanout.NewIntake(fanout.IntakeConfig{
				MaxEventBytes: 1 << 16, Expand: 3,
				Type: func(string) (time.Duration, bool) { return time.Hour, true },
			}, p.engine, fanout.Exits{Scheduler: w, Dedupe: w, DeadLetters: w, Room: w.room})
			tk := p.feed(t, tc.value)
			p.ackAll(nil)
			if tk.done != 1 || len(p.offered) != 0 {
				t.Fatalf("done %d times, %d deliveries", tk.done, len(p.offered))
			}
			rec := p.events[0]
			if rec.Reason != tc.want || len(rec.Unmatched) != 1 || rec.Unmatched[0] != (event.Miss{WebhookID: "wh_a", Reason: tc.want}) {
				t.Errorf("event record %+v", rec)
			}
		})
	}
}

func TestPartsThatAFormerOwnerFinishedAreNotRepeated(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a", "wh_b"))
	tk := newTicket()
	tk.before[fanout.PartKey("wh_a")] = true
	p.handle(t, goodEvent, tk)
	p.work(t)
	p.ackAll(nil)
	if got := strings.Join(p.sent, ", "); got != "wh_b 1" || tk.done != 1 {
		t.Errorf("sent %s, done %d times", got, tk.done)
	}
}

func TestLargeFanOutIsWrittenToTheLadderFirst(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a", "wh_b", "wh_c", "wh_d"))
	tk := p.feed(t, goodEvent)
	if len(p.offered) != 0 || len(p.parked) != 4 {
		t.Fatalf("%d offered, %d parked", len(p.offered), len(p.parked))
	}
	p.ackAll(nil)
	if tk.done != 1 {
		t.Error("not done")
	}
}

func TestDeletedDisabledSuspendedAndOlderEpochsAreCancelled(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world)
		cause  event.Cause
	}{
		"deleted":   {func(w *world) { delete(w.targets, "wh_a") }, event.CauseDeleted},
		"disabled":  {func(w *world) { w.targets["wh_a"] = &fanout.Target{Epoch: 1} }, event.CauseDisabled},
		"suspended": {func(w *world) { w.targets["wh_a"] = &fanout.Target{Suspended: true, Enabled: true, Epoch: 1} }, event.CauseSuspended},
		"new epoch": {func(w *world) { w.targets["wh_a"] = &fanout.Target{Enabled: true, Epoch: 2} }, event.CauseDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("wh_a")
			p := newPipeline(t, w)
			tk := p.feed(t, goodEvent)
			tc.change(w)
			p.work(t)
			p.ackAll(nil)
			if len(p.sent) != 0 || len(p.states) != 1 || p.states[0].Cause != tc.cause || p.states[0].Status != event.Cancelled {
				t.Fatalf("sent %q, states %+v", p.sent, p.states)
			}
			if tk.done != 1 {
				t.Error("not done")
			}
		})
	}
}

// TestOrdersAreNotRefusedByWhatWasKnown: a test or a resend may come before its webhook, or that it is enabled, is known.
func TestOrdersAreNotRefusedByWhatWasKnown(t *testing.T) {
	for _, tc := range []struct {
		trigger event.Trigger
		known   *fanout.Target
		sent    int
	}{
		{event.TriggerTest, nil, 1}, {event.TriggerResend, nil, 1}, {event.TriggerResend, &fanout.Target{Epoch: 1}, 1},
		{event.TriggerEvent, nil, 0}, {event.TriggerRetry, nil, 0}, {event.TriggerRetry, &fanout.Target{Epoch: 1}, 0},
	} {
		w := newWorld("wh_a")
		p := newPipeline(t, w)
		p.feed(t, goodEvent)
		p.offered[0].Trigger = tc.trigger
		w.changes, w.targets = w.targets, map[string]*fanout.Target{}
		if tc.known != nil {
			w.targets["wh_a"] = tc.known
		}
		p.work(t)
		p.ackAll(nil)
		if len(p.sent) != tc.sent || len(p.states) != 1-tc.sent {
			t.Errorf("%s, known %+v: sent %q, states %+v", tc.trigger, tc.known, p.sent, p.states)
		}
	}
}

// TestGoneDisables: a 410 ends the delivery and has its webhook disabled; with the database away the delivery is done
// all the same, since the next 410 asks again.
func TestGoneDisables(t *testing.T) {
	for _, err := range []error{nil, errors.New("the database is away")} {
		w := newWorld("wh_a")
		w.answer(410)
		w.goneErr = err
		p := newPipeline(t, w)
		tk := p.feed(t, goodEvent)
		p.work(t)
		p.ackAll(nil)
		if len(w.gone) != 1 || w.gone[0] != p.attempts[0].DeliveryID {
			t.Errorf("disabled for %q, attempts %+v", w.gone, p.attempts)
		}
		if len(p.notices) != 1 || p.notices[0].Type != event.NoticeDeliveryFailed || tk.done != 1 {
			t.Errorf("notices %+v, done %d times", p.notices, tk.done)
		}
	}
}

func TestOwnFaultIsNoAttempt(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	p.outcome = func(*fanout.Delivery) (fanout.Outcome, error) {
		return fanout.Outcome{}, errors.New("too many open files")
	}
	tk := p.feed(t, goodEvent)
	p.work(t)
	p.ackAll(nil)
	if len(p.attempts) != 0 || len(p.parked) != 1 || p.parked[0].Attempt != 1 || tk.done != 1 {
		t.Errorf("%d attempts, parked %d, done %d times", len(p.attempts), len(p.parked), tk.done)
	}
}

func TestParkedDeliveryKeepsItsAttemptAndExpires(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	p.feed(t, goodEvent)
	d := p.offered[0]
	p.engine.Park(d, event.CauseBreakerOpen, time.Now().Add(time.Minute))
	if d.Attempt != 1 || d.Parked != 1 || p.states[0].Cause != event.CauseBreakerOpen || !p.states[0].NextAttemptAt.Equal(d.DueAt) {
		t.Errorf("delivery %+v, state %+v", d, p.states[0])
	}
	p.ackAll(nil)

	p = newPipeline(t, newWorld("wh_a"))
	tk := p.feed(t, goodEvent)
	d = p.offered[0]
	d.Deadline = time.Now().Add(-time.Second)
	p.engine.Park(d, event.CauseBreakerOpen, time.Time{})
	p.ackAll(nil)
	if p.states[0].Status != event.Failed || p.states[0].Cause != event.CauseExpired || tk.done != 1 {
		t.Errorf("state %+v, done %d times", p.states[0], tk.done)
	}
}

func TestLostPartitionIsAbandonedNeverDone(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a", "wh_b"))
	tk := p.feed(t, goodEvent)
	tk.lost = true
	p.engine.Drop(p.offered[0])
	p.offered = p.offered[1:]
	p.work(t) // wh_b has not started: it must not
	p.ackAll(nil)
	if len(p.sent) != 0 || tk.done != 0 || tk.abandoned != 1 {
		t.Errorf("sent %q, done %d, abandoned %d", p.sent, tk.done, tk.abandoned)
	}
}

func TestRefusedFactIsNeverDone(t *testing.T) {
	p := newPipeline(t, newWorld("wh_a"))
	tk := p.feed(t, goodEvent)
	p.work(t)
	p.ackAll(errors.New("closed"))
	if tk.done != 0 || tk.abandoned != 1 {
		t.Errorf("done %d, abandoned %d", tk.done, tk.abandoned)
	}
}

// TestBudgetBlocksTheIntakeAndIsGivenBack: by events, and by what is none.
func TestBudgetBlocksTheIntakeAndIsGivenBack(t *testing.T) {
	for name, begin := range map[string]string{
		"events":       `{"event":"A","workspace_id":"ws",`,
		"dead letters": `{`,
	} {
		big := begin + `"data":{"x":"` + strings.Repeat("y", 60_000) + `"}}`
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { budgetBlocksTheIntake(t, big) })
		})
	}
}

func budgetBlocksTheIntake(t *testing.T, big string) {
	w := newWorld("wh_a")
	p := newPipeline(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	var tickets []*ticket
	var records []*fanout.Record
	for i := range 30 { // 30 × 60 KB: more than the budget of 1 MiB
		tk := newTicket()
		tickets = append(tickets, tk)
		records = append(records, &fanout.Record{Source: event.Source{Topic: "events", Offset: int64(i)}, Time: time.Now(), Value: []byte(big), Ticket: tk})
	}
	failed := make(chan error)
	go func() { failed <- p.intake.Handle(ctx, records) }()
	synctest.Wait()                                                    // the intake waits for room
	if taken := len(p.acks) / 2; taken == 0 || taken == len(records) { // two facts each, before any attempt
		t.Fatalf("%d of %d taken", taken, len(records))
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("Handle: %v", err)
	}
	p.work(t)
	p.ackAll(nil)
	var done, abandoned int
	for _, tk := range tickets {
		done, abandoned = done+tk.done, abandoned+tk.abandoned
	}
	if done == 0 || abandoned == 0 || done+abandoned != len(tickets) {
		t.Errorf("%d done and %d abandoned of %d", done, abandoned, len(tickets))
	}
	tk := p.feed(t, goodEvent) // and the whole budget is there again
	p.work(t)
	p.ackAll(nil)
	if tk.done != 1 {
		t.Error("budget was not given back")
	}
}
