package fanout

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// recordOverhead is charged for each open record beside its body: the structures around it, so that a stream of tiny
// events is bounded as well. 64 MiB of budget hold at most 64 Ki empty events.
const recordOverhead = 1 << 10

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
