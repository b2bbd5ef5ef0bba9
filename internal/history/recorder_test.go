package history_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/history"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// produced is a record that a producer holds.
type produced struct {
	topic      string
	key, value []byte
	headers    []history.Header
	ack        history.Ack
}

// holder is a producer that holds records until the test acknowledges them.
type holder struct{ held []produced }

func (h *holder) Produce(topic string, key, value []byte, headers []history.Header, ack history.Ack) {
	h.held = append(h.held, produced{topic, key, value, headers, ack})
}

type ackFunc func(error)

func (f ackFunc) Acked(err error) { f(err) }

func newRecorder(t testing.TB, p history.Producer) *history.Recorder {
	t.Helper()
	r, err := history.New(history.Config{HistoryTopic: "h", PayloadTopic: "p"}, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func attempt(i int) *event.AttemptRecord {
	o := event.Meta{Topic: "t", Offset: int64(i), Time: time.UnixMilli(1_800_000_000_000)}.Occurrence("ws")
	return &event.AttemptRecord{
		ID: o.AttemptID("wh_1", 1, 1), DeliveryID: o.DeliveryID("wh_1"), WebhookID: "wh_1", WorkspaceID: "ws",
		EventID: fmt.Sprintf("evt_%d", i), Event: "SessionStarted", SessionID: "s", Occurrence: o, Chain: 1, Attempt: 1,
		Trigger: event.TriggerEvent, Timestamp: time.UnixMilli(1_800_000_000_100).UTC(), Status: event.Succeeded,
		HTTPStatus: 200, DeliveryStatus: event.Succeeded,
		Response: event.Response{Body: event.Text("ok"), Size: 2, Headers: []event.Header{{"Server", "x"}}},
	}
}

// TestRecordsAreWhole writes records of each kind and reads them as a consumer does.
func TestRecordsAreWhole(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_000).UTC()
	o := event.NewOccurrence(at)
	records := []event.Record{
		&event.EventRecord{
			EventID: "evt_1", Event: "E", WorkspaceID: "ws", SessionID: "s", Occurrence: o, RecordTimestamp: at, ReceivedAt: at,
			Generation: 3, Matched: []event.Match{{WebhookID: "wh_1", DeliveryID: o.DeliveryID("wh_1"), Epoch: 2}},
			Unmatched: []event.Miss{{WebhookID: "wh_2", Reason: event.MissFilter}},
		},
		attempt(1),
		&event.DeliveryRecord{
			DeliveryID: o.DeliveryID("wh_1"), WebhookID: "wh_1", WorkspaceID: "ws", EventID: "evt_1", Occurrence: o,
			Chain: 1, Status: event.Cancelled, Cause: event.CauseByUser, At: at,
		},
		&event.ErasureRecord{ID: "era_1", WorkspaceID: "ws", SessionID: "s", At: at},
		&event.WebhookRecord{WorkspaceID: "ws", WebhookID: "wh_1", Epoch: 4, Cause: event.CauseDeleted, At: at},
	}
	h := &holder{}
	r := newRecorder(t, h)
	told := 0
	ack := ackFunc(func(err error) {
		if err == nil {
			told++
		}
	})
	r.Event(records[0].(*event.EventRecord), ack)
	r.Attempt(records[1].(*event.AttemptRecord), ack)
	r.Delivery(records[2].(*event.DeliveryRecord), ack)
	r.Erasure(records[3].(*event.ErasureRecord), ack)
	r.CancelWebhook(records[4].(*event.WebhookRecord), ack)
	for i, p := range h.held {
		headers := map[string]string{}
		for _, header := range p.headers {
			headers[header.Key] = string(header.Value)
		}
		want := map[string]string{
			"record-type": string(records[i].RecordType()), "schema-version": "1", "workspace-id": "ws",
			"record-id": records[i].RecordID(),
		}
		if diff := cmp.Diff(want, headers); diff != "" {
			t.Errorf("headers of record %d (-want +got):\n%s", i, diff)
		}
		if p.topic != "h" || string(p.key) != records[i].Key() {
			t.Errorf("record %d went to %s with key %s", i, p.topic, p.key)
		}
		got, err := event.DecodeRecord(event.RecordType(headers["record-type"]), p.value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(records[i], got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
		p.ack.Acked(nil)
	}
	if told != len(records) {
		t.Errorf("%d acknowledgements for %d records", told, len(records))
	}
}

// TestBytesStayUntilAcked acknowledges out of order: what the producer still holds must not be written over.
func TestBytesStayUntilAcked(t *testing.T) {
	h := &holder{}
	r := newRecorder(t, h)
	want := map[int]string{}
	for i := range 400 {
		rec := attempt(i)
		r.Attempt(rec, ackFunc(func(error) {}))
		want[i] = string(rec.AppendJSON(nil))
		if i%3 == 0 {
			h.held[i/2].ack.Acked(nil)
			delete(want, i/2)
			h.held[i/2].ack = ackFunc(func(error) {})
		}
	}
	for i, value := range want {
		if got := string(h.held[i].value); got != value {
			t.Fatalf("record %d became %s", i, got)
		}
	}
}

func TestPayload(t *testing.T) {
	h := &holder{}
	r := newRecorder(t, h)
	o := event.NewOccurrence(time.Now())
	body := []byte(`{"id":"evt_1"}`)
	var got error
	r.Payload(o, body, ackFunc(func(err error) { got = err }))
	p := h.held[0]
	if p.topic != "p" || string(p.key) != o.String() || &p.value[0] != &body[0] || len(p.headers) != 0 {
		t.Errorf("payload record %+v", p)
	}
	gone := errors.New("closed")
	p.ack.Acked(gone)
	if !errors.Is(got, gone) {
		t.Errorf("ack got %v", got)
	}
}

func TestPayloadsNotKept(t *testing.T) {
	h := &holder{}
	r, err := history.New(history.Config{HistoryTopic: "h"}, h)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	r.Payload(event.NewOccurrence(time.Now()), []byte("{}"), ackFunc(func(err error) { told = err == nil }))
	if !told || len(h.held) != 0 {
		t.Errorf("told %t, %d records", told, len(h.held))
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []history.Config{{}, {HistoryTopic: "x", PayloadTopic: "x"}} {
		if _, err := history.New(c, &holder{}); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

type instant struct{}

func (instant) Produce(_ string, _, _ []byte, _ []history.Header, ack history.Ack) { ack.Acked(nil) }

type silent struct{}

func (silent) Acked(error) {}

func BenchmarkAttempt(b *testing.B) {
	r := newRecorder(b, instant{})
	rec := attempt(1)
	b.ReportAllocs()
	for b.Loop() {
		r.Attempt(rec, silent{})
	}
}
