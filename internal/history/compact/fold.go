package compact

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/history/store"
)

// fold brings a batch into the store and settles its tickets. It returns when the database has all of it, or ctx ended.
func (c *Compactor) fold(ctx context.Context, batch []item) {
	for tries := 0; ; tries++ {
		batch = c.stillOurs(batch)
		if len(batch) == 0 {
			return
		}
		err := c.once(ctx, batch)
		switch {
		case err == nil:
			c.done(batch)
			return
		case ctx.Err() != nil:
			abandon(batch)
			return
		case store.Refused(err):
			c.isolate(ctx, batch, err)
			return
		}
		c.metrics.errors.Inc()
		c.log.Warn("history.fold failed, trying again", zap.Int("records", len(batch)), zap.Int("tries", tries+1),
			zap.Error(err))
		if !pause(ctx, tries) {
			abandon(batch)
			return
		}
	}
}

func (c *Compactor) once(ctx context.Context, batch []item) error {
	facts := make([]store.Record, len(batch))
	for i := range batch {
		facts[i] = batch[i].fact
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	begun := time.Now()
	err := c.folder.Fold(ctx, facts)
	if err == nil {
		c.metrics.took.Observe(time.Since(begun).Seconds())
		c.metrics.size.Observe(float64(len(batch)))
	}
	return err
}

// isolate finds the record that the database refuses: by halves, so that the others are folded in a few large batches.
func (c *Compactor) isolate(ctx context.Context, batch []item, err error) {
	if len(batch) == 1 {
		c.skip(batch[0].record, err)
		return
	}
	half := len(batch) / 2
	c.fold(ctx, batch[:half])
	c.fold(ctx, batch[half:])
}

// stillOurs abandons the records of partitions that were lost meanwhile.
func (c *Compactor) stillOurs(batch []item) []item {
	ours := batch[:0:0]
	for _, it := range batch {
		if it.record.Ticket.Abandoned() {
			it.record.Ticket.Abandon()
			continue
		}
		ours = append(ours, it)
	}
	return ours
}

func (c *Compactor) done(batch []item) {
	now := time.Now()
	for i := range batch {
		r := batch[i].record
		c.metrics.lag.Observe(now.Sub(r.Time).Seconds())
		c.metrics.folded.WithLabelValues(kindOf(&batch[i].fact)).Inc()
		r.Ticket.Done()
	}
}

func kindOf(r *store.Record) string {
	if r.History == nil {
		return "payload"
	}
	return string(r.History.RecordType())
}

func abandon(batch []item) {
	for i := range batch {
		batch[i].record.Ticket.Abandon()
	}
}

// The pause between two tries doubles from the first to the longest, give or take a fifth.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// pause waits before the next try; false when ctx ended.
func pause(ctx context.Context, tries int) bool {
	d := longestPause
	if tries < 6 { // 100 ms × 2⁶ > 5 s
		d = min(d, firstPause<<tries)
	}
	d = d*4/5 + rand.N(d*2/5)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
