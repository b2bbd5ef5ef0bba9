package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a cluster on a virtual network with a client, inside a bubble of fake time.
type world struct {
	*testing.T
	cluster *kfake.Cluster
	client  *Client
	network *kfake.VirtualNetwork
	log     *zap.Logger
	frozen  sync.Map // addresses whose packets disappear
}

// dial connects on the virtual network; what is written to a frozen address disappears.
func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if _, ok := w.frozen.Load(addr); ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := w.network.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &freezable{Conn: conn, w: w, addr: addr}, nil
}

// freeze makes a broker silent.
func (w *world) freeze(broker int) { w.frozen.Store(w.cluster.ListenAddrs()[broker], true) }

type freezable struct {
	net.Conn
	w    *world
	addr string
}

func (f *freezable) Write(b []byte) (int, error) {
	if _, ok := f.w.frozen.Load(f.addr); ok {
		return len(b), nil
	}
	return f.Conn.Write(b)
}

// inWorld runs f with a cluster of brokers brokers.
func inWorld(t *testing.T, brokers int, opts []kfake.Opt, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, network: new(kfake.VirtualNetwork), log: zaptest.NewLogger(t)}
		ports := make([]int, brokers)
		for i := range ports {
			ports[i] = 9092 + i
		}
		cluster, err := kfake.NewCluster(append([]kfake.Opt{
			kfake.NumBrokers(brokers), kfake.Ports(ports...), kfake.ListenFn(w.network.Listen),
		}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		w.cluster = cluster
		w.client = w.newClient("t", "u")
		f(w)
	})
}

func (w *world) newClient(topics ...string) *Client {
	w.Helper()
	c, err := New(Config{Brokers: w.cluster.ListenAddrs(), Topics: topics, Dial: w.dial}, w.log)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(c.Close)
	return c
}

// producer starts a producer that is closed at the end of the test.
func (w *world) producer(cfg ProducerConfig) *Producer {
	p := NewProducer(w.client, cfg, nil)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(w.Context()) }()
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx) // a test that expects a clean end closes itself
		if err := <-ended; err != nil && !errors.Is(err, ErrClosed) {
			w.Error(err)
		}
	})
	return p
}

// acks counts outcomes.
type acks struct {
	mu   sync.Mutex
	errs []error
	ok   int
}

func (a *acks) Acked(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.errs = append(a.errs, err)
		return
	}
	a.ok++
}

func (a *acks) count() (ok, failed int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ok, len(a.errs)
}

// write produces n records with values "0" to "n-1" and waits for them.
func (w *world) write(topic string, n int) {
	w.Helper()
	p := w.producer(ProducerConfig{})
	for i := range n {
		p.Produce(OutRecord{Topic: topic, Value: fmt.Append(nil, i)})
	}
	if err := p.Flush(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// reader is a Sink that keeps everything and goes on at once.
type testReader struct {
	cursor *Cursor
	mu     sync.Mutex
	got    []Record
	next   int64
	gone   []int64
	signal chan struct{}
}

func newReader() *testReader { return &testReader{signal: make(chan struct{}, 1)} }

func (r *testReader) Fetched(b Batch) {
	r.mu.Lock()
	r.got = append(r.got, b.Records...)
	r.next = b.Next
	cursor := r.cursor
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default:
	}
	cursor.Resume()
}

func (r *testReader) OutOfRange(position int64) {
	r.mu.Lock()
	r.gone = append(r.gone, position)
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

func (r *testReader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d records, next %d, out of range %v", len(r.got), r.next, r.gone)
}

// await waits until cond, under the lock, is true.
func (r *testReader) await(t testing.TB, cond func() bool) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		r.mu.Lock()
		ok := cond()
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.signal:
		case <-timeout:
			t.Fatalf("after a minute: %s", r)
		}
	}
}

func (w *world) fetcher(cfg FetcherConfig) *Fetcher {
	f := NewFetcher(w.client, cfg, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.Run(ctx)
	}()
	w.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

func (w *world) read(f *Fetcher, tp TopicPartition, offset int64, maxBytes int) *testReader {
	w.Helper()
	r := newReader()
	r.mu.Lock()
	defer r.mu.Unlock()
	cursor, err := f.Add(tp, offset, maxBytes, r)
	if err != nil {
		w.Fatal(err)
	}
	r.cursor = cursor
	return r
}

// cut takes the network away from a client.
func (s *connSet) cut() { s.closeAll() }

// addPartitions raises a topic's number of partitions.
func (w *world) addPartitions(topic string, count int32) {
	w.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.network.DialContext))
	if err != nil {
		w.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrCreatePartitionsRequest()
	one := kmsg.NewCreatePartitionsRequestTopic()
	one.Topic, one.Count = topic, count
	req.Topics = append(req.Topics, one)
	req.TimeoutMillis = 1000
	res, err := req.RequestWith(w.Context(), cl)
	if err != nil {
		w.Fatal(err)
	}
	if err := kerr.ErrorForCode(res.Topics[0].ErrorCode); err != nil {
		w.Fatal(err)
	}
}
