package retry

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const prefix = "voxagent.webhook.retry"

var epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func schedule(t *testing.T, text string) Schedule {
	t.Helper()
	s, err := ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// delivery returns one with every field set that a record keeps.
func delivery(id string, due time.Time) *fanout.Delivery {
	body := []byte(`{"id":"evt_1","event":"ConversationComplete","timestamp":"2026-11-23T08:00:00.123Z","data":{"n":1.50}}`)
	occurrence := event.Meta{Topic: "t", Partition: 3, Offset: 1 << 40, Time: epoch.Add(123 * time.Millisecond)}.Occurrence("ws")
	return &fanout.Delivery{
		ID: id,
		Event: &fanout.Event{
			ID: "evt_1", Type: "ConversationComplete", WorkspaceID: "ws", SessionID: "sess/ö", Timestamp: "2026-11-23T08:00:00.123Z",
			RecordTime: occurrence.Time(), Occurrence: occurrence, Source: event.Source{Topic: "t", Partition: 3, Offset: 1 << 40},
			Body: body,
		},
		Ref: fanout.Ref{WorkspaceID: "ws", WebhookID: "wh"}, Epoch: 7, Chain: 2, Attempt: 3, Step: 2, Single: true,
		Trigger: event.TriggerRetry, CreatedAt: epoch, DueAt: due, Parked: 4, Deadline: epoch.Add(48 * time.Hour),
	}
}

// ticket notes what was said of a record.
type ticket struct{ done, abandoned int }

func (t *ticket) Done()                   { t.done++ }
func (t *ticket) Abandon()                { t.abandoned++ }
func (t *ticket) Abandoned() bool         { return false }
func (t *ticket) PartDone(uint64)         {}
func (t *ticket) PartWasDone(uint64) bool { return false }
