package kafka

import (
	"context"
	"fmt"
	"time"
)

// Position is a place in a partition that is looked up: the first or the next offset, or the first record at or after
// a time.
type Position struct {
	kind int64
}

// The positions. Earliest is the first record that is kept, Latest the offset after the last.
var (
	Earliest = Position{-2}
	Latest   = Position{-1}
)

// At is the first record whose timestamp is t or later; Latest if there is none.
func At(t time.Time) Position { return Position{t.UnixMilli()} }

// String names the position for logs.
func (p Position) String() string {
	switch p {
	case Earliest:
		return "earliest"
	case Latest:
		return "latest"
	}
	return time.UnixMilli(p.kind).UTC().Format(time.RFC3339)
}

// Offsets looks a position up in partitions. It asks each partition's leader, tries again while leaders move, and
// fails when ctx ends, a partition does not exist, or after 30 s.
func (c *Client) Offsets(ctx context.Context, at Position, partitions ...TopicPartition) (map[TopicPartition]int64, error) {
	out := make(map[TopicPartition]int64, len(partitions))
	err := c.retry(ctx, func() error { return c.offsets(ctx, at, partitions, out) })
	if err != nil || at == Earliest || at == Latest {
		return out, err
	}
	var none []TopicPartition
	for tp, offset := range out {
		if offset < 0 {
			none = append(none, tp)
		}
	}
	if len(none) == 0 {
		return out, nil
	}
	return out, c.retry(ctx, func() error { return c.offsets(ctx, Latest, none, out) })
}

func (c *Client) offsets(ctx context.Context, at Position, tps []TopicPartition, out map[TopicPartition]int64) error {
	topics := make(map[string]bool)
	for _, tp := range tps {
		topics[tp.Topic] = true
	}
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	info, err := c.Metadata(ctx, names...)
	if err != nil {
		return err
	}
	leaders := make(map[int32][]TopicPartition)
	for _, tp := range tps {
		t := info.Topics[tp.Topic]
		switch {
		case t.Err != nil:
			return partitionError("list offsets of", tp.Topic, int32(tp.Partition), t.Err)
		case tp.Partition >= len(t.Leaders) || t.Leaders[tp.Partition] < 0:
			return partitionError("list offsets of", tp.Topic, int32(tp.Partition), errNoLeader)
		}
		leader := t.Leaders[tp.Partition]
		leaders[leader] = append(leaders[leader], tp)
	}
	for broker, led := range leaders {
		if err := c.offsetsFrom(ctx, broker, at, led, out); err != nil {
			return err
		}
	}
	return nil
}

// listOffsetsVersion brings the read-committed end of a partition.
const listOffsetsVersion = 4

func (c *Client) offsetsFrom(ctx context.Context, broker int32, at Position, tps []TopicPartition, out map[TopicPartition]int64) error {
	w := newBody(false, 64*len(tps))
	w.int32(-1) // replica: a consumer
	w.int8(readCommitted)
	marks := make([]Mark, len(tps))
	for i, tp := range tps {
		marks[i].TopicPartition = tp
	}
	byTopic(w, marks, func(m Mark) {
		w.int32(int32(m.Partition))
		w.int32(-1) // leader epoch: not checked
		w.int64(at.kind)
	})
	var fault error
	req := &brokerCall{broker: broker, call: *c.newCall(keyListOffsets, listOffsetsVersion, w, func(r *reader) {
		r.int32() // throttle time
		for range r.array() {
			topic := r.string()
			for range r.array() {
				tp := TopicPartition{topic, int(r.int32())}
				if err := brokerError(r.int16()); err != nil {
					fault = partitionError("list offsets of", topic, int32(tp.Partition), err)
				}
				r.int64() // timestamp
				out[tp] = r.int64()
				r.int32() // leader epoch
			}
		}
	})}
	if err := c.do(ctx, req, 0); err != nil {
		return fmt.Errorf("list offsets at broker %d: %w", broker, err)
	}
	return fault
}

// readCommitted hides records of open and of aborted transactions.
const readCommitted = 1
