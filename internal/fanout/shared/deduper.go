package shared

import (
	"context"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
)

// Deduper remembers event ids for a window; it implements fanout.Deduper.
type Deduper struct {
	client *redis.Client
	window time.Duration
}

var _ fanout.Deduper = (*Deduper)(nil)

// NewDeduper returns a Deduper that remembers each id for window, which is above 0.
func NewDeduper(client *redis.Client, window time.Duration) *Deduper { return &Deduper{client, window} }

// FirstSeen implements fanout.Deduper in one round trip. What is remembered is the occurrence that came first, so that
// the same record read again is no duplicate of itself. Any error means "deliver".
func (d *Deduper) FirstSeen(ctx context.Context, events []*fanout.Event) ([]bool, error) {
	claims := make([]redis.Claim, len(events))
	for i, e := range events {
		claims[i] = redis.Claim{Key: "seen:" + e.WorkspaceID + ":" + e.ID, Mark: string(e.Occurrence[:])}
	}
	owners, err := d.client.Claim(ctx, claims, d.window)
	if err != nil {
		return nil, err
	}
	first := make([]bool, len(events))
	for i, owner := range owners {
		// Of another length it is no occurrence, and proves nothing.
		first[i] = owner == claims[i].Mark || len(owner) != len(claims[i].Mark)
	}
	return first, nil
}
