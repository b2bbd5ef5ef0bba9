package deadletter_test

import (
	"errors"
	"testing"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/deadletter"
	"github.com/voxagent/dispatcher/pkg/event"
)

var errTooLarge = errors.New("too large")

// topic takes records up to a size.
type topic struct {
	limit   int
	records []record
}

type record struct {
	key, value []byte
	headers    map[string]string
}

func (t *topic) Produce(_ string, key, value []byte, headers []fanout.RecordHeader, ack fanout.Ack) {
	if len(value) > t.limit {
		ack.Acked(errTooLarge)
		return
	}
	r := record{key, value, map[string]string{}}
	for _, h := range headers {
		r.headers[h.Key] = string(h.Value)
	}
	t.records = append(t.records, r)
	ack.Acked(nil)
}

type ack struct {
	n   int
	err error
}

func (a *ack) Acked(err error) { a.n, a.err = a.n+1, err }

func TestDeadLetter(t *testing.T) {
	for name, tc := range map[string]struct {
		value, want, reason string
	}{
		"untouched":               {"{broken\x00\xff", "{broken\x00\xff", "bad_json"},
		"too large even for that": {"0123456789012345678901234567890123456789", "", "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			out, told := &topic{limit: 20}, &ack{}
			w := deadletter.New(out, "dead", errTooLarge)
			w.DeadLetter(&fanout.Record{
				Source: event.Source{Topic: "events", Partition: 3, Offset: 42}, Key: []byte("k"), Value: []byte(tc.value),
				Headers: []fanout.RecordHeader{{Key: "trace", Value: []byte("x")}},
			}, event.BadJSON, "byte 1", told)
			if told.n != 1 || told.err != nil || len(out.records) != 1 {
				t.Fatalf("told %d times (%v), %d records", told.n, told.err, len(out.records))
			}
			got := out.records[0]
			if string(got.key) != "k" || string(got.value) != tc.want {
				t.Errorf("key %q, value %q", got.key, got.value)
			}
			for key, want := range map[string]string{
				"trace": "x", "reason": tc.reason, "detail": "byte 1", "source-topic": "events", "source-partition": "3",
				"source-offset": "42",
			} {
				if got.headers[key] != want {
					t.Errorf("header %s: %q, want %q", key, got.headers[key], want)
				}
			}
		})
	}
}

func TestOtherRefusalsArePassedOn(t *testing.T) {
	closed, told := errors.New("closed"), &ack{}
	deadletter.New(refuse{closed}, "dead", errTooLarge).DeadLetter(&fanout.Record{}, event.BadJSON, "", told)
	if told.n != 1 || !errors.Is(told.err, closed) {
		t.Errorf("told %d times: %v", told.n, told.err)
	}
}

type refuse struct{ err error }

func (r refuse) Produce(_ string, _, _ []byte, _ []fanout.RecordHeader, a fanout.Ack) { a.Acked(r.err) }
