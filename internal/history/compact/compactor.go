package compact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Config tunes a Compactor. The zero value of each number is good.
type Config struct {
	// PayloadTopic is the topic whose records are bodies; all others hold history records. Empty: there is none.
	PayloadTopic string
	// Fill is how many records make a batch at once; default 300.
	Fill int
	// MaxBatch is the most that one transaction takes; default 2,000.
	MaxBatch int
	// Linger is how long the first record of a smaller batch waits for company; default 50 ms.
	Linger time.Duration
	// MaxBytes bounds what is held in memory; default 32 MiB.
	MaxBytes int64
	// Timeout ends a transaction that the database neither commits nor refuses; default 1 min.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Fill == 0 {
		c.Fill = 300
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = max(2000, c.Fill)
	}
	if c.Linger == 0 {
		c.Linger = 50 * time.Millisecond
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 32 << 20
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return c
}

// Validate joins all complaints.
func (c Config) Validate() error {
	d := c.withDefaults()
	var errs []error
	if d.Fill < 1 || d.MaxBatch < d.Fill {
		errs = append(errs, fmt.Errorf("history batches of %d to %d records: want 1 or more, and the second not smaller", d.Fill, d.MaxBatch))
	}
	if d.Linger < 0 || d.Timeout < 0 {
		errs = append(errs, fmt.Errorf("history linger is %s and timeout %s: must not be negative", d.Linger, d.Timeout))
	}
	if d.MaxBytes < 1 {
		errs = append(errs, fmt.Errorf("history memory is %d bytes, must be positive", d.MaxBytes))
	}
	return errors.Join(errs...)
}

// Compactor folds records into a store.
type Compactor struct {
	cfg     Config
	folder  Folder
	queue   *queue
	metrics *Metrics
	log     *zap.Logger
}

// New returns a compactor; Run must run for Handle to get on.
func New(cfg Config, folder Folder, metrics *Metrics, log *zap.Logger) (*Compactor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Compactor{cfg: cfg, folder: folder, queue: newQueue(cfg.MaxBytes), metrics: metrics, log: log}
	metrics.watch(c.queue)
	return c, nil
}

// Handle takes the records of one partition, in order, and may be called for several partitions at once. It blocks while
// too much is held, and returns an error only when ctx ended: the records not yet taken are then abandoned.
func (c *Compactor) Handle(ctx context.Context, records []*Record) error {
	for i, r := range records {
		fact, err := c.decode(r)
		if err != nil {
			c.skip(r, err)
			continue
		}
		if err := c.queue.put(ctx, item{r, fact, weigh(r, &fact)}); err != nil {
			for _, r := range records[i:] {
				r.Ticket.Abandon()
			}
			return err
		}
	}
	return nil
}

// skip is done with a record that can never be folded.
func (c *Compactor) skip(r *Record, why error) {
	reason := refused
	if p, ok := errors.AsType[*poison](why); ok {
		reason = p.reason
	}
	c.metrics.poison.WithLabelValues(reason).Inc()
	c.log.Error("history.record skipped", zap.String("topic", r.Source.Topic), zap.Int("partition", r.Source.Partition),
		zap.Int64("offset", r.Source.Offset), zap.String("reason", reason), zap.Error(why))
	r.Ticket.Done()
}

// Run folds until ctx ends; what is held then is abandoned, for the partitions' next owners.
func (c *Compactor) Run(ctx context.Context) error {
	for {
		batch := c.queue.take(ctx, c.cfg.Fill, c.cfg.MaxBatch, c.cfg.Linger)
		if batch == nil {
			break
		}
		c.fold(ctx, batch)
		c.queue.release(batch)
	}
	left := c.queue.drain()
	for i := range left {
		left[i].record.Ticket.Abandon()
	}
	c.queue.release(left)
	return nil
}
