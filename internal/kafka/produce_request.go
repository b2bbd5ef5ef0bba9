package kafka

import (
	"context"
	"fmt"
	"time"
)

// produceVersion needs Kafka 2.4; it takes zstd.
const produceVersion = 8

// brokerTimeout is how long a broker may wait for its followers before it answers with RequestTimedOut.
const brokerTimeout = 5 * time.Second

// outBatch is what one request holds for one partition.
type outBatch struct {
	part  *outPart
	items []item
	err   error
	whole bool // items is a whole slice that nobody else uses
}

// produce writes the batches, which one broker leads, in one request and leaves each one's outcome in its err. The
// result is the fault of the request as a whole.
func (p *Producer) produce(ctx context.Context, broker int32, batches []*outBatch) error {
	w := writer{b: p.slabs.get(headRoom + encodedSize(batches))[:headRoom]}
	w.int16(-1) // transactional id
	w.int16(-1) // acks: all
	w.int32(int32(brokerTimeout / time.Millisecond))
	if err := encodeBatches(&w, batches); err != nil {
		return err
	}
	faults := make(map[partitionKey]error, len(batches))
	req := &brokerCall{call: *p.client.newCall(keyProduce, produceVersion, &w, func(r *reader) {
		decodeProduce(r, faults)
	}), broker: broker}
	body := w.b
	// The transport's connection uses the body until then, even if the caller has given up.
	req.written = func() { p.slabs.put(body) }
	if err := p.client.do(ctx, req, 0); err != nil {
		return fmt.Errorf("produce to broker %d: %w", broker, err)
	}
	for _, b := range batches {
		err, answered := faults[partitionKey{b.part.topic.name, b.part.id}]
		if !answered {
			err = fmt.Errorf("produce to broker %d: no answer for the partition", broker)
		}
		b.err = err
	}
	return nil
}

// encodedSize is about the size of the request, and no less: growing step by step would copy the records again and
// again.
func encodedSize(batches []*outBatch) int {
	const perBatch, perItem, perHeader = batchHeader + 300, 32, 8 // a topic's name has at most 249 bytes
	n := 64
	for _, b := range batches {
		n += perBatch
		for i := range b.items {
			n += b.items[i].size() + perItem + perHeader*len(b.items[i].headers)
		}
	}
	return n
}

type partitionKey struct {
	topic     string
	partition int32
}

// encodeBatches writes the batches, which are sorted by topic.
func encodeBatches(w *writer, batches []*outBatch) error {
	topics := 0
	for i, b := range batches {
		if i == 0 || b.part.topic != batches[i-1].part.topic {
			topics++
		}
	}
	w.int32(int32(topics))
	for i := 0; i < len(batches); {
		topic := batches[i].part.topic
		n := 1
		for i+n < len(batches) && batches[i+n].part.topic == topic {
			n++
		}
		w.string(topic.name)
		w.int32(int32(n))
		for _, b := range batches[i : i+n] {
			if err := encodePartition(w, b, topic.codec); err != nil {
				return err
			}
		}
		i += n
	}
	return nil
}

func encodePartition(w *writer, b *outBatch, codec Compression) error {
	w.int32(b.part.id)
	at := len(w.b)
	w.int32(0)
	body, err := appendBatch(w.b, b.items, codec)
	if err != nil {
		return err
	}
	w.b = body
	size := writer{b: w.b[:at]}
	size.int32(int32(len(w.b) - at - 4))
	return nil
}

func decodeProduce(r *reader, faults map[partitionKey]error) {
	for range r.array() {
		topic := r.string()
		for range r.array() {
			key := partitionKey{topic, r.int32()}
			faults[key] = brokerError(r.int16())
			r.int64() // base offset
			r.int64() // log append time
			r.int64() // log start
			for range r.array() {
				r.int32()
				r.string()
			}
			r.string() // message
		}
	}
	r.int32() // throttle time
}
