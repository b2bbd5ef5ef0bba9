package kafka

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// All of this file is guarded by Producer.mu.

// outTopic is what the producer holds for one topic.
type outTopic struct {
	name  string
	codec Compression
	// parts are the partitions that exist; empty until the first metadata came.
	parts []*outPart
	// gone are partitions that no longer exist, with records still on their way: the topic was made anew, smaller.
	gone []*outPart
	// unassigned wait until the cluster says that their partition exists.
	unassigned []item
	wanted     []OutRecord // for each of unassigned: only Partition and Explicit are set
}

func (t *outTopic) all() []*outPart { return append(slices.Clip(t.parts), t.gone...) }

// outPart is the queue of one partition. sending is the batch that is on its way, or that waits to be sent again; it is
// finished before anything of queue is, which keeps the order.
type outPart struct {
	topic   *outTopic
	id      int32
	leader  int32
	queue   []item
	queued  int // bytes of queue and sending
	sending []item
	spare   []item // an empty slice to be used again
	busy    bool   // a request is on its way
	listed  bool   // in a broker's ready list, in delayed or in orphans
	split   bool   // sending is the rest of a larger slice
	limit   int    // records in the next batch, after one was too large; 0: no limit
	fails   int    // in a row
	since   time.Time
	until   time.Time // back-off
}

// outBroker is what waits to be sent to one broker.
type outBroker struct {
	id       int32
	ready    []*outPart
	bytes    int
	since    time.Time // when the first of ready came
	inflight int
}

func (p *Producer) topic(name string) *outTopic {
	t := p.topics[name]
	if t == nil {
		t = &outTopic{name: name, codec: p.cfg.Compression[name]}
		p.topics[name] = t
	}
	return t
}

// add queues a record and says whether the loop must look.
func (p *Producer) add(t *outTopic, it item, rec OutRecord) bool {
	if len(t.parts) == 0 || rec.Explicit && rec.Partition >= len(t.parts) {
		t.unassigned = append(t.unassigned, it)
		t.wanted = append(t.wanted, OutRecord{Partition: rec.Partition, Explicit: rec.Explicit})
		return len(t.unassigned) == 1
	}
	part := choose(t, &it, rec)
	size := it.size()
	part.queue = append(part.queue, it)
	part.queued += size
	if part.busy {
		return false
	}
	if !part.listed {
		return p.enlist(part, time.Now())
	}
	b := p.brokers[part.leader]
	if b == nil {
		return false
	}
	was := b.bytes
	b.bytes += size
	return was < eagerBytes && b.bytes >= eagerBytes
}

// choose finds the record's partition: the one it names, the one of its key, or any.
func choose(t *outTopic, it *item, rec OutRecord) *outPart {
	switch n := len(t.parts); {
	case rec.Explicit && rec.Partition >= 0:
		return t.parts[rec.Partition]
	case it.key != nil:
		return t.parts[partitionOf(it.key, n)]
	default:
		return t.parts[rand.IntN(n)]
	}
}

// eagerBytes is enough to be sent without waiting for company.
const eagerBytes = 64 << 10

// enlist puts a partition with something to send where it belongs and says whether the loop must look.
func (p *Producer) enlist(part *outPart, now time.Time) bool {
	if part.listed || part.busy || len(part.queue)+len(part.sending) == 0 {
		return false
	}
	part.listed = true
	switch {
	case part.until.After(now):
		p.delayed = append(p.delayed, part)
		return true
	case part.leader < 0:
		p.orphans = append(p.orphans, part)
		return true
	}
	b := p.brokers[part.leader]
	if b == nil {
		b = &outBroker{id: part.leader}
		p.brokers[part.leader] = b
	}
	if len(b.ready) == 0 {
		b.since = now
	}
	was := b.bytes
	b.ready = append(b.ready, part)
	b.bytes += part.queued
	return len(b.ready) == 1 || was < eagerBytes && b.bytes >= eagerBytes
}

// collect takes the batches of the next request to b; what does not fit stays ready.
func (p *Producer) collect(b *outBroker, now time.Time) []*outBatch {
	var batches []*outBatch
	size := 0
	ready := b.ready
	b.ready, b.bytes, b.since = nil, 0, now
	for i, part := range ready {
		if size >= p.cfg.MaxRequestBytes {
			b.ready = append(b.ready, ready[i:]...)
			break
		}
		part.listed = false
		if part.leader != b.id {
			p.enlist(part, now)
			continue
		}
		items := part.next(p.cfg.MaxBatchBytes)
		if len(items) == 0 {
			continue
		}
		for j := range items {
			size += items[j].size()
		}
		part.busy = true
		batches = append(batches, &outBatch{part: part, items: items})
	}
	for _, part := range b.ready {
		b.bytes += part.queued
	}
	slices.SortFunc(batches, func(x, y *outBatch) int { return cmp.Compare(x.part.topic.name, y.part.topic.name) })
	return batches
}

// next moves the next batch into sending, unless one waits there to be sent again, and returns what to send of it.
func (part *outPart) next(maxBytes int) []item {
	if len(part.sending) == 0 {
		n, size := 0, 0
		for n < len(part.queue) {
			size += part.queue[n].size()
			if n > 0 && size > maxBytes {
				break
			}
			n++
		}
		if n == len(part.queue) {
			part.sending, part.queue, part.spare = part.queue, part.spare[:0], nil
		} else {
			part.sending = append(part.spare[:0], part.queue[:n]...)
			part.spare = nil
			rest := copy(part.queue, part.queue[n:])
			clear(part.queue[rest:])
			part.queue = part.queue[:rest]
		}
	}
	if part.limit > 0 && part.limit < len(part.sending) {
		return part.sending[:part.limit]
	}
	return part.sending
}

// finish takes the first n items out of sending and says whether these were all of its slice, which may then be used
// again once the caller has told their Ackers.
func (part *outPart) finish(n int) (whole bool) {
	whole = !part.split && n == len(part.sending)
	for i := range n {
		part.queued -= part.sending[i].size()
	}
	part.sending = part.sending[n:]
	part.split = len(part.sending) > 0
	if !part.split {
		part.sending = nil
	}
	return whole
}
