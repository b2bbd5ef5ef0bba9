package compact

import (
	"context"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
)

// item is a decoded record that waits.
type item struct {
	record *Record
	fact   store.Record
	size   int64
}

// weigh is about what an item holds in memory: the record's bytes, what was decoded from them, and itself.
func weigh(r *Record, fact *store.Record) int64 {
	n := int64(len(r.Key)+len(r.Value)) + 512
	if fact.History != nil {
		n += int64(len(r.Value))
	}
	return n
}

// queue holds items between the partitions and the one that folds.
type queue struct {
	max   int64
	ready chan struct{} // size 1: something was added

	mu    sync.Mutex
	items []item
	since time.Time     // when the first of items came
	bytes int64         // of items and of what was taken but not released
	room  chan struct{} // closed when bytes shrinks
}

func newQueue(maxBytes int64) *queue {
	return &queue{max: maxBytes, ready: make(chan struct{}, 1), room: make(chan struct{})}
}

// put waits until there is room for it. An item larger than the whole queue goes in when nothing else is held.
func (q *queue) put(ctx context.Context, it item) error {
	for {
		q.mu.Lock()
		if q.bytes == 0 || q.bytes+it.size <= q.max {
			if len(q.items) == 0 {
				q.since = time.Now()
			}
			q.items = append(q.items, it)
			q.bytes += it.size
			q.mu.Unlock()
			select {
			case q.ready <- struct{}{}:
			default:
			}
			return nil
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take returns the next batch: at most most items, as soon as there are fill of them or the first has waited for linger.
// It returns nil when ctx ended.
func (q *queue) take(ctx context.Context, fill, most int, linger time.Duration) []item {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		if ctx.Err() != nil {
			return nil
		}
		batch, wait := q.due(fill, most, linger)
		if batch != nil {
			return batch
		}
		var alarm <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.ready:
		case <-alarm:
		}
	}
}

// due returns the batch if it is time for it, else how long that will take (0: until something comes).
func (q *queue) due(fill, most int, linger time.Duration) ([]item, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return nil, 0
	}
	if wait := linger - time.Since(q.since); len(q.items) < fill && wait > 0 && q.bytes < q.max/2 {
		return nil, wait
	}
	n := min(len(q.items), most)
	batch := append([]item(nil), q.items[:n]...)
	left := copy(q.items, q.items[n:])
	clear(q.items[left:])
	q.items = q.items[:left]
	return batch, 0
}

// release gives back the room of items that were taken.
func (q *queue) release(items []item) {
	var n int64
	for i := range items {
		n += items[i].size
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= n
	close(q.room)
	q.room = make(chan struct{})
}

// held returns the bytes held.
func (q *queue) held() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// drain takes all that waits.
func (q *queue) drain() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}
