package schedule

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// counter is Work that does nothing but count.
type counter struct{ wg sync.WaitGroup }

func (c *counter) Attempt(context.Context, *fanout.Delivery) fanout.Result {
	c.wg.Done()
	return answered
}
func (c *counter) Park(*fanout.Delivery, event.Cause, time.Time) { c.wg.Done() }
func (c *counter) Drop(*fanout.Delivery)                         { c.wg.Done() }

// BenchmarkDelivery is what the scheduler costs for each delivery from Offer to the end of its attempt, which itself
// does nothing: with one intake and with one on each core.
func BenchmarkDelivery(b *testing.B) {
	deliveries := make([]*fanout.Delivery, 10_000)
	for i := range deliveries {
		deliveries[i] = delivery(ref(i%500, i%1000))
	}
	setUp := func(b *testing.B) (*Scheduler, *counter) {
		work := &counter{}
		s, err := New(Config{}, work)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = s.Run(ctx) })
		b.Cleanup(func() { cancel(); run.Wait() })
		return s, work
	}
	b.Run("one", func(b *testing.B) {
		s, work := setUp(b)
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			work.wg.Add(1)
			s.Offer(deliveries[n%len(deliveries)])
			n++
		}
		work.wg.Wait()
	})
	b.Run("parallel", func(b *testing.B) {
		s, work := setUp(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				work.wg.Add(1)
				s.Offer(deliveries[n%len(deliveries)])
				n++
			}
		})
		work.wg.Wait()
	})
}

// BenchmarkCore is the part of that under the lock.
func BenchmarkCore(b *testing.B) {
	c := testCore(Config{})
	deliveries := make([]*fanout.Delivery, 10_000)
	for i := range deliveries {
		deliveries[i] = delivery(ref(i%500, i%1000))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		now := int64(n) * 1000
		c.offer(deliveries[n%len(deliveries)], now)
		c.finish(c.next(now), &answered, 0, now)
		n++
	}
}

// BenchmarkBacklog is the same with a thousand busy webhooks: what a start costs while all slots are taken.
func BenchmarkBacklog(b *testing.B) {
	c := testCore(Config{MaxInFlight: 8})
	for i := range 1000 {
		prove(c, ref(i%500, i), 1)
		for range 50 {
			c.offer(delivery(ref(i%500, i)), 1)
		}
	}
	var runs []*waiting
	runs = append(runs, c.startAll(1)...)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		w := runs[n%len(runs)]
		d := w.d
		c.finish(w, &answered, 0, 2)
		c.offer(d, 2)
		runs[n%len(runs)] = c.next(2)
		n++
	}
}
