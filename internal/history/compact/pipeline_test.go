package compact_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/history"
	"github.com/voxagent/dispatcher/internal/history/compact"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// topic is Kafka in this test: what the recorder produces is what the compactor reads.
type topic struct {
	t       *testing.T
	c       *compact.Compactor
	settled chan bool
}

func (k *topic) Produce(name string, key, value []byte, headers []history.Header, ack history.Ack) {
	r := &compact.Record{
		Source: event.Source{Topic: name}, Time: time.Now(), Key: append([]byte(nil), key...), Value: append([]byte(nil), value...),
		Ticket: k,
	}
	for _, h := range headers {
		r.Headers = append(r.Headers, compact.Header{Key: h.Key, Value: append([]byte(nil), h.Value...)})
	}
	ack.Acked(nil)
	if err := k.c.Handle(k.t.Context(), []*compact.Record{r}); err != nil {
		k.t.Error(err)
	}
}

func (k *topic) Done()           { k.settled <- true }
func (k *topic) Abandon()        { k.settled <- false }
func (k *topic) Abandoned() bool { return false }

type noAck struct{}

func (noAck) Acked(error) {}

// TestFromRecorderToReader writes an event's story as the dispatcher does and reads it as the API does.
func TestFromRecorderToReader(t *testing.T) {
	db, err := sqldb.Open(t.Context(), "sqlite::memory:", sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Migrate(t.Context(), store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s, err := store.New(db, store.Config{History: 48 * time.Hour, Payloads: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c, err := compact.New(compact.Config{PayloadTopic: "payloads"}, s, compact.NewMetrics(nil), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	kafka := &topic{t: t, c: c, settled: make(chan bool, 8)}
	r, err := history.New(history.Config{HistoryTopic: "history", PayloadTopic: "payloads"}, kafka)
	if err != nil {
		t.Fatal(err)
	}

	at := time.Now().Truncate(time.Millisecond).UTC()
	o := event.NewOccurrence(at)
	id := o.DeliveryID("wh_1")
	r.Event(&event.EventRecord{
		EventID: "evt_1", Event: "SessionStarted", WorkspaceID: "ws", SessionID: "s", Occurrence: o, RecordTimestamp: at, ReceivedAt: at,
		Generation: 1, Matched: []event.Match{{WebhookID: "wh_1", DeliveryID: id}},
		Unmatched: []event.Miss{{WebhookID: "wh_2", Reason: event.MissDisabled}},
	}, noAck{})
	r.Payload(o, []byte(`{"id":"evt_1"}`), noAck{})
	r.Attempt(&event.AttemptRecord{
		ID: o.AttemptID("wh_1", 1, 1), DeliveryID: id, WebhookID: "wh_1", WorkspaceID: "ws", EventID: "evt_1",
		Event: "SessionStarted", SessionID: "s", Occurrence: o, Chain: 1, Attempt: 1, Trigger: event.TriggerEvent, Timestamp: at,
		Status: event.Failed, Error: event.ErrTimeout, NextAttemptAt: at.Add(5 * time.Second), DeliveryStatus: event.Pending,
	}, noAck{})
	r.CancelWebhook(&event.WebhookRecord{WorkspaceID: "ws", WebhookID: "wh_1", Epoch: 1, Cause: event.CauseDisabled, At: at}, noAck{})
	for range 4 {
		if done := <-kafka.settled; !done {
			t.Error("a record was abandoned")
		}
	}

	e, err := s.Event(t.Context(), "ws", "evt_1")
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Payload.Body) != `{"id":"evt_1"}` || len(e.Deliveries) != 1 || len(e.Misses) != 1 {
		t.Fatalf("event %+v", e)
	}
	d, err := s.Delivery(t.Context(), "ws", id)
	if err != nil {
		t.Fatal(err)
	}
	if d.Status != event.Cancelled || d.Cause != event.CauseDisabled || len(d.History) != 1 || d.History[0].Error != event.ErrTimeout {
		t.Errorf("delivery %+v", d)
	}
}
