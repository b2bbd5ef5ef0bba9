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

// commitResult is what a commit came to.
type commitResult uint8

const (
	commitDone    commitResult = iota // nothing is left to be committed, or nothing can be any more
	commitRefused                     // the coordinator did not take all of it
	commitAway                        // there was no coordinator to take it
)

// commit writes what changed since the last commit that succeeded, all partitions in one request.
func (c *Consumer) commit(gen *kafka.Generation) commitResult {
	var todo []pending
	var marks []kafka.Mark
	for _, p := range c.partitions() {
		if one, ok := p.pending(); ok {
			todo = append(todo, one)
			marks = append(marks, one.mark)
		}
	}
	if len(todo) == 0 {
		return commitDone
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	faults, err := gen.Commit(ctx, marks)
	if err != nil {
		c.metrics.commitErrors.Inc()
		if errors.Is(err, kafka.ErrFenced) {
			return commitDone
		}
		c.complain("commit failed, trying again", zap.Error(err))
		return commitAway
	}
	c.metrics.commits.Inc()
	result := commitDone
	for _, one := range todo {
		fault := faults[one.p.tp]
		one.p.committed(one, fault)
		if fault == nil {
			continue
		}
		result = max(result, commitRefused)
		if kafka.NoCoordinator(fault) {
			result = commitAway
		}
		c.metrics.commitErrors.Inc()
		c.complain("commit of partitions failed, trying again", zap.Int("partitions", len(faults)),
			zap.String("topic", one.p.tp.Topic), zap.Int("partition", one.p.tp.Partition),
			zap.Int64("offset", one.mark.Offset), zap.Error(fault))
	}
	return result
}

// complainPause is the time between two lines about commits: during an outage there would be one for each partition at
// each interval.
const complainPause = 5 * time.Second

// complain logs unless it did so a moment ago. Only Run's goroutine commits.
func (c *Consumer) complain(what string, fields ...zap.Field) {
	if now := time.Now(); now.Sub(c.complained) >= complainPause {
		c.complained = now
		c.log.Warn(what, fields...)
	}
}

// awayTimeout is how long the last commit of a generation waits for a coordinator. While there is none nobody can join
// either, so nothing is delayed but an end of the process. The successor of one that died is up after about 10 s: 9 s
// until the cluster misses it, and the time to load the group.
const awayTimeout = 12 * time.Second

// lastCommit commits what is finished. It goes on trying while the coordinator is away: what it does not take, the
// partitions' next owners repeat.
func (c *Consumer) lastCommit(gen *kafka.Generation) {
	deadline := time.NewTimer(awayTimeout)
	defer deadline.Stop()
	for refused := 0; refused < 3; {
		switch c.commit(gen) {
		case commitDone:
			return
		case commitRefused:
			refused++
		case commitAway:
			select {
			case <-time.After(c.cfg.CommitInterval):
			case <-deadline.C:
				return
			}
		}
	}
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
