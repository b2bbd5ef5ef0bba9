package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func seed(partitions int32, topics ...string) []kfake.Opt {
	return []kfake.Opt{kfake.SeedTopics(partitions, topics...)}
}

func TestPartitionerAgreesWithTheJavaClient(t *testing.T) {
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

// TestInflatedBatchIsBounded compresses more zeros than a batch may hold.
func TestInflatedBatchIsBounded(t *testing.T) {
	for _, codec := range []Compression{Gzip, Zstd} {
		var packed bytes.Buffer
		w := compress.Compression(codec).Codec().NewWriter(&packed)
		zeros := make([]byte, 1<<20)
		for range maxInflated/len(zeros) + 1 {
			if _, err := w.Write(zeros); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err := decompress(packed.Bytes(), codec); err == nil {
			t.Errorf("codec %d: %d bytes became %d", codec, packed.Len(), len(b))
		}
	}
}

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	for _, codec := range []Compression{None, Gzip, Snappy, LZ4, Zstd} {
		t.Run(strconv.Itoa(int(codec)), func(t *testing.T) {
			inWorld(t, 1, seed(1, "t"), func(w *world) {
				p := w.producer(ProducerConfig{Compression: map[string]Compression{"t": codec}})
				at := time.UnixMilli(time.Now().UnixMilli()).Add(-time.Minute)
				sent := []OutRecord{
					{Value: []byte("plain")},
					{Key: []byte("k"), Value: bytes.Repeat([]byte("v"), 3000), Time: at},
					{Key: []byte{}, Value: []byte{}},
					{Headers: []Header{{"a", []byte("1")}, {"a", nil}, {"", []byte("x")}}},
				}
				for _, r := range sent {
					r.Topic = "t"
					p.Produce(r)
				}
				r := w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 0, 1<<20)
				r.await(t, func() bool { return len(r.got) == len(sent) })
				for i, got := range r.got {
					want := sent[i]
					if got.Offset != int64(i) || !bytes.Equal(got.Key, want.Key) || (got.Key == nil) != (want.Key == nil) ||
						!bytes.Equal(got.Value, want.Value) || (got.Value == nil) != (want.Value == nil) ||
						len(got.Headers) != len(want.Headers) {
						t.Errorf("record %d: %+v", i, got)
					}
					for j, h := range want.Headers {
						if got.Headers[j].Key != h.Key || !bytes.Equal(got.Headers[j].Value, h.Value) {
							t.Errorf("record %d header %d: %+v", i, j, got.Headers[j])
						}
					}
				}
				if !r.got[1].Time.Equal(at) {
					t.Errorf("time %v, want %v", r.got[1].Time, at)
				}
			})
		})
	}
}

// produceFaults are answers that a producer must survive.
func TestProducerRetriesForEver(t *testing.T) {
	for _, code := range []*kerr.Error{
		kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.NotLeaderForPartition, kerr.RequestTimedOut,
		kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.UnknownServerError, kerr.TopicAuthorizationFailed,
		kerr.CorruptMessage, kerr.KafkaStorageError,
	} {
		t.Run(code.Message, func(t *testing.T) {
			inWorld(t, 1, seed(2, "t"), func(w *world) {
				fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{0}, Err: code, Count: -1})
				p := w.producer(ProducerConfig{})
				var stuck, free acks
				for range 10 {
					p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: 0, Value: []byte("x"), Ack: &stuck})
					p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: 1, Value: []byte("x"), Ack: &free})
				}
				if err := fault.Wait(w.Context(), 5); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // of fake time: no number of tries makes it give up
				synctest.Wait()
				if ok, failed := free.count(); ok != 10 || failed != 0 {
					t.Errorf("the other partition: %d ok, %d failed", ok, failed)
				}
				if ok, failed := stuck.count(); ok != 0 || failed != 0 {
					t.Errorf("the faulty partition: %d ok, %d failed", ok, failed)
				}
				fault.Remove()
				if err := p.Flush(w.Context()); err != nil {
					t.Fatal(err)
				}
				if ok, failed := stuck.count(); ok != 10 || failed != 0 {
					t.Errorf("after the fault: %d ok, %d failed", ok, failed)
				}
			})
		})
	}
}

func TestOneRequestForManyPartitions(t *testing.T) {
	inWorld(t, 1, seed(12, "t", "u"), func(w *world) {
		p := w.producer(ProducerConfig{})
		p.Produce(OutRecord{Topic: "t", Value: []byte("first")})
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		requests := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1,
			When: func(r kmsg.Request) bool { return r.(*kmsg.ProduceRequest).Acks == -1 }})
		defer requests.Remove()
		for i := range 240 {
			p.Produce(OutRecord{Topic: []string{"t", "u"}[i%2], Explicit: true, Partition: i / 2 % 12, Value: []byte("x")})
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		// Topic u was not known yet: its records may come in a request of their own.
		if n := requests.Hits(); n > 3 {
			t.Errorf("%d requests for 24 partitions", n)
		}
	})
}

func TestOrderWithinAPartitionSurvivesFaults(t *testing.T) {
	inWorld(t, 3, seed(3, "t"), func(w *world) {
		var n atomic.Int64
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1,
			When: func(kmsg.Request) bool { return n.Add(1)%3 == 0 }})
		defer fault.Remove()
		p := w.producer(ProducerConfig{})
		const records = 3000
		for i := range records {
			p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: i % 3, Value: fmt.Append(nil, i)})
			if i%100 == 0 {
				time.Sleep(3 * time.Millisecond)
			}
			if i%1000 == 500 {
				w.cluster.ShufflePartitionLeaders()
			}
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		f := w.fetcher(FetcherConfig{})
		for part := range 3 {
			r := w.read(f, TopicPartition{"t", part}, 0, 1<<20)
			r.await(t, func() bool { return len(r.got) == records/3 })
			for i, rec := range r.got {
				if want := strconv.Itoa(3*i + part); string(rec.Value) != want {
					t.Fatalf("partition %d: record %d is %s, want %s", part, i, rec.Value, want)
				}
			}
		}
	})
}

func TestTooLargeRecordEndsAloneAndTheRestGoesOn(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		_, err := w.client.CreateTopics(w.Context(), []TopicSpec{{
			Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"max.message.bytes": "20000"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		p := w.producer(ProducerConfig{})
		var small, large acks
		for i := range 100 {
			p.Produce(OutRecord{Topic: "t", Value: make([]byte, 1000), Ack: &small})
			if i%10 == 5 {
				p.Produce(OutRecord{Topic: "t", Value: make([]byte, 30_000), Ack: &large})
			}
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if ok, failed := small.count(); ok != 100 || failed != 0 {
			t.Errorf("small: %d ok, %d failed", ok, failed)
		}
		if ok, failed := large.count(); ok != 0 || failed != 10 {
			t.Errorf("large: %d ok, %d failed", ok, failed)
		}
		if i := slices.IndexFunc(large.errs, func(err error) bool { return !errors.Is(err, ErrTooLarge) }); i >= 0 {
			t.Errorf("outcome %v", large.errs[i])
		}
	})
}

func TestProducerSurvivesAnOutage(t *testing.T) {
	inWorld(t, 2, seed(4, "t"), func(w *world) {
		p := w.producer(ProducerConfig{})
		var a acks
		p.Produce(OutRecord{Topic: "t", Value: []byte("x"), Ack: &a})
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			p.Produce(OutRecord{Topic: "t", Key: fmt.Append(nil, i), Value: []byte("x"), Ack: &a})
			if i == 50 {
				if err := w.cluster.RemoveNode(1); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
		if _, _, err := w.cluster.AddNode(1, 9093); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("normal after %v", d)
		}
		if ok, failed := a.count(); ok != 101 || failed != 0 {
			t.Errorf("%d ok, %d failed", ok, failed)
		}
	})
}

func TestRecordsForAMissingTopicWaitForIt(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		p := w.producer(ProducerConfig{})
		var a acks
		p.Produce(OutRecord{Topic: "t", Value: []byte("x"), Ack: &a})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if ok, failed := a.count(); ok+failed != 0 {
			t.Fatalf("%d ok, %d failed without a topic", ok, failed)
		}
		if age := p.OldestAge(time.Now()); age < 19*time.Second {
			t.Errorf("oldest age %v", age)
		}
		if _, err := w.client.CreateTopics(w.Context(), []TopicSpec{{Name: "t", Partitions: 3, ReplicationFactor: 1}}); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if ok, failed := a.count(); ok != 1 || failed != 0 {
			t.Errorf("%d ok, %d failed", ok, failed)
		}
	})
}

func TestTopicMadeAnewWithFewerPartitions(t *testing.T) {
	inWorld(t, 1, seed(6, "t"), func(w *world) {
		p := w.producer(ProducerConfig{})
		var a acks
		for i := range 60 {
			p.Produce(OutRecord{Topic: "t", Key: fmt.Append(nil, i), Value: []byte("x"), Ack: &a})
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.client.DeleteTopics(w.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			p.Produce(OutRecord{Topic: "t", Key: fmt.Append(nil, i), Value: []byte("x"), Ack: &a})
		}
		time.Sleep(5 * time.Second)
		if _, err := w.client.CreateTopics(w.Context(), []TopicSpec{{Name: "t", Partitions: 2, ReplicationFactor: 1}}); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if ok, failed := a.count(); ok != 120 || failed != 0 {
			t.Errorf("%d ok, %d failed", ok, failed)
		}
	})
}

func TestFullProducerMakesCallersWait(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
		p := w.producer(ProducerConfig{MaxBytes: 10_000})
		for range 11 {
			p.Produce(OutRecord{Topic: "t", Value: make([]byte, 1000)})
		}
		if !p.Full() {
			t.Fatal("not full")
		}
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		if err := p.ProduceWait(ctx, OutRecord{Topic: "t"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("wait: %v", err)
		}
		fault.Remove()
		if err := p.ProduceWait(w.Context(), OutRecord{Topic: "t", Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if p.Full() || p.bytes != 0 || p.outstanding != 0 {
			t.Errorf("%d bytes, %d records after the flush", p.bytes, p.outstanding)
		}
	})
}

func TestCloseTellsWhatIsLeft(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
		p := NewProducer(w.client, ProducerConfig{}, nil)
		ended := make(chan error, 1)
		go func() { ended <- p.Run(w.Context()) }()
		var a acks
		for range 5 {
			p.Produce(OutRecord{Topic: "t", Value: []byte("x"), Ack: &a})
		}
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); err == nil {
			t.Error("close with records left must fail")
		}
		if err := <-ended; err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		p.Produce(OutRecord{Topic: "t", Value: []byte("x"), Ack: &a})
		if ok, failed := a.count(); ok != 0 || failed != 6 || !errors.Is(a.errs[0], ErrClosed) {
			t.Errorf("%d ok, %d failed", ok, failed)
		}
		if err := p.Wait(w.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("wait after close: %v", err)
		}
	})
}

func TestDeadBrokerDoesNotHoldWhatMoved(t *testing.T) {
	inWorld(t, 2, seed(1, "t"), func(w *world) {
		if err := w.cluster.MoveTopicPartition("t", 0, 1); err != nil {
			t.Fatal(err)
		}
		p := w.producer(ProducerConfig{})
		var a acks
		p.Produce(OutRecord{Topic: "t", Value: []byte("x"), Ack: &a})
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		w.freeze(1)
		p.Produce(OutRecord{Topic: "t", Value: []byte("x"), Ack: &a})
		time.Sleep(time.Second)
		synctest.Wait()
		if ok, _ := a.count(); ok != 1 {
			t.Fatal("the frozen broker answered")
		}
		if err := w.cluster.MoveTopicPartition("t", 0, 0); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := p.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 11*time.Second {
			t.Errorf("written after %v", d)
		}
	})
}
