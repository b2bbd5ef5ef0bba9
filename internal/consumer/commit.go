package consumer

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// commitTimeout bounds one commit: the next tick tries again.
const commitTimeout = 5 * time.Second

// pending is one partition's part of a commit.
type pending struct {
	p        *partition
	version  uint64
	finished int
	mark     kafka.Mark
}

// commit writes what changed since the last commit that succeeded, all partitions in one request. It answers true when
// nothing is left to be committed, or nothing can be any more.
func (c *Consumer) commit(gen *kafka.Generation) bool {
	var todo []pending
	var marks []kafka.Mark
	for _, p := range c.partitions() {
		if one, ok := p.pending(); ok {
			todo = append(todo, one)
			marks = append(marks, one.mark)
		}
	}
	if len(todo) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	faults, err := gen.Commit(ctx, marks)
	if err != nil {
		c.metrics.commitErrors.Inc()
		if errors.Is(err, kafka.ErrFenced) {
			return true
		}
		c.log.Warn("commit failed, trying again", zap.Error(err))
		return false
	}
	c.metrics.commits.Inc()
	ok := true
	for _, one := range todo {
		fault := faults[one.p.tp]
		one.p.committed(one, fault)
		ok = ok && fault == nil
		if fault != nil {
			c.metrics.commitErrors.Inc()
			c.log.Warn("commit of a partition failed, trying again", zap.String("topic", one.p.tp.Topic),
				zap.Int("partition", one.p.tp.Partition), zap.Int64("offset", one.mark.Offset), zap.Error(fault))
		}
	}
	return ok
}

// pending returns what the partition has to commit, if anything.
func (p *partition) pending() (pending, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	version := p.tracker.Version()
	if version == p.ackedVersion && !p.fresh {
		return pending{}, false
	}
	offset, metadata := p.tracker.Committable()
	p.c.metrics.leftOut(p.tracker.LeftOut())
	if p.plain {
		metadata = ""
	}
	return pending{
		p: p, version: version, finished: p.finished,
		mark: kafka.Mark{TopicPartition: p.tp, Offset: offset, Metadata: metadata},
	}, true
}

// committed takes note of a commit's outcome for the partition.
func (p *partition) committed(done pending, fault error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A broker that is set to take less metadata than usual gets none: a commit without it only repeats more.
	p.plain = kafka.MetadataTooLarge(fault)
	if fault == nil {
		p.acked, p.ackedVersion, p.fresh = done.mark.Offset, done.version, false
		p.ackedFinished = done.finished
	}
	if p.paused {
		p.resume() // the metadata may have shrunk
	}
}
