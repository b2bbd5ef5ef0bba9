package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// realClient reaches a real Kafka and makes topics there that are deleted at the end.
func realClient(tb testing.TB, partitions int, topics ...string) (*Client, []string) {
	tb.Helper()
	prefix := testenv.Prefix(tb)
	names := make([]string, len(topics))
	specs := make([]TopicSpec, len(topics))
	for i := range topics {
		names[i] = prefix + "." + topics[i]
		specs[i] = TopicSpec{Name: names[i], Partitions: partitions, ReplicationFactor: 1}
	}
	c, err := New(Config{Brokers: strings.Split(testenv.Kafka(tb), ","), Topics: names}, zaptest.NewLogger(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if _, err := c.CreateTopics(ctx, specs); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.DeleteTopics(context.Background(), names...); err != nil {
			tb.Error(err)
		}
	})
	return c, names
}

func runProducer(tb testing.TB, c *Client, cfg ProducerConfig) *Producer {
	p := NewProducer(c, cfg, nil)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background()) }()
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return p
}

func TestRealBroker(t *testing.T) {
	c, names := realClient(t, 4, "a", "b")
	if existed, err := c.CreateTopics(t.Context(), []TopicSpec{{Name: names[0], Partitions: 4, ReplicationFactor: 1}}); err != nil || len(existed) != 1 {
		t.Fatalf("existed %v, %v", existed, err)
	}
	configs, err := c.TopicConfigs(t.Context(), names, "max.message.bytes")
	if err != nil || configs[names[1]]["max.message.bytes"] == "" {
		t.Fatalf("configs %v, %v", configs, err)
	}
	info, err := c.Metadata(t.Context(), names...)
	if err != nil || info.Topics[names[0]].ID == (TopicID{}) {
		t.Fatalf("metadata %+v, %v", info, err)
	}
	p := runProducer(t, c, ProducerConfig{Compression: map[string]Compression{names[1]: Zstd}})
	var a acks
	for i := range 4000 {
		p.Produce(OutRecord{Topic: names[i%2], Key: fmt.Append(nil, i), Value: make([]byte, 1000),
			Headers: []Header{{"n", fmt.Append(nil, i)}}, Ack: &a})
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ok, failed := a.count(); ok != 4000 || failed != 0 {
		t.Fatalf("%d ok, %d failed", ok, failed)
	}
	readAll(t, c, names, 4, 4000)
}

// readAll reads so many records from all partitions of the topics.
func readAll(tb testing.TB, c *Client, names []string, partitions, want int) {
	tb.Helper()
	f := NewFetcher(c, FetcherConfig{}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	count := &counter{want: want, done: make(chan struct{})}
	for _, name := range names {
		for part := range partitions {
			one := &countingSink{counter: count}
			one.mu.Lock()
			cursor, err := f.Add(TopicPartition{name, part}, 0, 512<<10, one)
			if err != nil {
				tb.Fatal(err)
			}
			one.cursor = cursor
			one.mu.Unlock()
		}
	}
	select {
	case <-count.done:
	case <-time.After(time.Minute):
		tb.Fatalf("%d of %d records", count.n, want)
	}
}

type counter struct {
	mu      sync.Mutex
	n, want int
	done    chan struct{}
}

type countingSink struct {
	*counter
	cursor *Cursor
}

func (s *countingSink) Fetched(b Batch) {
	s.mu.Lock()
	s.n += len(b.Records)
	if s.n == s.want {
		close(s.done)
	}
	cursor := s.cursor
	s.mu.Unlock()
	cursor.Resume()
}

func (s *countingSink) OutOfRange(int64) {}

func TestRealGroup(t *testing.T) {
	c, names := realClient(t, 4, "a", "b")
	cfg := GroupConfig{Group: names[0] + ".g", Topics: names, Start: Latest}
	g, err := NewGroup(c, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = g.Run(ctx, func(gen *Generation) {
		defer cancel()
		if len(gen.Assigned[names[0]]) != 4 || len(gen.Starts) != 2 {
			t.Errorf("assigned %v, starts %v", gen.Assigned, gen.Starts)
		}
		mark := Mark{TopicPartition{names[0], 1}, 0, "kept"}
		if faults, err := gen.Commit(context.Background(), []Mark{mark}); err != nil || len(faults) > 0 {
			t.Errorf("commit: %v %v", faults, err)
		}
		marks, err := g.Committed(context.Background(), mark.TopicPartition, TopicPartition{names[1], 0})
		if err != nil || len(marks) != 2 || marks[0] != mark || marks[1].Offset != -1 {
			t.Errorf("marks %v, %v", marks, err)
		}
		time.Sleep(2 * g.cfg.HeartbeatInterval)
		select {
		case <-gen.Revoked():
			t.Error("revoked within two heartbeats")
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkProduceAndFetch reports this process's CPU for a record, with the broker in another process.
func BenchmarkProduceAndFetch(b *testing.B) {
	for _, size := range []int{1000, 30_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			c, names := realClient(b, 12, "a")
			p := runProducer(b, c, ProducerConfig{})
			value := make([]byte, size)
			records := 100_000_000 / size
			var produced, fetched time.Duration
			total := 0
			for b.Loop() {
				start := cpu()
				for i := range records {
					err := p.ProduceWait(b.Context(), OutRecord{Topic: names[0], Explicit: true, Partition: i % 12, Value: value})
					if err != nil {
						b.Fatal(err)
					}
				}
				if err := p.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				produced += cpu() - start
				total += records
				start = cpu()
				readAll(b, c, names, 12, total)
				fetched += (cpu() - start) * time.Duration(records) / time.Duration(total)
			}
			b.ReportMetric(float64(produced.Microseconds())/float64(total), "cpu-us/produced")
			b.ReportMetric(float64(fetched.Microseconds())/float64(total), "cpu-us/fetched")
		})
	}
}

// BenchmarkTrickle reports the CPU of a record when records come one by one, at the given rate.
func BenchmarkTrickle(b *testing.B) {
	for _, rate := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d-per-second", rate), func(b *testing.B) {
			c, names := realClient(b, 12, "a")
			p := runProducer(b, c, ProducerConfig{})
			value := make([]byte, 1000)
			n := 0
			var used time.Duration
			for b.Loop() {
				start := cpu()
				tick := time.NewTicker(max(time.Second/time.Duration(rate), time.Millisecond))
				for sent := 0; sent < rate*2; {
					<-tick.C
					for range max(1, rate/1000) {
						p.Produce(OutRecord{Topic: names[0], Explicit: true, Partition: sent % 12, Value: value})
						sent++
						n++
					}
				}
				tick.Stop()
				if err := p.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				used += cpu() - start
			}
			b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-us/record")
		})
	}
}
