package fanout

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// recordOverhead is charged for each open record beside its bodies: the records of history that are on their way for it,
// and the structures around it. In the heap of a busy dispatcher these are 4 to 5 KiB, for a small event far more than
// the event itself. 64 MiB of budget hold at most 16 Ki empty events.
const recordOverhead = 4 << 10

// cost is what an open record is charged: value is what Kafka gave and body what is made of it, both of which it holds.
func cost(value, body []byte) int64 { return int64(len(value)+len(body)) + recordOverhead }

// Budget bounds the bytes of open records, in the order of asking. Exhaustion has one effect only: intakes take no more
// records (invariant bounded).
type Budget struct {
	sem  *semaphore.Weighted
	size int64
}

// NewBudget returns a budget of size bytes.
func NewBudget(size int64) (*Budget, error) {
	if size < recordOverhead {
		return nil, fmt.Errorf("byte budget of %d: want at least %d", size, recordOverhead)
	}
	return &Budget{sem: semaphore.NewWeighted(size), size: size}, nil
}

// Acquire waits until n bytes are free and returns what it took: n, or the whole budget where n is more, so that a
// record larger than the budget still passes, alone.
func (b *Budget) Acquire(ctx context.Context, n int64) (int64, error) {
	n = min(n, b.size)
	if err := b.sem.Acquire(ctx, n); err != nil {
		return 0, err
	}
	return n, nil
}

// Release gives n bytes back, as Acquire returned them.
func (b *Budget) Release(n int64) { b.sem.Release(n) }
