package simulation

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/voxagent/dispatcher/internal/consumer/watermark"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/kafka"
)

// plant is a bug put into every instance at a seam; the zero value is none.
type plant struct {
	produce func(next produce) produce
	tickets func(t fanout.Ticket) fanout.Ticket
	commits func(p *kmsg.OffsetCommitRequestTopicPartition)
}

func (p plant) producer(next produce) produce {
	if p.produce == nil {
		return next
	}
	return p.produce(next)
}

func (p plant) ticket(t fanout.Ticket) fanout.Ticket {
	if p.tickets == nil {
		return t
	}
	return p.tickets(t)
}

// commit changes what an instance commits; it sees the request before the broker does.
func (p plant) commit(req kmsg.Request) {
	if p.commits == nil {
		return
	}
	for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
		for i := range t.Partitions {
			p.commits(&t.Partitions[i])
		}
	}
}

// ackedEarly tells whoever produces that Kafka has a record before it has.
func ackedEarly(next produce) produce {
	return func(topic string, key, value []byte, headers []kafka.Header, ack kafka.Acker) {
		key, value, headers = bytes.Clone(key), bytes.Clone(value), slices.Clone(headers)
		for i := range headers {
			headers[i].Value = bytes.Clone(headers[i].Value)
		}
		ack.Acked(nil)
		next(topic, key, value, headers, kafka.AckFunc(func(error) {}))
	}
}

// doneEarly is a ticket that is done once its record was handed out.
type doneEarly struct{ fanout.Ticket }

func (doneEarly) Done()    {}
func (doneEarly) Abandon() {}

// dropped is a ticket whose record is done when it is given back.
type dropped struct{ fanout.Ticket }

func (d dropped) Abandon() { d.Done() }

// withoutBits loses what is done above the committed offset.
func withoutBits(p *kmsg.OffsetCommitRequestTopicPartition) { p.Metadata = new("") }

// withWrongBit says of the record after the first unfinished one that it is done.
func withWrongBit(p *kmsg.OffsetCommitRequestTopicPartition) {
	t := watermark.New(p.Offset, watermark.Tag(*p.Metadata))
	t.Restore(p.Offset, *p.Metadata)
	t.Done(p.Offset + 1)
	if offset, metadata := t.Committable(); offset == p.Offset {
		p.Metadata = &metadata
	}
}

// short is a plan of minutes with the faults given.
func short(p plant, faults ...fault) plan {
	return plan{
		seed: 1, schedule: "5s,30s", workspaces: 2, events: 40, spread: time.Minute, instances: 2,
		faults: func(*rand.Rand, []time.Duration) []fault { return faults }, plant: p,
	}
}

// at is a fault of one kind.
func at(when time.Duration, kind maker) fault {
	what, do := kind(rand.New(rand.NewPCG(1, 1)))
	return fault{at: when, what: what, do: do}
}

// TestPlantedBugsAreFound: a simulation that finds nothing must be able to find something.
func TestPlantedBugsAreFound(t *testing.T) {
	refused := fault{10100 * time.Millisecond, "brokers refuse all writes", func(w *world) {
		w.refuse(kerr.NotEnoughReplicas, 30*time.Second, 1, kmsg.Produce)
	}}
	crashed, joined := at(14*time.Second, crash), at(13*time.Second, visit)
	for _, bug := range []struct {
		name    string
		plant   plant
		fault   fault
		promise string
	}{
		{"commit before the acknowledgement", plant{produce: ackedEarly}, refused, "commit"},
		{"commit before the attempt", plant{tickets: func(t fanout.Ticket) fanout.Ticket {
			t.Done()
			return doneEarly{t}
		}}, crashed, "commit"},
		{"lost done bits", plant{commits: withoutBits}, crashed, "duplicate"},
		{"wrong done bit", plant{commits: withWrongBit}, crashed, "commit"},
		{"retry dropped on rebalance", plant{tickets: func(t fanout.Ticket) fanout.Ticket { return dropped{t} }}, joined, "lost"},
	} {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			if r := simulate(t, short(bug.plant, bug.fault)); r.broken[bug.promise] == 0 {
				t.Errorf("not found; broken promises: %v", r.broken)
			}
			simulate(t, short(plant{}, bug.fault)).report(t)
		})
	}
}
