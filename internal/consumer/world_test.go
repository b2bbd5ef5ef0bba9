package consumer

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/voxagent/dispatcher/internal/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a cluster on a virtual network, inside a bubble of fake time, with topic t of four partitions.
type world struct {
	*testing.T
	cluster *kfake.Cluster
	network *kfake.VirtualNetwork
	log     *zap.Logger
	client  *kafka.Client
	written int
}

func inWorld(t *testing.T, brokers int, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, network: new(kfake.VirtualNetwork), log: zaptest.NewLogger(t)}
		ports := make([]int, brokers)
		for i := range ports {
			ports[i] = 9092 + i
		}
		cluster, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.Ports(ports...),
			kfake.ListenFn(w.network.Listen), kfake.SeedTopics(4, "t"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		w.cluster = cluster
		w.client = w.newClient()
		f(w)
	})
}

func (w *world) newClient() *kafka.Client {
	w.Helper()
	c, err := kafka.New(kafka.Config{
		Brokers: w.cluster.ListenAddrs(), Topics: []string{"t"}, Dial: w.network.DialContext,
	}, w.log)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(c.Close)
	return c
}

// write appends n records, whose values count on, round robin over the partitions.
func (w *world) write(n int) {
	w.Helper()
	p := kafka.NewProducer(w.client, kafka.ProducerConfig{}, nil)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(w.Context()) }()
	for range n {
		p.Produce(kafka.OutRecord{
			Topic: "t", Explicit: true, Partition: w.written % 4, Value: strconv.AppendInt(nil, int64(w.written), 10),
		})
		w.written++
	}
	if err := p.Close(w.Context()); err != nil {
		w.Fatal(err)
	}
	if err := <-ended; err != nil {
		w.Error(err)
	}
}

// hands is a handler that keeps what it took. finish decides what becomes of a record; nil: done at once. gate, if
// set, is asked before records are taken.
type hands struct {
	finish func(r *Record)
	gate   func(ctx context.Context, records []*Record) error

	mu      sync.Mutex
	seen    map[string]int
	open    []*Record
	revoked int
	signal  chan struct{}
}

func newHands() *hands { return &hands{seen: map[string]int{}, signal: make(chan struct{}, 1)} }

func (h *hands) Handle(ctx context.Context, records []*Record) error {
	if h.gate != nil {
		if err := h.gate(ctx, records); err != nil {
			for _, r := range records {
				r.Abandon()
			}
			return err
		}
	}
	h.mu.Lock()
	for _, r := range records {
		h.seen[string(r.Value)]++
		if h.finish != nil {
			h.open = append(h.open, r)
		}
	}
	h.mu.Unlock()
	for _, r := range records {
		if h.finish == nil {
			r.Done()
		} else {
			h.finish(r)
		}
	}
	signal(h.signal)
	return nil
}

func (h *hands) Revoked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revoked++
}

// finishAll finishes everything that was ever taken.
func (h *hands) finishAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.open {
		r.Done()
	}
}

func (h *hands) total() (distinct, all int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.seen {
		all += n
	}
	return len(h.seen), all
}

// await waits until so many different records were seen.
func (h *hands) await(t testing.TB, distinct int) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		n, all := h.total()
		if n >= distinct {
			return
		}
		select {
		case <-h.signal:
		case <-timeout:
			t.Fatalf("%d records (%d with repetitions), want %d", n, all, distinct)
		}
	}
}

// running is a consumer that runs.
type running struct {
	*Consumer
	t      testing.TB
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
}

// start starts a consumer with a client of its own.
func (w *world) start(cfg Config, h Handler) *running {
	w.Helper()
	cfg.Group = "g"
	cfg.Topics = []string{"t"}
	if cfg.Start == (kafka.Position{}) {
		cfg.Start = kafka.Earliest
	}
	return w.startOn(w.newClient(), cfg, h)
}

func (w *world) startOn(client *kafka.Client, cfg Config, h Handler) *running {
	w.Helper()
	c, err := New(cfg, client, h, w.log)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Consumer: c, t: w, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- c.Run(ctx) }()
	w.Cleanup(r.stop)
	return r
}

// stop ends the consumer in order.
func (r *running) stop() {
	r.once.Do(func() {
		r.cancel()
		if err := <-r.ended; err != nil {
			r.t.Error(err)
		}
	})
}

// kill takes the network away, as a kill -9 does, and then lets the goroutines end.
func (r *running) kill() {
	r.client.Close()
	r.stop()
}

// await waits until cond is true.
func (r *running) await(what string, cond func(Health) bool) {
	r.t.Helper()
	for range 12_000 {
		if cond(r.Health()) {
			return
		}
		time.Sleep(10 * time.Millisecond) // of fake time
	}
	r.t.Fatalf("after two minutes not %s: %+v", what, r.Health())
}

// joined waits until the group is settled with so many partitions here.
func (r *running) joined(partitions int) {
	r.t.Helper()
	r.await("joined", func(h Health) bool { return h.Joined && len(h.Partitions) == partitions })
}

// committed returns the group's offsets by partition.
func (w *world) committed() []int64 {
	w.Helper()
	g, err := kafka.NewGroup(w.client, kafka.GroupConfig{Group: "g", Topics: []string{"t"}, Start: kafka.Latest}, nil)
	if err != nil {
		w.Fatal(err)
	}
	tps := make([]kafka.TopicPartition, 4)
	for i := range tps {
		tps[i] = kafka.TopicPartition{Topic: "t", Partition: i}
	}
	marks, err := g.Committed(w.Context(), tps...)
	if err != nil {
		w.Fatal(err)
	}
	out := make([]int64, len(tps))
	for _, m := range marks {
		out[m.Partition] = m.Offset
	}
	return out
}

func (w *world) expectCommitted(want ...int64) {
	w.Helper()
	if got := w.committed(); !slices.Equal(got, want) {
		w.Errorf("committed %v, want %v", got, want)
	}
}

// expectOnce checks that exactly n different records were handed out, each once.
func (w *world) expectOnce(n int, hands ...*hands) {
	w.Helper()
	all := map[string]int{}
	for _, h := range hands {
		h.mu.Lock()
		for v, times := range h.seen {
			all[v] += times
		}
		h.mu.Unlock()
	}
	if len(all) != n {
		w.Errorf("%d different records, want %d", len(all), n)
	}
	for _, v := range slices.Sorted(maps.Keys(all)) {
		if all[v] != 1 {
			w.Errorf("record %s was handed out %d times", v, all[v])
		}
	}
}

func (h *hands) revocations() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.revoked
}

// forgetMember makes the coordinator answer the next heartbeat as if it had never heard of the member.
func (w *world) forgetMember() {
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true})
}

// admin makes a request of another client.
func (w *world) admin(f func(cl *kgo.Client) error) {
	w.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.network.DialContext),
		kgo.MaxVersions(kversion.V3_0_0())) // the last that names topics in commits
	if err != nil {
		w.Fatal(err)
	}
	defer cl.Close()
	if err := f(cl); err != nil {
		w.Fatal(err)
	}
}

// addPartitions raises t's number of partitions.
func (w *world) addPartitions(count int32) {
	w.Helper()
	w.admin(func(cl *kgo.Client) error {
		req := kmsg.NewPtrCreatePartitionsRequest()
		one := kmsg.NewCreatePartitionsRequestTopic()
		one.Topic, one.Count = "t", count
		req.Topics, req.TimeoutMillis = append(req.Topics, one), 1000
		res, err := req.RequestWith(w.Context(), cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
}

// deleteRecords deletes the records of a partition below offset.
func (w *world) deleteRecords(partition int32, offset int64) {
	w.Helper()
	w.admin(func(cl *kgo.Client) error {
		req := kmsg.NewPtrDeleteRecordsRequest()
		one := kmsg.NewDeleteRecordsRequestTopic()
		part := kmsg.NewDeleteRecordsRequestTopicPartition()
		part.Partition, part.Offset = partition, offset
		one.Topic, one.Partitions = "t", append(one.Partitions, part)
		req.Topics, req.TimeoutMillis = append(req.Topics, one), 1000
		res, err := req.RequestWith(w.Context(), cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	})
}

// commitAs sets the group, which has no members, to offset with metadata of another kind.
func (w *world) commitAs(metadata string, offset int64) {
	w.Helper()
	w.admin(func(cl *kgo.Client) error {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = "g", -1
		one := kmsg.NewOffsetCommitRequestTopic()
		one.Topic = "t"
		for p := range int32(4) {
			part := kmsg.NewOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.Metadata = p, offset, new(metadata)
			one.Partitions = append(one.Partitions, part)
		}
		req.Topics = append(req.Topics, one)
		res, err := req.RequestWith(w.Context(), cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	})
}
