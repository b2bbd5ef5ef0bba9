package consumer

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/consumer/watermark"
	"github.com/voxagent/dispatcher/internal/kafka"
)

// fillLimit is how full the window may be for fetching to go on.
const fillLimit = 0.75

// partition is what this process knows of one partition. It outlives the generation while records of it are open.
type partition struct {
	c   *Consumer
	tp  kafka.TopicPartition
	tag uint32 // of the topic's incarnation; zero: unknown

	mu      sync.Mutex
	tracker *watermark.Tracker
	// lease and cursor belong to the generation; lease is nil between two.
	lease  *lease
	cursor *kafka.Cursor
	// expect is the position at which the next batch must begin; any other one was on its way before a move.
	expect int64
	inbox  []kafka.Batch
	lost   int64 // position that the broker refused; -1: none
	paused bool  // not fetching since the window is full
	end    int64 // of the log, as the last fetch saw it
	// acked is the last offset that the coordinator took, ackedVersion the tracker's version then, if it took any.
	acked        int64
	ackedVersion uint64
	fresh        bool // the position itself is worth a commit: nothing is committed yet
	// finished counts the records done, ackedFinished those that a commit which was taken covers.
	finished, ackedFinished int
	plain                   bool // the broker takes no metadata of this size

	arrived chan struct{} // inbox or lost changed; cap 1: a wake-up is never lost
	moved   chan struct{} // the window moved; cap 1
}

func newPartition(c *Consumer, tp kafka.TopicPartition, offset int64, tag uint32) *partition {
	return &partition{
		c: c, tp: tp, tag: tag, tracker: watermark.New(offset, tag), lost: -1, acked: -1, end: -1,
		arrived: make(chan struct{}, 1), moved: make(chan struct{}, 1),
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// begin starts a generation's ownership.
func (p *partition) begin(l *lease) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease, p.inbox, p.lost, p.paused = l, nil, -1, false
	p.expect = p.tracker.Base()
	cursor, err := p.c.fetcher.Add(p.tp, p.expect, p.c.cfg.FetchBytes, p)
	p.cursor = cursor
	return err
}

// stop ends fetching; what was fetched and not handed out is forgotten.
func (p *partition) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cursor != nil {
		p.cursor.Remove()
	}
	p.lease, p.cursor, p.inbox, p.lost = nil, nil, nil, -1
}

// Fetched takes a batch from the fetcher.
func (p *partition) Fetched(b kafka.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cursor == nil {
		return
	}
	if b.From != p.expect {
		p.cursor.SeekTo(p.expect)
		return
	}
	p.expect, p.end = b.Next, b.End
	p.inbox = append(p.inbox, b)
	signal(p.arrived)
}

// OutOfRange takes the fetcher's word that the position is not in the log.
func (p *partition) OutOfRange(position int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cursor == nil {
		return
	}
	if position != p.expect {
		p.cursor.SeekTo(p.expect)
		return
	}
	p.lost = position
	signal(p.arrived)
}

// run hands out the partition's records until ctx ends.
func (p *partition) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.arrived:
		}
		for more := true; more; {
			var alive bool
			if more, alive = p.step(ctx); !alive {
				return
			}
		}
	}
}

// step deals with what arrived first; more says that there may be something else, alive that run goes on.
func (p *partition) step(ctx context.Context) (more, alive bool) {
	b, lost, ok := p.next()
	switch {
	case lost >= 0:
		return true, p.recover(ctx, lost)
	case ok:
		return true, p.handle(ctx, b)
	}
	return false, true
}

// next takes a batch out of the inbox and lets the next one be fetched.
func (p *partition) next() (b kafka.Batch, lost int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inbox) > 0 {
		b = p.inbox[0]
		p.inbox = p.inbox[1:]
		p.resume()
		return b, -1, true
	}
	lost, p.lost = p.lost, -1
	return b, lost, false
}

// resume goes on fetching unless the window is too full. Under p.mu.
func (p *partition) resume() {
	p.paused = p.tracker.Fill() >= fillLimit
	if !p.paused && p.cursor != nil && len(p.inbox) == 0 && p.lost < 0 {
		p.cursor.Resume()
	}
}

// handle hands a batch out, in pieces when the window is smaller; false when ctx ended.
func (p *partition) handle(ctx context.Context, b kafka.Batch) bool {
	p.c.metrics.read(p.tp.Topic, len(b.Records), b.Bytes)
	for at := b.From; at < b.Next; {
		records, reached := p.take(&b, at)
		if len(records) > 0 && !p.offer(ctx, records) {
			return false
		}
		if reached == at {
			select {
			case <-p.moved:
			case <-ctx.Done():
				return false
			}
		}
		at = reached
	}
	if ctx.Err() != nil {
		return false
	}
	if p.c.cfg.Recycle {
		b.Release()
	}
	return true
}

// take opens the records of the batch from offset at on, as far as there is room, and returns how far it came.
func (p *partition) take(b *kafka.Batch, at int64) ([]*Record, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return nil, b.Next // given up meanwhile
	}
	now := time.Now()
	out := make([]*Record, 0, len(b.Records))
	slab, tickets := make([]Record, len(b.Records)), make([]Ticket, len(b.Records))
	for len(b.Records) > 0 {
		rec := &b.Records[0]
		if !p.tracker.Room(at, rec.Offset+1) {
			return out, at
		}
		p.tracker.Skip(at, rec.Offset)
		at = rec.Offset + 1
		if p.tracker.Take(rec.Offset, now) {
			r, t := &slab[len(out)], &tickets[len(out)]
			t.partition, t.lease, t.offset = p, p.lease, rec.Offset
			r.Record, r.Ticket = rec, t
			out = append(out, r)
		}
		b.Records = b.Records[1:]
	}
	if !p.tracker.Room(at, b.Next) {
		return out, at
	}
	p.tracker.Skip(at, b.Next)
	return out, b.Next
}

// offerPause is the time before records that the handler gave back are fetched again.
const offerPause = time.Second

// offer calls the handler; false when ctx ended. What the handler took before that stays open, and is waited for.
func (p *partition) offer(ctx context.Context, records []*Record) bool {
	err := p.c.handler.Handle(ctx, records)
	if err == nil || ctx.Err() != nil {
		return ctx.Err() == nil
	}
	p.c.log.Error("records not taken, offering them again", zap.String("topic", p.tp.Topic),
		zap.Int("partition", p.tp.Partition), zap.Int64("offset", records[0].Offset), zap.Error(err))
	return pause(ctx, offerPause)
}

func (p *partition) done(offset int64) {
	p.mu.Lock()
	base := p.tracker.Base()
	p.tracker.Done(offset)
	p.finished++
	p.changed(p.tracker.Base() != base)
	p.mu.Unlock()
}

// abandon gives a record back. If the partition is owned (it came back while the record was open) the record is
// fetched again.
func (p *partition) abandon(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tracker.Release(offset)
	if p.cursor != nil && !p.lease.over() && offset >= p.tracker.Base() {
		p.expect, p.inbox = p.tracker.Base(), nil
		p.cursor.SeekTo(p.expect)
	}
	p.changed(false)
}

// changed wakes whoever waits for room or for the end of the drain. Under p.mu.
func (p *partition) changed(moved bool) {
	if moved {
		signal(p.moved)
		if p.paused {
			p.resume()
		}
	}
	if p.tracker.Open() == 0 {
		signal(p.c.settled)
	}
}

// recover finds where to go on after the broker refused a position. It answers false when this object is at its end:
// ctx ended, or another one took the partition over.
func (p *partition) recover(ctx context.Context, position int64) bool {
	for {
		next, err := p.c.relocate(ctx, p, position)
		switch {
		case err == nil && next >= 0:
			return p.skipTo(ctx, position, next)
		case err == nil, ctx.Err() != nil:
			return false
		}
		p.c.log.Warn("looking for the log's bounds failed, trying again", zap.String("topic", p.tp.Topic),
			zap.Int("partition", p.tp.Partition), zap.Error(err))
		if !pause(ctx, 200*time.Millisecond) {
			return false
		}
	}
}

// skipTo goes on at next, behind a gap in the log that begins at position.
func (p *partition) skipTo(ctx context.Context, position, next int64) bool {
	for {
		p.mu.Lock()
		room := p.tracker.Room(position, next)
		if room {
			p.tracker.Skip(position, next)
			p.expect = next
			if p.cursor != nil {
				p.cursor.SeekTo(next)
			}
		}
		p.mu.Unlock()
		if room {
			return true
		}
		select {
		case <-p.moved:
		case <-ctx.Done():
			return false
		}
	}
}

// pause waits for d; false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
