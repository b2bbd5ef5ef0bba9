package consumer

import (
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// Health is a snapshot of a consumer.
type Health struct {
	// Joined says that the group is settled and knows this process, which is what readiness needs.
	Joined     bool
	Partitions []PartitionHealth
}

// PartitionHealth is the state of one owned partition.
type PartitionHealth struct {
	kafka.TopicPartition
	// Base is the first unfinished offset, Next the one after the last that was handed out, End that after the last in
	// the log as far as known (-1: not yet).
	Base, Next, End int64
	// Open is the number of records that are handed out and not finished; OldestAge how long the first of them is.
	Open      int
	OldestAge time.Duration
	// Uncommitted is the number of records that were finished since the last commit that was taken: together with what
	// is open, all that a crash at this moment would repeat.
	Uncommitted int
	// Fill is how full the window is, 1 being full; Paused says that fetching rests because of it.
	Fill   float64
	Paused bool
}

// Health returns a snapshot.
func (c *Consumer) Health() Health {
	h := Health{Joined: c.group.Joined()}
	now := time.Now()
	for _, p := range c.partitions() {
		p.mu.Lock()
		s := PartitionHealth{
			TopicPartition: p.tp, Base: p.tracker.Base(), Next: p.tracker.Next(), End: p.end,
			Open: p.tracker.Open(), Fill: p.tracker.Fill(), Uncommitted: p.finished - p.ackedFinished,
		}
		s.Paused = s.Fill >= fillLimit
		if oldest, ok := p.tracker.Oldest(); ok {
			s.OldestAge = now.Sub(oldest)
		}
		p.mu.Unlock()
		h.Partitions = append(h.Partitions, s)
	}
	return h
}
