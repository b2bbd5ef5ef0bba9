package consumer

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/consumer/watermark"
	"github.com/voxagent/dispatcher/internal/kafka"
)

// place finds out where each assigned partition stands, as often as it takes; empty when ctx ended first.
func (c *Consumer) place(ctx context.Context, gen *kafka.Generation) map[kafka.TopicPartition]*partition {
	for try := 0; ; try++ {
		parts, err := c.placeOnce(ctx, gen)
		if err == nil {
			return parts
		}
		if ctx.Err() != nil {
			return nil
		}
		c.log.Warn("reading committed offsets failed, trying again", zap.Int("tries", try+1), zap.Error(err))
		if !pause(ctx, min(50*time.Millisecond<<min(try, 5), time.Second)) {
			return nil
		}
	}
}

func (c *Consumer) placeOnce(ctx context.Context, gen *kafka.Generation) (map[kafka.TopicPartition]*partition, error) {
	marks, err := gen.Committed(ctx)
	if err != nil {
		return nil, err
	}
	parts := make(map[kafka.TopicPartition]*partition, len(marks))
	var first []kafka.TopicPartition
	var anew []kafka.Mark
	for _, m := range marks {
		tag := gen.TopicID(m.Topic).Tag()
		switch {
		case m.Offset >= 0 && otherTopic(tag, watermark.Tag(m.Metadata)):
			first = append(first, m.TopicPartition)
			anew = append(anew, m)
		case m.Offset >= 0:
			parts[m.TopicPartition] = c.restore(m, tag)
		case m.Partition < len(gen.Starts[m.Topic]):
			parts[m.TopicPartition] = c.fresh(m.TopicPartition, gen.Starts[m.Topic][m.Partition], tag)
		default:
			first = append(first, m.TopicPartition)
		}
	}
	offsets, err := c.client.Offsets(ctx, kafka.Earliest, first...)
	if err != nil {
		return nil, err
	}
	for _, tp := range first {
		parts[tp] = c.fresh(tp, offsets[tp], gen.TopicID(tp.Topic).Tag())
	}
	for _, m := range anew {
		if err := c.lose(ctx, m.TopicPartition, m.Offset, -1); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// otherTopic says whether two tags name different incarnations; zero is unknown.
func otherTopic(a, b uint32) bool { return a != 0 && b != 0 && a != b }

// fresh makes a partition without a past. One that this process kept, of a group that never committed, goes on.
func (c *Consumer) fresh(tp kafka.TopicPartition, offset int64, tag uint32) *partition {
	if p := c.keptOf(tp); p != nil && p.tag == tag && p.acked < 0 {
		return p
	}
	p := newPartition(c, tp, offset, tag)
	p.fresh = true
	return p
}

// restore makes a partition from what was committed, or takes the one that this process kept: what it knows to be done
// is true whoever committed since, and what it has open must not be handed out twice. Only a mark below the one that
// we committed last means that somebody set the group back on purpose.
func (c *Consumer) restore(m kafka.Mark, tag uint32) *partition {
	p := c.keptOf(m.TopicPartition)
	if p == nil || p.tag != tag || m.Offset < p.acked {
		p = newPartition(c, m.TopicPartition, m.Offset, tag)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.tracker.Version()
	if !p.tracker.Restore(m.Offset, m.Metadata) {
		c.log.Warn("commit metadata is not ours, only the offset counts", zap.String("topic", m.Topic),
			zap.Int("partition", m.Partition), zap.Int64("offset", m.Offset))
	}
	if p.ackedVersion == was {
		p.ackedVersion = p.tracker.Version()
	}
	p.acked = m.Offset
	return p
}

func (c *Consumer) keptOf(tp kafka.TopicPartition) *partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept[tp]
}

// relocate decides where to go on when the broker refused position. A negative offset without an error means that
// another object took p's place.
func (c *Consumer) relocate(ctx context.Context, p *partition, position int64) (int64, error) {
	info, err := c.client.Metadata(ctx, p.tp.Topic)
	if err != nil {
		return -1, err
	}
	topic := info.Topics[p.tp.Topic]
	if topic.Err != nil {
		return -1, fmt.Errorf("topic %s: %w", p.tp.Topic, topic.Err)
	}
	first, err := c.client.Offsets(ctx, kafka.Earliest, p.tp)
	if err != nil {
		return -1, err
	}
	end, err := c.client.Offsets(ctx, kafka.Latest, p.tp)
	if err != nil {
		return -1, err
	}
	tag := topic.ID.Tag()
	switch start, last := first[p.tp], end[p.tp]; {
	case otherTopic(tag, p.tag), position > last && (tag == 0 || p.tag == 0):
		// Made anew: all that it holds is new.
		if err := c.lose(ctx, p.tp, position, -1); err != nil {
			return -1, err
		}
		c.replace(p, start, tag)
		return -1, nil
	case position > last:
		// The log lost its end (an unclean election). What is left was read; what comes is new.
		c.log.Error("the log ends before what was read of it", zap.String("topic", p.tp.Topic),
			zap.Int("partition", p.tp.Partition), zap.Int64("read", position), zap.Int64("end", last))
		c.replace(p, last, tag)
		return -1, nil
	case position < start:
		return start, c.lose(ctx, p.tp, position, start)
	default:
		return position, nil // in range by now
	}
}

// replace puts a partition object without a past into the place of p.
func (c *Consumer) replace(p *partition, offset int64, tag uint32) {
	p.mu.Lock()
	l := p.lease
	p.mu.Unlock()
	p.stop()
	if l == nil || l.over() {
		return
	}
	next := newPartition(c, p.tp, offset, tag)
	next.fresh = true
	c.mu.Lock()
	c.owned[p.tp] = next
	c.mu.Unlock()
	if err := next.begin(l); err != nil {
		c.log.Error("partition not fetched", zap.Error(err))
	}
}

// lose reports records that were deleted unread: to whoever wants to know, who may fail, then once to log and metrics.
func (c *Consumer) lose(ctx context.Context, tp kafka.TopicPartition, from, to int64) error {
	if err := c.cfg.OnLoss(ctx, tp.Topic, tp.Partition, from, to); err != nil {
		return fmt.Errorf("report lost records of %s-%d from %d on: %w", tp.Topic, tp.Partition, from, err)
	}
	c.metrics.lost.WithLabelValues(tp.Topic).Add(float64(max(to-from, 0)))
	c.metrics.losses.WithLabelValues(tp.Topic).Inc()
	c.log.Error("records were deleted before they were read", zap.String("topic", tp.Topic),
		zap.Int("partition", tp.Partition), zap.Int64("from", from), zap.Int64("to", to))
	return nil
}
