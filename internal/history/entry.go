package history

import (
	"sync"

	"github.com/voxagent/dispatcher/pkg/event"
)

// maxPooled is the largest buffer that is kept for reuse: an attempt record with a full response has about 40 KiB, and
// a few events with thousands of webhooks must not make all buffers large.
const maxPooled = 64 << 10

// entry is one record on its way: its encoded bytes, and whom to tell. It is the Ack that the producer gets, and goes
// back to its pool when that is told; so a record in a steady stream costs no allocation.
type entry struct {
	pool    *pool
	ack     Ack
	buf     []byte
	headers [4]Header
}

// pool holds entries for one kind of records: there are three for each open event while Kafka is slow, so a small one must
// not take a large one's buffer.
type pool struct {
	entries sync.Pool
	room    int // what a record of this kind usually needs, in bytes
}

func (p *pool) take(ack Ack) *entry {
	e, ok := p.entries.Get().(*entry)
	if !ok {
		e = &entry{pool: p, buf: make([]byte, 0, p.room)}
	}
	e.ack = ack
	return e
}

// Acked implements Ack.
func (e *entry) Acked(err error) {
	ack := e.ack
	e.ack = nil
	if cap(e.buf) > maxPooled {
		e.buf = make([]byte, 0, e.pool.room)
	}
	e.buf = e.buf[:0]
	e.pool.entries.Put(e)
	ack.Acked(err)
}

var (
	schemaVersion = []byte(event.SchemaVersion)
	recordTypes   = map[event.RecordType][]byte{
		event.TypeEvent: []byte(event.TypeEvent), event.TypeAttempt: []byte(event.TypeAttempt),
		event.TypeDelivery: []byte(event.TypeDelivery), event.TypeErasure: []byte(event.TypeErasure),
		event.TypeWebhook: []byte(event.TypeWebhook),
	}
)

// write encodes rec and hands it to the producer. Key, value and headers share one buffer: it is cut after it has grown.
func (r *Recorder) write(from *pool, rec event.Record, ack Ack) {
	e := from.take(ack)
	e.buf = rec.AppendJSON(e.buf)
	value := len(e.buf)
	e.buf = append(e.buf, rec.Key()...)
	key := len(e.buf)
	e.buf = append(e.buf, rec.Workspace()...)
	workspace := len(e.buf)
	e.buf = append(e.buf, rec.RecordID()...)
	e.headers = [4]Header{
		{event.HeaderRecordType, recordTypes[rec.RecordType()]},
		{event.HeaderSchemaVersion, schemaVersion},
		{event.HeaderWorkspaceID, e.buf[key:workspace:workspace]},
		{event.HeaderRecordID, e.buf[workspace:]},
	}
	r.producer.Produce(r.cfg.HistoryTopic, e.buf[value:key:key], e.buf[:value:value], e.headers[:], e)
}
