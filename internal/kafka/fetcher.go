package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// FetcherConfig tunes a Fetcher; the zero value is a good one.
type FetcherConfig struct {
	// Name labels the metrics; usually the group.
	Name string
	// MaxWait is how long a broker may hold a request that finds nothing; default 1 s.
	MaxWait time.Duration
	// ShortWait is how long a second request may be held while a first one is; default 25 ms. See Fetcher.
	ShortWait time.Duration
	// Grace is how much later than its wait a response may come; default 5 s.
	Grace time.Duration
	// Pace is the pause between two requests while each brings little; default 2 ms. It bounds the requests per second
	// when records come one by one.
	Pace time.Duration
	// MaxBytes bounds a response, compressed; default 16 MiB.
	MaxBytes int
}

func (c FetcherConfig) withDefaults() FetcherConfig {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&c.MaxWait, time.Second)
	set(&c.ShortWait, 25*time.Millisecond)
	set(&c.Grace, 5*time.Second)
	set(&c.Pace, 2*time.Millisecond)
	if c.MaxBytes <= 0 {
		c.MaxBytes = 16 << 20
	}
	return c
}

// Batch is what one fetch brought for one partition.
type Batch struct {
	// Records in offset order; empty when only the position moved (control records, aborted transactions).
	Records []Record
	// From and Next are the positions before and after: every offset between that is not among Records holds no
	// record for us.
	From, Next int64
	// End is the offset after the last record that could be read at that moment; LogStart the first that is kept.
	End, LogStart int64
	// Bytes is what the batch holds in memory.
	Bytes int

	arena []byte // what uncompressed records share
	slabs *slabs
}

// Release gives the records' memory back, to be read into again. It may be called once, when nobody will look at their
// keys, values and headers any more; without it the memory goes to the collector when that is so.
func (b *Batch) Release() {
	if b.slabs != nil {
		b.slabs.put(b.arena)
		b.slabs = nil
	}
}

// Sink takes what is fetched for one partition. Its methods are called one at a time, from goroutines of the fetcher,
// and must not block for long; after Fetched or OutOfRange the partition rests until Resume or SeekTo. A call that was
// on its way may still come after Remove or SeekTo.
type Sink interface {
	Fetched(Batch)
	// OutOfRange says that the partition does not hold the position, for whatever reason, such as a topic that was made
	// anew; the owner decides and seeks.
	OutOfRange(position int64)
}

// Fetcher reads many partitions with one long poll for each broker, over all partitions that it leads and that have
// room. Records of transactions are read committed.
//
// While a poll is held by the broker, partitions that get room, or are added, go into a second request with a short
// wait, at once; cancelling the first would leave its connection busy until the broker answers, and open another. The
// second is repeated until the first returns; when both come back empty their partitions are merged into one long poll
// again. So there are at most two requests a broker, a partition is never without one for longer than a round trip
// and ShortWait, and idle partitions cost one request each MaxWait.
type Fetcher struct {
	client  *Client
	cfg     FetcherConfig
	log     *zap.Logger
	metrics *Metrics
	wake    chan struct{}
	slabs   slabs // that partitions are read into

	mu         sync.Mutex
	cursors    map[TopicPartition]*Cursor
	brokers    map[int32]*inBroker
	waiting    []*Cursor // for their back-off, then for a leader
	refreshing bool
	refreshAt  time.Time
	refreshErr int
	stale      time.Time // routes fetched before are not good enough
	logged     map[string]time.Time
}

// inBroker is the state of the requests to one broker.
type inBroker struct {
	id      int32
	ready   []*Cursor // have room and are in no request; first come, first in the request
	long    int       // long requests on their way: 0 or 1
	short   int       // short ones
	hold    bool      // an empty short request waits for the other to be merged
	notUnto time.Time // pace
}

// Cursor is the fetcher's place in one partition.
type Cursor struct {
	f        *Fetcher
	tp       TopicPartition
	sink     Sink
	maxBytes int

	// Guarded by f.mu.
	topic   TopicID // what is read: another topic of the same name holds nothing of it; zero: not known
	offset  int64
	epoch   int // raised by SeekTo and Remove: what was asked before does not count
	state   cursorState
	leader  int32
	grown   int // the partition's bytes are doubled so often: a batch is larger than maxBytes
	empty   int // fetches in a row that brought nothing though there is something
	fails   int
	until   time.Time
	doubt   bool // the broker did not know the topic: not before a new look at the cluster, since it may be made anew
	removed bool
}

type cursorState uint8

const (
	resting cursorState = iota // until Resume or SeekTo
	waiting                    // for a leader, or for its back-off
	ready
	inFlight
)

// NewFetcher makes a fetcher; Run drives it. metrics may be nil.
func NewFetcher(client *Client, cfg FetcherConfig, metrics *Metrics) *Fetcher {
	return &Fetcher{
		client: client, cfg: cfg.withDefaults(), log: client.log, metrics: metrics.orNone(),
		wake: make(chan struct{}, 1), cursors: make(map[TopicPartition]*Cursor), brokers: make(map[int32]*inBroker),
		logged: make(map[string]time.Time),
	}
}

// Add begins to fetch a partition at offset, at most maxBytes (compressed) at once; a single larger batch still comes.
// It is an error to add a partition twice.
func (f *Fetcher) Add(tp TopicPartition, offset int64, maxBytes int, sink Sink) (*Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cursors[tp] != nil {
		return nil, fmt.Errorf("fetch %s/%d: already added", tp.Topic, tp.Partition)
	}
	c := &Cursor{f: f, tp: tp, sink: sink, maxBytes: maxBytes, offset: offset, leader: -1}
	f.cursors[tp] = c
	f.place(c)
	f.signal()
	return c, nil
}

// Resume goes on fetching after a batch was taken.
func (c *Cursor) Resume() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.state == resting && !c.removed {
		c.f.place(c)
		c.f.signal()
	}
}

// SeekTo goes on fetching at another offset. What was asked for before is dropped.
func (c *Cursor) SeekTo(offset int64) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.removed {
		return
	}
	c.offset, c.topic = offset, TopicID{}
	c.epoch++
	if c.state == resting {
		c.f.place(c)
	}
	c.f.signal()
}

// Remove stops fetching the partition.
func (c *Cursor) Remove() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.removed {
		return
	}
	c.removed = true
	c.epoch++
	delete(c.f.cursors, c.tp)
}

// place puts a cursor that wants to be fetched where it belongs.
func (f *Fetcher) place(c *Cursor) {
	if c.removed {
		c.state = resting
		return
	}
	f.lead(c)
	if c.leader < 0 || !c.until.IsZero() {
		c.state = waiting
		f.waiting = append(f.waiting, c)
		return
	}
	b := f.brokers[c.leader]
	if b == nil {
		b = &inBroker{id: c.leader}
		f.brokers[c.leader] = b
	}
	c.state = ready
	b.ready = append(b.ready, c)
}

// lead looks up who leads the cursor's partition: -1 for nobody, as far as known. During a back-off it stays what it was.
func (f *Fetcher) lead(c *Cursor) {
	info, ok := f.client.route(c.tp.Topic)
	c.doubt = c.doubt && !f.stale.IsZero()
	switch {
	case c.doubt:
		c.leader = -1
	case !ok || !c.until.IsZero():
	case c.tp.Partition >= len(info.Leaders):
		c.leader = -1
	default:
		c.leader = info.Leaders[c.tp.Partition]
		if c.topic == (TopicID{}) {
			c.topic = info.ID
		}
	}
}

func (f *Fetcher) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run fetches until ctx ends and returns after its goroutines ended.
func (f *Fetcher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(f.dispatch(ctx, &wg))
		select {
		case <-f.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}
