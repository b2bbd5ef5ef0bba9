package store

import (
	"context"
	"errors"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Errors of the queries.
var (
	// ErrNotFound: no such thing in this workspace. What belongs to another workspace is not told apart from what does
	// not exist.
	ErrNotFound = errors.New("not found")
	// ErrCursor: the cursor is damaged or belongs to another list.
	ErrCursor = errors.New("bad cursor")
	// ErrQuery: a value is out of bounds (a limit, a step); the error's text says which.
	ErrQuery = errors.New("bad query")
)

// Reader is what history answers. Each call sees one state of the store. An error is ErrNotFound, ErrCursor or ErrQuery,
// wrapped, or a fault of the database. *Store implements it.
type Reader interface {
	Attempts(ctx context.Context, q AttemptQuery) (List[Attempt], error)
	Attempt(ctx context.Context, workspaceID, attemptID string) (*AttemptDetail, error)
	Deliveries(ctx context.Context, q DeliveryQuery) (List[Delivery], error)
	Delivery(ctx context.Context, workspaceID, deliveryID string) (*DeliveryDetail, error)
	Events(ctx context.Context, q EventQuery) (List[Event], error)
	Event(ctx context.Context, workspaceID, eventID string) (*EventDetail, error)
	// Payload returns the body of an occurrence; ErrNotFound when the workspace has no such occurrence.
	Payload(ctx context.Context, workspaceID string, occurrence event.Occurrence) (Payload, error)
	// Stats returns buckets in the order of webhook and time.
	Stats(ctx context.Context, q StatsQuery) ([]Bucket, error)
	// Health returns how each of asked fares, in their order; zero for those that had no attempt.
	Health(ctx context.Context, asked []Asked) ([]Health, error)
	// Failing returns webhooks of all workspaces whose last attempt failed, in the order in which history learnt of them,
	// beginning after the given one; at most limit. It reads nothing of those that are well, or that came before.
	Failing(ctx context.Context, after Touched, limit int) ([]Touched, error)
	// Missed returns the next part of what a recovery would send.
	Missed(ctx context.Context, q RecoveryQuery) ([]Missed, error)
	// CountMissed returns how many there are in all, and their payloads' sum in bytes; After and Limit do not matter.
	CountMissed(ctx context.Context, q RecoveryQuery) (n int, bytes int64, err error)
}
