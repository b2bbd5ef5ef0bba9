package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// dispatch starts every request that may start now and returns when it must look again at the latest.
func (p *Producer) dispatch(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	again := p.wakeDelayed(now)
	again = min(again, p.doubt(now))
	again = min(again, p.refreshIfNeeded(ctx, wg, now))
	for _, b := range p.brokers {
		for len(b.ready) > 0 {
			if wait := p.mayStart(b, now); wait > 0 {
				again = min(again, wait)
				break
			}
			batches := p.collect(b, now)
			if len(batches) == 0 {
				continue
			}
			b.inflight++
			one, cancel := context.WithCancel(ctx)
			fl := &flight{broker: b, batches: batches, start: now, cancel: cancel}
			p.flights[fl] = struct{}{}
			again = min(again, patience)
			wg.Go(func() { p.send(one, fl) })
		}
	}
	return again
}

// mayStart returns how long a request to b must wait; until a request ends, for ever.
func (p *Producer) mayStart(b *outBroker, now time.Time) time.Duration {
	switch {
	case b.inflight >= p.cfg.InFlight:
		return time.Hour
	case b.bytes >= eagerBytes && (b.inflight == 0 || b.bytes >= 4*eagerBytes):
		return 0
	case b.inflight > 0:
		return time.Hour // the end of that request starts the next, with all that came meanwhile
	default:
		return p.cfg.Linger - now.Sub(b.since)
	}
}

// wakeDelayed lists the partitions whose back-off is over and returns when the next one's is.
func (p *Producer) wakeDelayed(now time.Time) time.Duration {
	again := time.Hour
	waiting := p.delayed
	p.delayed = nil
	for _, part := range waiting {
		part.listed = false
		if wait := part.until.Sub(now); wait > 0 {
			again = min(again, wait)
		}
		p.enlist(part, now)
	}
	return again
}

// flight is one request on its way.
type flight struct {
	broker  *outBroker
	batches []*outBatch
	start   time.Time
	cancel  context.CancelFunc
}

// patience is how long a broker may take before we ask whether it still leads what we sent it.
const patience = 2 * time.Second

// doubt has the cluster looked at while a request takes long, and returns when to do so next.
func (p *Producer) doubt(now time.Time) time.Duration {
	again := time.Hour
	for fl := range p.flights {
		wait := patience - now.Sub(fl.start)
		if wait <= 0 {
			wait = patience
			if now.Sub(p.refreshed) >= patience {
				p.refreshed = time.Time{}
			}
		}
		again = min(again, wait)
	}
	return again
}

// giveUp ends the requests to brokers that lead nothing of them any more: such a broker cannot acknowledge them, and
// may be silent because it is dead.
func (p *Producer) giveUp() {
	for fl := range p.flights {
		if !slices.ContainsFunc(fl.batches, func(b *outBatch) bool { return b.part.leader == fl.broker.id }) {
			fl.cancel()
		}
	}
}

// send makes one request and deals with each partition's outcome.
func (p *Producer) send(ctx context.Context, fl *flight) {
	defer fl.cancel()
	batches := fl.batches
	err := p.produce(ctx, fl.broker.id, batches)
	p.metrics.produceSeconds.Observe(time.Since(fl.start).Seconds())
	if err != nil {
		for _, batch := range batches {
			batch.err = err
		}
	}
	p.mu.Lock()
	delete(p.flights, fl)
	fl.broker.inflight--
	for _, batch := range batches {
		p.settle(batch, time.Now())
	}
	p.mu.Unlock()
	p.signal()
	for _, batch := range batches {
		p.tell(batch)
	}
}

// settle moves the partition on after its batch had an outcome. Under p.mu.
func (p *Producer) settle(batch *outBatch, now time.Time) {
	part := batch.part
	part.busy = false
	switch {
	case batch.err == nil:
		part.fails = 0
		part.limit *= 2
		if part.limit > 1<<16 {
			part.limit = 0
		}
		batch.whole = part.finish(len(batch.items))
	case tooLarge(batch.err) && len(batch.items) == 1:
		p.metrics.produceErrors.WithLabelValues(part.topic.name, reasonOf(batch.err)).Inc()
		batch.err = ErrTooLarge
		part.finish(1)
	case tooLarge(batch.err):
		part.limit = len(batch.items) / 2
		batch.items = nil
	default:
		p.failed(batch, now)
		batch.items = nil
	}
	if part.isGone() {
		p.relocate(part)
		return
	}
	p.enlist(part, now)
}

// failed prepares the next try of a batch that may succeed later.
func (p *Producer) failed(batch *outBatch, now time.Time) {
	part := batch.part
	if part.fails == 0 {
		part.since = now
	}
	part.until = now.Add(backoff(part.fails))
	part.fails++
	reason := reasonOf(batch.err)
	p.metrics.produceErrors.WithLabelValues(part.topic.name, reason).Inc()
	if staleLeader(batch.err) || reason == "connection" {
		p.refreshed = time.Time{}
	}
	if last := p.logged[reason]; now.Sub(last) > 5*time.Second {
		p.logged[reason] = now
		p.log.Warn("kafka produce failed, trying again", zap.String("topic", part.topic.name),
			zap.Int32("partition", part.id), zap.Int("tries", part.fails), zap.Time("since", part.since),
			zap.Error(batch.err))
	}
}

// tell tells the Ackers of a finished batch and takes it out of the account.
func (p *Producer) tell(batch *outBatch) {
	if len(batch.items) == 0 {
		return
	}
	if batch.err == nil {
		p.metrics.produced.WithLabelValues(batch.part.topic.name).Add(float64(len(batch.items)))
	}
	size := sizeOf(batch.items) // first: once its Acker is told, a record may be changed
	for i := range batch.items {
		batch.items[i].acked(batch.err)
	}
	p.done(len(batch.items), size)
	clear(batch.items)
	if !batch.whole || cap(batch.items) > 1<<14 {
		return
	}
	p.mu.Lock()
	if batch.part.spare == nil {
		batch.part.spare = batch.items[:0]
	}
	p.mu.Unlock()
}

// maxRouteAge is how old the picture of the topics may become: partitions that were added are used by then.
const maxRouteAge = 30 * time.Second

// refreshIfNeeded starts a look at the cluster when something waits for one, and returns when to look again.
func (p *Producer) refreshIfNeeded(ctx context.Context, wg *sync.WaitGroup, now time.Time) time.Duration {
	needed := len(p.orphans) > 0 || now.Sub(p.refreshed) > maxRouteAge && len(p.topics) > 0
	for _, t := range p.topics {
		needed = needed || len(t.unassigned) > 0
	}
	if !needed || p.refreshing {
		return time.Hour
	}
	if wait := p.refreshAt.Sub(now); wait > 0 {
		return wait
	}
	p.refreshing = true
	names := make([]string, 0, len(p.topics))
	for name := range p.topics {
		names = append(names, name)
	}
	wg.Go(func() { p.refresh(ctx, names, now) })
	return time.Hour
}

func (p *Producer) refresh(ctx context.Context, names []string, asked time.Time) {
	err := p.client.refresh(ctx, asked, names...)
	p.mu.Lock()
	defer p.signal()
	defer p.mu.Unlock()
	now := time.Now()
	p.refreshing = false
	p.refreshed = now
	for _, name := range names {
		if info, ok := p.client.route(name); ok {
			p.apply(p.topics[name], info, now)
		}
	}
	p.giveUp()
	waiting := len(p.orphans) > 0
	for _, name := range names {
		waiting = waiting || len(p.topics[name].unassigned) > 0
	}
	if err == nil && !waiting {
		p.refreshErr = 0
		p.refreshAt = now.Add(minRefresh)
		return
	}
	p.refreshAt = now.Add(max(backoff(p.refreshErr), minRefresh))
	p.refreshErr++
	if last := p.logged["metadata"]; p.refreshErr > 3 && now.Sub(last) > 5*time.Second {
		p.logged["metadata"] = now
		p.log.Warn("kafka records wait for a partition leader", zap.Int("partitions", len(p.orphans)), zap.Error(err))
	}
}

// apply takes over what the cluster says about a topic. Under p.mu.
func (p *Producer) apply(t *outTopic, info TopicInfo, now time.Time) {
	if info.Err != nil {
		p.metrics.produceErrors.WithLabelValues(t.name, "unknown_topic").Inc()
	}
	if n := len(info.Leaders); n > 0 && n < len(t.parts) {
		shrunk := t.parts[n:]
		t.parts = t.parts[:n:n]
		t.gone = append(t.gone, shrunk...)
		for _, part := range shrunk {
			p.relocate(part)
		}
	}
	for i, leader := range info.Leaders {
		if i == len(t.parts) {
			t.parts = append(t.parts, &outPart{topic: t, id: int32(i), leader: leader})
		}
		t.parts[i].leader = leader
	}
	p.adopt(now)
	if len(t.parts) == 0 {
		return
	}
	waiting, wanted := t.unassigned, t.wanted
	t.unassigned, t.wanted = nil, nil
	for i := range waiting {
		p.add(t, waiting[i], wanted[i])
	}
}

// adopt lists anew the partitions that waited for a leader, and those that wait for a broker which lost them: it may
// be one that does not answer any more.
func (p *Producer) adopt(now time.Time) {
	moved := p.orphans
	p.orphans = nil
	for _, b := range p.brokers {
		b.ready = slices.DeleteFunc(b.ready, func(part *outPart) bool {
			if part.leader == b.id {
				return false
			}
			b.bytes -= part.queued
			moved = append(moved, part)
			return true
		})
	}
	for _, part := range moved {
		part.listed = false
		p.enlist(part, now)
	}
}

func (part *outPart) isGone() bool {
	return int(part.id) >= len(part.topic.parts) || part.topic.parts[part.id] != part
}

// relocate gives the records of a partition that no longer exists to the ones that do.
func (p *Producer) relocate(part *outPart) {
	if part.busy {
		return // settle comes back to it
	}
	items := append(part.sending, part.queue...)
	part.sending, part.queue, part.queued, part.leader = nil, nil, 0, -1
	part.topic.gone = slices.DeleteFunc(part.topic.gone, func(g *outPart) bool { return g == part })
	for i := range items {
		p.add(part.topic, items[i], OutRecord{})
	}
}
