package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// ProducerConfig tunes a Producer; the zero value is a good one.
type ProducerConfig struct {
	// MaxBytes is the bound beyond which Full answers true and Wait and ProduceWait wait; default 64 MiB.
	MaxBytes int64
	// MaxBatchBytes is the largest batch for one partition; default 900,000, which fits into the broker's default
	// max.message.bytes. A larger record travels in a batch of its own.
	MaxBatchBytes int
	// MaxRequestBytes is about the largest request; default 1 MiB.
	MaxRequestBytes int
	// Linger is how long a small batch waits for company while nothing is on its way to the broker; default 2 ms.
	Linger time.Duration
	// InFlight is the number of requests on their way to one broker, never two for one partition; default 3.
	InFlight int
	// Compression by topic; absent: none.
	Compression map[string]Compression
}

func (c ProducerConfig) withDefaults() ProducerConfig {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxBatchBytes <= 0 {
		c.MaxBatchBytes = 900_000
	}
	if c.MaxRequestBytes <= 0 {
		c.MaxRequestBytes = 1 << 20
	}
	if c.Linger <= 0 {
		c.Linger = 2 * time.Millisecond
	}
	if c.InFlight <= 0 {
		c.InFlight = 3
	}
	return c
}

// Producer writes records with acks=all and retries for ever. Records for all partitions that a broker leads travel
// in one request. The order of records in a partition is kept.
//
// A record's Acker is told from a goroutine of the producer (after Close: from Produce itself), without locks held, so
// that it may call Produce. It gets nil, or ErrTooLarge when the record alone exceeds what the topic takes, or
// ErrClosed when the producer ended before the outcome was known; the record may then have been written.
type Producer struct {
	client  *Client
	cfg     ProducerConfig
	log     *zap.Logger
	metrics *Metrics
	slabs   slabs // of request bodies
	wake    chan struct{}
	idle    chan struct{}
	stop    chan struct{}

	mu          sync.Mutex
	topics      map[string]*outTopic
	brokers     map[int32]*outBroker
	delayed     []*outPart // wait for their back-off
	orphans     []*outPart // wait for a leader
	flights     map[*flight]struct{}
	bytes       int64
	outstanding int
	roomy       chan struct{} // closed when bytes fall below the bound; nil: nobody waits
	closing     bool
	closed      bool
	running     bool
	refreshing  bool
	refreshErr  int       // failed refreshes in a row
	refreshAt   time.Time // not before
	refreshed   time.Time
	logged      map[string]time.Time
}

// NewProducer makes a producer; Run drives it. metrics may be nil.
func NewProducer(client *Client, cfg ProducerConfig, metrics *Metrics) *Producer {
	p := &Producer{
		client: client, cfg: cfg.withDefaults(), log: client.log, metrics: metrics.orNone(),
		wake: make(chan struct{}, 1), idle: make(chan struct{}, 1), stop: make(chan struct{}),
		topics: make(map[string]*outTopic), brokers: make(map[int32]*outBroker),
		flights: make(map[*flight]struct{}), logged: make(map[string]time.Time),
	}
	p.metrics.watchProducer(p)
	return p
}

// Produce hands a record over. It never blocks: the bound is kept by those who ask Full or Wait before they take in
// more work. After Close the record is refused through its Acker.
func (p *Producer) Produce(rec OutRecord) {
	it := item{key: rec.Key, value: rec.Value, headers: rec.Headers, ack: rec.Ack, time: rec.Time.UnixMilli()}
	if rec.Time.IsZero() {
		it.time = time.Now().UnixMilli()
	}
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		it.acked(ErrClosed)
		return
	}
	p.outstanding++
	p.bytes += int64(it.size())
	signal := p.add(p.topic(rec.Topic), it, rec)
	p.mu.Unlock()
	if signal {
		p.signal()
	}
}

// ProduceWait waits until there is room, then hands the record over. An error means that it was not handed over, and
// its Acker will not be told.
func (p *Producer) ProduceWait(ctx context.Context, rec OutRecord) error {
	if err := p.Wait(ctx); err != nil {
		return err
	}
	p.Produce(rec)
	return nil
}

// Full says whether the records held exceed MaxBytes: no more work should be taken in.
func (p *Producer) Full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes >= p.cfg.MaxBytes
}

// Wait returns once the producer is not full; an error only when ctx ends or the producer is closed.
func (p *Producer) Wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		switch {
		case p.closing:
			p.mu.Unlock()
			return ErrClosed
		case p.bytes < p.cfg.MaxBytes:
			p.mu.Unlock()
			return nil
		case p.roomy == nil:
			p.roomy = make(chan struct{})
		}
		roomy := p.roomy
		p.mu.Unlock()
		select {
		case <-roomy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Flush waits until every record that was handed over before has its outcome.
func (p *Producer) Flush(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		left, closed := p.outstanding, p.closed
		p.mu.Unlock()
		if left == 0 {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-p.idle:
		case <-tick.C: // several may wait for idle
		case <-ctx.Done():
			return fmt.Errorf("flush: %d records left: %w", left, ctx.Err())
		}
	}
}

// Close takes no more records, waits until all have their outcome or ctx ends, then ends Run. What is left is told
// ErrClosed and makes the result an error.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	first := !p.closing
	p.closing = true
	p.roomyLocked(true)
	p.mu.Unlock()
	if !first {
		return nil
	}
	err := p.Flush(ctx)
	close(p.stop)
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	if !running {
		p.fail()
	}
	return err
}

// Run sends what was handed over until Close or until ctx ends; then everything that is left is told ErrClosed.
func (p *Producer) Run(ctx context.Context) error {
	p.mu.Lock()
	p.running = true
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(p.dispatch(ctx, &wg))
		select {
		case <-p.wake:
			continue
		case <-timer.C:
			continue
		case <-p.stop:
		case <-ctx.Done():
		}
		break
	}
	cancel()
	wg.Wait()
	p.fail() // Close counted what is left
	return nil
}

// fail tells ErrClosed to everything that is left.
func (p *Producer) fail() {
	p.mu.Lock()
	p.closing, p.closed, p.running = true, true, false
	p.roomyLocked(true)
	var left []item
	for _, t := range p.topics {
		left = append(left, t.unassigned...)
		t.unassigned = nil
		for _, part := range t.all() {
			left = append(append(left, part.sending...), part.queue...)
			part.sending, part.queue = nil, nil
		}
	}
	p.mu.Unlock()
	size := sizeOf(left)
	for i := range left {
		left[i].acked(ErrClosed)
	}
	p.done(len(left), size)
}

func (it *item) acked(err error) {
	if it.ack != nil {
		it.ack.Acked(err)
	}
}

func sizeOf(items []item) int {
	size := 0
	for i := range items {
		size += items[i].size()
	}
	return size
}

// done takes n finished items out of the account; their Ackers were told before.
func (p *Producer) done(n, size int) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	p.outstanding -= n
	p.bytes -= int64(size)
	p.roomyLocked(p.bytes < p.cfg.MaxBytes)
	idle := p.outstanding == 0
	p.mu.Unlock()
	if idle {
		select {
		case p.idle <- struct{}{}:
		default:
		}
	}
}

func (p *Producer) roomyLocked(open bool) {
	if open && p.roomy != nil {
		close(p.roomy)
		p.roomy = nil
	}
}

func (p *Producer) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// tooLarge says whether the broker refused the batch for its size.
func tooLarge(err error) bool {
	return errors.Is(err, kafkago.MessageSizeTooLarge) || errors.Is(err, kafkago.RecordListTooLarge)
}

// backoff is the pause before the n-th retry: 20 ms doubled to 1 s, of which the upper half is random.
func backoff(n int) time.Duration {
	d := min(20*time.Millisecond<<min(n, 10), time.Second)
	return d/2 + rand.N(d/2)
}
