package consumer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// Consumer is one membership in a group. New makes it, Run runs it, once.
type Consumer struct {
	cfg     Config
	client  *kafka.Client
	handler Handler
	log     *zap.Logger
	metrics *metrics
	group   *kafka.Group
	fetcher *kafka.Fetcher
	settled chan struct{} // a partition has nothing open any more; cap 1
	// complained is when a failed commit was logged last; it belongs to the goroutine of Run.
	complained time.Time

	mu    sync.Mutex
	owned map[kafka.TopicPartition]*partition
	// kept are the partitions of the last generation that may come back: see the package comment.
	kept map[kafka.TopicPartition]*partition
}

// New validates the configuration and allocates.
func New(cfg Config, client *kafka.Client, handler Handler, log *zap.Logger) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("consumer %s: %w", cfg.Group, err)
	}
	cfg = cfg.withDefaults()
	if log == nil {
		log = zap.NewNop()
	}
	group, err := kafka.NewGroup(client, cfg.group(), cfg.Kafka)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", cfg.Group, err)
	}
	c := &Consumer{
		cfg: cfg, client: client, handler: handler, log: log.With(zap.String("group", cfg.Group)), group: group,
		fetcher: kafka.NewFetcher(client, kafka.FetcherConfig{
			Name: cfg.Group, MaxWait: cfg.FetchWait, Pace: cfg.FetchPace,
		}, cfg.Kafka),
		settled: make(chan struct{}, 1),
		owned:   make(map[kafka.TopicPartition]*partition), kept: make(map[kafka.TopicPartition]*partition),
	}
	c.metrics = newMetrics(c)
	return c, nil
}

// Run consumes until ctx ends; then it drains, commits, leaves the group and returns. It survives every fault of the
// cluster.
func (c *Consumer) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.fetcher.Run(background) })
	err := c.group.Run(ctx, func(gen *kafka.Generation) { c.own(ctx, gen) })
	cancel()
	wg.Wait()
	return err
}

// own owns the partitions of one generation from its beginning to its last commit. It runs until then whether or not
// ctx ends: the generation's Revoked follows ctx.
func (c *Consumer) own(ctx context.Context, gen *kafka.Generation) {
	stopping := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	c.metrics.rebalances.Inc()
	l := &lease{generation: gen.ID, expired: gen.Expired}
	var wg sync.WaitGroup
	wg.Go(func() {
		<-gen.Revoked()
		l.gone.Store(true)
		cancel()
	})
	c.begin(ctx, gen, l, &wg)
	c.commitUntil(gen, gen.Revoked())

	// Revoked: nothing new is handed out from here on.
	<-ctx.Done()
	c.stop()
	if r, ok := c.handler.(Revoker); ok {
		r.Revoked()
	}
	handlers := make(chan struct{})
	go func() {
		wg.Wait()
		close(handlers)
	}()
	c.commitUntil(gen, handlers)
	c.stop() // also what took another's place meanwhile
	c.drain(stopping, gen)
	c.end()
}

func (c *Consumer) stop() {
	for _, p := range c.partitions() {
		p.stop()
	}
}

// begin finds out where each partition stands and starts to hand out its records.
func (c *Consumer) begin(ctx context.Context, gen *kafka.Generation, l *lease, wg *sync.WaitGroup) {
	parts := c.place(ctx, gen)
	if parts == nil {
		return // revoked before; what is kept may still come back
	}
	c.mu.Lock()
	c.owned = parts
	c.kept = make(map[kafka.TopicPartition]*partition)
	c.mu.Unlock()
	for _, p := range c.partitions() {
		if err := p.begin(l); err != nil {
			// Only a partition that was not removed could be there: a fault of ours, which must not stay silent.
			c.log.Error("partition not fetched", zap.Error(err))
		}
		wg.Go(func() { c.run(ctx, p) })
	}
}

// run runs a partition and whatever takes its place.
func (c *Consumer) run(ctx context.Context, p *partition) {
	for p != nil {
		p.run(ctx)
		c.mu.Lock()
		next := c.owned[p.tp]
		c.mu.Unlock()
		if next == p || ctx.Err() != nil {
			return
		}
		p = next
	}
}

// commitUntil commits at each interval until the channel is closed.
func (c *Consumer) commitUntil(gen *kafka.Generation, until <-chan struct{}) {
	tick := time.NewTicker(c.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-until:
			return
		case <-tick.C:
			c.commit(gen)
		}
	}
}

// drain waits until nothing is open, committing meanwhile, then commits once more. Only the coordinator's own word that
// others have the partitions ends it early: their owners begin with what was committed by then. At the end of the process
// what is open must end all the same, committed or not.
func (c *Consumer) drain(stopping context.Context, gen *kafka.Generation) {
	deadline := time.NewTimer(c.cfg.DrainTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(c.cfg.CommitInterval)
	defer tick.Stop()
	for c.open() > 0 && (!gen.Forgotten() || stopping.Err() != nil) {
		select {
		case <-c.settled:
			continue
		case <-tick.C:
			c.commit(gen)
			continue
		case <-deadline.C:
			c.log.Warn("records still open at the end of the drain", zap.Int("records", c.open()))
		}
		break
	}
	c.lastCommit(gen)
}

// open is the number of records of owned partitions that are taken and not finished.
func (c *Consumer) open() int {
	n := 0
	for _, p := range c.partitions() {
		p.mu.Lock()
		n += p.tracker.Open()
		p.mu.Unlock()
	}
	return n
}

// end keeps the partitions that have something to say if they come back.
func (c *Consumer) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tp, p := range c.owned {
		p.mu.Lock()
		if p.tracker.Open() > 0 || p.tracker.Version() != p.ackedVersion {
			c.kept[tp] = p
		}
		p.mu.Unlock()
	}
	c.owned = make(map[kafka.TopicPartition]*partition)
}

// partitions returns those that are owned, in order.
func (c *Consumer) partitions() []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*partition, 0, len(c.owned))
	for _, p := range c.owned {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *partition) int {
		if a.tp.Topic != b.tp.Topic {
			return slices.Compare([]string{a.tp.Topic}, []string{b.tp.Topic})
		}
		return a.tp.Partition - b.tp.Partition
	})
	return out
}
