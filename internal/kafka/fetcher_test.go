package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transact writes one transaction for each of ends (true: committed) to t/0, of the given number of records.
func (w *world) transact(records int, ends ...bool) {
	w.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.network.DialContext),
		kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.Fatal(err)
	}
	defer cl.Close()
	for i, commit := range ends {
		if err := cl.BeginTransaction(); err != nil {
			w.Fatal(err)
		}
		for j := range records {
			rec := kgo.StringRecord(fmt.Sprintf("%d/%d/%v", i, j, commit))
			if err := cl.ProduceSync(w.Context(), rec).FirstErr(); err != nil {
				w.Fatal(err)
			}
		}
		if err := cl.EndTransaction(w.Context(), kgo.TransactionEndTry(commit)); err != nil {
			w.Fatal(err)
		}
	}
}

func TestTransactionsAreReadCommittedAndControlRecordsPassed(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		w.transact(3, true, false, true, false)
		r := w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 0, 1<<20)
		// 12 records and 4 control records, the last of them an abort's.
		r.await(t, func() bool { return r.next == 16 })
		if len(r.got) != 6 {
			t.Fatalf("%d records", len(r.got))
		}
		for _, rec := range r.got {
			if !bytes.HasSuffix(rec.Value, []byte("true")) {
				t.Errorf("offset %d: %s", rec.Offset, rec.Value)
			}
		}
	})
}

func TestTrailingControlBatchDoesNotSpin(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		w.transact(1, true)
		r := w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 0, 1<<20)
		r.await(t, func() bool { return r.next == 2 })
		requests := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
		time.Sleep(time.Minute)
		if n := requests.Hits(); n > 61 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

// TestBrokerThatDoesNotWaitIsNotAskedInACircle: brokers answer a long poll early for reasons of their own.
func TestBrokerThatDoesNotWaitIsNotAskedInACircle(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		var asked atomic.Int32
		w.cluster.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			asked.Add(1)
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			topic, partition := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
			topic.Topic, topic.Partitions = "t", append(topic.Partitions, partition)
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
		w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 0, 1<<20)
		time.Sleep(time.Second)
		if n := asked.Load(); n < 100 || n > 501 {
			t.Errorf("%d requests in a second", n)
		}
	})
}

func TestPositionOutOfRangeIsTheOwnersDecision(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		w.write("t", 5)
		r := w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 99, 1<<20)
		r.await(t, func() bool { return len(r.gone) == 1 && r.gone[0] == 99 })
		time.Sleep(10 * time.Second)
		if len(r.gone) != 1 {
			t.Errorf("told %d times", len(r.gone))
		}
		r.cursor.SeekTo(2)
		r.await(t, func() bool { return len(r.got) == 3 })
	})
}

func TestRecordLargerThanTheLimitIsDelivered(t *testing.T) {
	inWorld(t, 1, seed(3, "t"), func(w *world) {
		p := w.producer(ProducerConfig{})
		for part := range 3 {
			p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: part, Value: make([]byte, 200_000)})
			p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: part, Value: []byte("after")})
		}
		f := w.fetcher(FetcherConfig{MaxBytes: 1000})
		for part := range 3 {
			r := w.read(f, TopicPartition{"t", part}, 0, 1000)
			r.await(t, func() bool { return len(r.got) == 2 })
		}
	})
}

func TestAddedAndResumedPartitionsDoNotWaitForTheLongPoll(t *testing.T) {
	inWorld(t, 1, seed(8, "t"), func(w *world) {
		w.write("t", 200)
		f := w.fetcher(FetcherConfig{MaxWait: 30 * time.Second})
		first := w.read(f, TopicPartition{"t", 0}, 0, 1<<20)
		first.await(t, func() bool { return first.next > 0 })
		time.Sleep(3 * time.Second) // a long poll is being held
		for part := 1; part < 8; part++ {
			start := time.Now()
			r := w.read(f, TopicPartition{"t", part}, 0, 1<<20)
			r.await(t, func() bool { return r.next > 0 })
			if d := time.Since(start); d > 60*time.Millisecond {
				t.Errorf("partition %d came after %v", part, d)
			}
			time.Sleep(time.Second)
		}
		// And what is written comes at once, in whichever request its partition is.
		p := w.producer(ProducerConfig{})
		for part := range 8 {
			start := time.Now()
			f.mu.Lock()
			r := f.cursors[TopicPartition{"t", part}].sink.(*testReader)
			f.mu.Unlock()
			r.mu.Lock()
			n := len(r.got)
			r.mu.Unlock()
			p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: part, Value: []byte("x")})
			r.await(t, func() bool { return len(r.got) > n })
			if d := time.Since(start); d > 60*time.Millisecond {
				t.Errorf("partition %d: record came after %v", part, d)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestIdlePartitionsMergeIntoOneRequest(t *testing.T) {
	inWorld(t, 1, seed(30, "t", "u"), func(w *world) {
		f := w.fetcher(FetcherConfig{})
		for part := range 30 {
			w.read(f, TopicPartition{"t", part}, 0, 1<<20)
			time.Sleep(300 * time.Millisecond)
			w.read(f, TopicPartition{"u", part}, 0, 1<<20)
		}
		time.Sleep(5 * time.Second)
		requests := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
		time.Sleep(time.Minute)
		if n := requests.Hits(); n > 61 {
			t.Errorf("%d requests in a minute for 60 idle partitions", n)
		}
		if n := w.client.Connections(); n > 6 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestLeaderMovesAreFollowed(t *testing.T) {
	inWorld(t, 3, seed(4, "t"), func(w *world) {
		p := w.producer(ProducerConfig{})
		f := w.fetcher(FetcherConfig{})
		readers := make([]*testReader, 4)
		for part := range readers {
			readers[part] = w.read(f, TopicPartition{"t", part}, 0, 1<<20)
		}
		for round := 1; round <= 10; round++ {
			for part := range readers {
				p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: part, Value: []byte("x")})
			}
			w.cluster.ShufflePartitionLeaders()
			if err := p.Flush(w.Context()); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for _, r := range readers {
				r.await(t, func() bool { return len(r.got) == round })
			}
			if d := time.Since(start); d > 1100*time.Millisecond {
				t.Errorf("round %d: %v", round, d)
			}
		}
	})
}

func TestFaultsOfOnePartitionLeaveTheOthersAlone(t *testing.T) {
	inWorld(t, 1, seed(2, "t"), func(w *world) {
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Partitions: []int32{0}, Count: -1,
			Err: kerr.UnknownTopicOrPartition})
		f := w.fetcher(FetcherConfig{})
		bad := w.read(f, TopicPartition{"t", 0}, 0, 1<<20)
		good := w.read(f, TopicPartition{"t", 1}, 0, 1<<20)
		p := w.producer(ProducerConfig{})
		for part := range 2 {
			p.Produce(OutRecord{Topic: "t", Explicit: true, Partition: part, Value: []byte("x")})
		}
		good.await(t, func() bool { return len(good.got) == 1 })
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := fault.Hits(); n > 200 {
			t.Errorf("%d tries in a minute", n)
		}
		fault.Remove()
		start := time.Now()
		bad.await(t, func() bool { return len(bad.got) == 1 })
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("back after %v", d)
		}
	})
}

func TestTopicMadeAnewIsNotReadAtTheOldPosition(t *testing.T) {
	for name, gap := range map[string]time.Duration{"soon": 100 * time.Millisecond, "later": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, seed(1, "t"), func(w *world) {
				w.write("t", 10)
				r := w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 0, 1<<20)
				r.await(t, func() bool { return len(r.got) == 10 })
				before, err := w.client.Metadata(w.Context(), "t")
				if err != nil {
					t.Fatal(err)
				}
				if err := w.client.DeleteTopics(w.Context(), "t"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(gap)
				if _, err := w.client.CreateTopics(w.Context(), []TopicSpec{{Name: "t", Partitions: 1, ReplicationFactor: 1}}); err != nil {
					t.Fatal(err)
				}
				after, err := w.client.Metadata(w.Context(), "t")
				if err != nil {
					t.Fatal(err)
				}
				if a, b := before.Topics["t"].ID, after.Topics["t"].ID; a == b || a.Tag() == b.Tag() || a == (TopicID{}) {
					t.Errorf("ids %x and %x", a, b)
				}
				w.write("t", 20) // the old position lies inside the new log
				r.await(t, func() bool { return len(r.gone) == 1 })
				if len(r.got) != 10 {
					t.Errorf("%d records read, of which %d of the new topic from the old position on", len(r.got), len(r.got)-10)
				}
			})
		})
	}
}

func TestSilentBrokerIsLeftWithinSeconds(t *testing.T) {
	inWorld(t, 2, seed(1, "t"), func(w *world) {
		if err := w.cluster.MoveTopicPartition("t", 0, 1); err != nil {
			t.Fatal(err)
		}
		w.write("t", 1)
		r := w.read(w.fetcher(FetcherConfig{}), TopicPartition{"t", 0}, 0, 1<<20)
		r.await(t, func() bool { return len(r.got) == 1 })
		w.freeze(1)
		if err := w.cluster.MoveTopicPartition("t", 0, 0); err != nil {
			t.Fatal(err)
		}
		p := w.producer(ProducerConfig{})
		p.Produce(OutRecord{Topic: "t", Value: []byte("x")})
		start := time.Now()
		r.await(t, func() bool { return len(r.got) == 2 })
		if d := time.Since(start); d > 8*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestRemovedPartitionIsNotFetched(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		f := w.fetcher(FetcherConfig{})
		tp := TopicPartition{"t", 0}
		r := w.read(f, tp, 0, 1<<20)
		if _, err := f.Add(tp, 0, 1, r); err == nil {
			t.Error("a partition can be added twice")
		}
		r.cursor.Remove()
		time.Sleep(3 * time.Second)
		requests := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
		w.write("t", 1)
		time.Sleep(10 * time.Second)
		if n := requests.Hits(); n != 0 || len(r.got) != 0 {
			t.Errorf("%d requests, %d records", n, len(r.got))
		}
		again := w.read(f, tp, 0, 1<<20)
		again.await(t, func() bool { return len(again.got) == 1 })
	})
}

func FuzzDecodeRecords(f *testing.F) {
	items := []item{{key: []byte("k"), value: []byte("v"), time: 1}, {headers: []Header{{"h", nil}}, time: 5}}
	for _, codec := range []Compression{None, Gzip, Zstd} {
		b, err := appendBatch(nil, items, codec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, fix bool) {
		if fix && len(data) > batchHeader {
			fixChecksum(data)
		}
		set, err := decodeRecords(TopicPartition{"t", 0}, data, 0, []abortedTxn{{-1, 0}})
		if err == nil && set.next < 0 {
			t.Fatalf("next %d", set.next)
		}
		for _, r := range set.records {
			_ = r.Size()
		}
	})
}

func fixChecksum(b []byte) {
	binary.BigEndian.PutUint32(b[batchLengthAt:], uint32(len(b)-batchLengthAt-4))
	b[batchMagicAt] = 2
	binary.BigEndian.PutUint32(b[batchCRCAt:], crc32.Checksum(b[batchAttributesAt:], castagnoli))
}
