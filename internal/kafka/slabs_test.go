package kafka

import (
	"bytes"
	"testing"
	"time"
)

func TestSlabsAreOfTheRightSize(t *testing.T) {
	var s slabs
	for _, n := range []int{1, 32 << 10, 32<<10 + 1, 64 << 10, 64<<10 + 1, 1 << 20, 8 << 20, 8<<20 + 1} {
		b := s.get(n)
		if len(b) != n || cap(b) > 2*max(n, 32<<10) {
			t.Errorf("%d bytes of %d for %d", len(b), cap(b), n)
		}
		s.put(b[:n/2])
		if again := s.get(n); len(again) != n {
			t.Errorf("%d bytes for %d the second time", len(again), n)
		}
	}
	s.put(make([]byte, 100<<10)) // not one of ours
	if b := s.get(70 << 10); cap(b) != 128<<10 {
		t.Errorf("a slab of %d bytes", cap(b))
	}
}

// TestReleasedBatchIsReadInto: what was released is filled with other records, what was not stays as it was.
func TestReleasedBatchIsReadInto(t *testing.T) {
	inWorld(t, 1, seed(1, "t"), func(w *world) {
		p := w.producer(ProducerConfig{})
		value := func(i byte) []byte { return bytes.Repeat([]byte{i}, 80<<10) }
		write := func(i byte) { p.Produce(OutRecord{Topic: "t", Value: value(i)}) }
		sink := &batches{got: make(chan Batch, 10)}
		c, err := w.fetcher(FetcherConfig{}).Add(TopicPartition{"t", 0}, 0, 100<<10, sink)
		if err != nil {
			t.Fatal(err)
		}
		var kept []Batch
		for i := range byte(20) {
			write(i)
			b := <-sink.got
			if len(b.Records) != 1 || !bytes.Equal(b.Records[0].Value, value(i)) {
				t.Fatalf("batch %d: %d records", i, len(b.Records))
			}
			if i%2 == 0 {
				b.Release()
			} else {
				kept = append(kept, b)
			}
			c.Resume()
		}
		time.Sleep(time.Second)
		for i, b := range kept {
			if !bytes.Equal(b.Records[0].Value, value(byte(2*i+1))) {
				t.Errorf("batch %d was read into though it was not released", 2*i+1)
			}
		}
	})
}

// batches is a sink that hands on each batch.
type batches struct{ got chan Batch }

func (s *batches) Fetched(b Batch)  { s.got <- b }
func (s *batches) OutOfRange(int64) {}
