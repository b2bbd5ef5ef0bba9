package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// dispatch starts every request that may start now and returns when it must look again at the latest.
func (f *Fetcher) dispatch(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	again := f.wakeWaiting(ctx, wg, now)
	for _, b := range f.brokers {
		if len(b.ready) == 0 || b.long+b.short >= 2 || b.hold {
			continue
		}
		if wait := b.notUnto.Sub(now); wait > 0 {
			again = min(again, wait)
			continue
		}
		parts, anew := f.take(b)
		for _, c := range anew {
			position := c.offset
			wg.Go(func() { c.sink.OutOfRange(position) })
		}
		if len(parts) == 0 {
			continue
		}
		long := b.long+b.short == 0
		if long {
			b.long++
		} else {
			b.short++
		}
		wg.Go(func() { f.request(ctx, b, parts, long) })
	}
	return again
}

// take makes a request of the ready cursors. Those whose topic was made anew are not asked for: what stands at their
// position now is not what follows on what was read.
func (f *Fetcher) take(b *inBroker) (parts []*fetchPart, anew []*Cursor) {
	parts = make([]*fetchPart, 0, len(b.ready))
	for _, c := range b.ready {
		switch {
		case c.removed:
			c.state = resting
		case c.leader != b.id:
			f.place(c)
		case f.madeAnew(c):
			c.state = resting
			anew = append(anew, c)
		default:
			c.state = inFlight
			parts = append(parts, &fetchPart{cursor: c, offset: c.offset, epoch: c.epoch, maxBytes: c.maxBytes << c.grown})
		}
	}
	b.ready = b.ready[:0]
	// The first partition of a request gets its batch whatever its size: the one that starves goes first, and the
	// order among the others is the one in which they came.
	if i := slices.IndexFunc(parts, func(p *fetchPart) bool { return p.cursor.empty > 0 }); i > 0 {
		parts[0], parts[i] = parts[i], parts[0]
	}
	if len(parts) > 1 {
		rank := make(map[string]int)
		for i, p := range parts {
			if _, ok := rank[p.cursor.tp.Topic]; !ok {
				rank[p.cursor.tp.Topic] = i
			}
		}
		slices.SortStableFunc(parts, func(x, y *fetchPart) int {
			return cmp.Compare(rank[x.cursor.tp.Topic], rank[y.cursor.tp.Topic])
		})
	}
	return parts, anew
}

// madeAnew says that there is another topic of the name by now, as far as known.
func (f *Fetcher) madeAnew(c *Cursor) bool {
	info, _ := f.client.route(c.tp.Topic)
	return c.topic != TopicID{} && info.ID != TopicID{} && info.ID != c.topic
}

// request makes one request and hands on what it brought.
func (f *Fetcher) request(ctx context.Context, b *inBroker, parts []*fetchPart, long bool) {
	wait := f.cfg.ShortWait
	if long {
		wait = f.cfg.MaxWait
	}
	f.metrics.fetchRequests.WithLabelValues(f.cfg.Name).Inc()
	asked := time.Now()
	err := f.fetch(ctx, b.id, parts, wait)
	if ctx.Err() != nil {
		return
	}
	sets := make([]recordSet, len(parts))
	bytes := 0
	for i, p := range parts {
		switch {
		case err != nil:
			p.err = err
		case !p.answered:
			p.err = fmt.Errorf("fetch from broker %d: no answer for the partition", b.id)
		case p.err == nil && len(p.data) > 0:
			sets[i], p.err = decodeRecords(p.cursor.tp, p.data, p.offset, p.aborted)
			bytes += len(p.data)
		}
	}
	// Ours first: a sink may resume its cursor at once, which must not find the request still on its way.
	var calls []func()
	f.mu.Lock()
	f.returned(b, long, bytes, asked)
	for i, p := range parts {
		if call := f.settle(p, sets[i], time.Now()); call != nil {
			calls = append(calls, call)
		}
	}
	f.mu.Unlock()
	f.signal()
	for _, call := range calls {
		call()
	}
}

// smallResponse is how much a response must bring for the next request to follow at once.
const smallResponse = 32 << 10

// returned updates the broker's state after a request that was made at asked came back with so many bytes.
func (f *Fetcher) returned(b *inBroker, long bool, bytes int, asked time.Time) {
	if long {
		b.long--
	} else {
		b.short--
	}
	b.hold = !b.hold && !long && bytes == 0 && b.short > 0
	switch {
	case bytes == 0:
		b.notUnto = asked.Add(f.cfg.Pace) // a broker that does not wait as it should is not asked in a circle
	case bytes < smallResponse:
		b.notUnto = time.Now().Add(f.cfg.Pace)
	}
}

// settle moves a cursor on and returns the call to its sink, if any. Under f.mu.
func (f *Fetcher) settle(p *fetchPart, set recordSet, now time.Time) func() {
	c := p.cursor
	c.state = resting
	if c.removed {
		return nil
	}
	if c.epoch != p.epoch {
		f.place(c)
		return nil
	}
	if errors.Is(p.err, kafkago.OffsetOutOfRange) {
		f.metrics.fetchErrors.WithLabelValues(f.cfg.Name, "out_of_range").Inc()
		return func() { c.sink.OutOfRange(p.offset) }
	}
	if p.err != nil && set.next <= p.offset {
		f.failed(c, p.err, now)
		return nil
	}
	c.fails = 0
	if set.next <= p.offset {
		f.stalled(p, now)
		f.place(c)
		return nil
	}
	c.offset = set.next
	c.empty, c.grown = 0, 0
	f.metrics.fetched.WithLabelValues(f.cfg.Name, c.tp.Topic).Add(float64(len(set.records)))
	f.metrics.fetchedBytes.WithLabelValues(f.cfg.Name, c.tp.Topic).Add(float64(set.bytes))
	batch := Batch{
		Records: set.records, From: p.offset, Next: set.next, End: p.stable, LogStart: p.logStart, Bytes: set.bytes,
		arena: p.data, slabs: &f.slabs,
	}
	return func() { c.sink.Fetched(batch) }
}

// stalled deals with a fetch that brought no whole batch: nothing is there, or it did not fit.
func (f *Fetcher) stalled(p *fetchPart, now time.Time) {
	c := p.cursor
	if len(p.data) == 0 && p.offset >= p.stable {
		c.empty = 0
		return
	}
	c.empty++
	if len(p.data) > 0 || c.empty > 3 {
		c.grown = min(c.grown+1, maxGrown)
	}
	if c.empty > 20 {
		f.metrics.fetchErrors.WithLabelValues(f.cfg.Name, "stalled").Inc()
		c.until = now.Add(backoff(c.empty - 20))
		f.warn("stalled", c, fmt.Errorf("nothing comes at offset %d though the partition ends at %d", p.offset, p.stable))
	}
}

// maxGrown lets a source partition's 1 MiB grow to 128 MiB for one giant batch.
const maxGrown = 7

// failed prepares the next try after an error.
func (f *Fetcher) failed(c *Cursor, err error, now time.Time) {
	reason := reasonOf(err)
	if errors.Is(err, errCorrupt) {
		reason = "corrupt"
	}
	f.metrics.fetchErrors.WithLabelValues(f.cfg.Name, reason).Inc()
	f.warn(reason, c, err)
	if staleLeader(err) || reason == "connection" {
		f.stale = now
		c.doubt = errors.Is(err, kafkago.UnknownTopicOrPartition)
	}
	c.until = now.Add(backoff(c.fails))
	c.fails++
	f.place(c)
}

// warn logs a fault, each kind at most every five seconds; a leader that moved is told only when it lasts.
func (f *Fetcher) warn(reason string, c *Cursor, err error) {
	now := time.Now()
	if reason == "no_leader" && c.fails < 5 || now.Sub(f.logged[reason]) < 5*time.Second {
		return
	}
	f.logged[reason] = now
	f.log.Warn("kafka fetch failed, trying again", zap.String("topic", c.tp.Topic), zap.Int("partition", c.tp.Partition),
		zap.Int("tries", c.fails), zap.Error(err))
}

// wakeWaiting places the cursors whose back-off is over, looks at the cluster if some still have no leader, and
// returns when to look again.
func (f *Fetcher) wakeWaiting(ctx context.Context, wg *sync.WaitGroup, now time.Time) time.Duration {
	again := time.Hour
	cursors := f.waiting
	f.waiting = nil
	leaderless := map[string]bool{}
	for _, c := range cursors {
		if wait := c.until.Sub(now); wait > 0 && !c.removed {
			again = min(again, wait)
			f.waiting = append(f.waiting, c)
			continue
		}
		c.until = time.Time{}
		f.place(c)
		if c.state == waiting {
			leaderless[c.tp.Topic] = true
		}
	}
	if len(leaderless) == 0 && f.stale.IsZero() || f.refreshing {
		return again
	}
	if wait := f.refreshAt.Sub(now); wait > 0 {
		return min(again, wait)
	}
	f.refreshing = true
	for _, c := range f.cursors {
		leaderless[c.tp.Topic] = true
	}
	names := make([]string, 0, len(leaderless))
	for name := range leaderless {
		names = append(names, name)
	}
	since := cmp.Or(f.stale, now)
	wg.Go(func() { f.refresh(ctx, names, since) })
	return again
}

// refresh asks the cluster who leads what.
func (f *Fetcher) refresh(ctx context.Context, names []string, since time.Time) {
	err := f.client.refresh(ctx, since, names...)
	f.mu.Lock()
	defer f.signal()
	defer f.mu.Unlock()
	now := time.Now()
	f.refreshing = false
	if err == nil && !f.stale.After(since) {
		f.stale = time.Time{}
	}
	f.moveReady()
	led := true
	for _, c := range f.waiting {
		info, ok := f.client.route(c.tp.Topic)
		led = led && ok && c.tp.Partition < len(info.Leaders) && info.Leaders[c.tp.Partition] >= 0
	}
	if err == nil && led {
		f.refreshErr = 0
		f.refreshAt = now.Add(minRefresh)
		return
	}
	f.refreshAt = now.Add(max(backoff(f.refreshErr), minRefresh))
	f.refreshErr++
}

// moveReady takes cursors away from a broker that no longer leads them, which may be one that does not answer.
func (f *Fetcher) moveReady() {
	for _, b := range f.brokers {
		list := b.ready
		b.ready = nil
		for _, c := range list {
			f.place(c)
		}
	}
}
