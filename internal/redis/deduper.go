package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// Deduper remembers event ids for a window; it implements fanout.Deduper.
type Deduper struct {
	client *Client
	window time.Duration
}

// NewDeduper returns a Deduper that remembers each id for window, which is above 0.
func NewDeduper(client *Client, window time.Duration) *Deduper { return &Deduper{client, window} }

// FirstSeen implements fanout.Deduper in one round trip. A key's value is the occurrence that came first, so that the
// same record read again is no duplicate of itself. Any error means "deliver".
func (d *Deduper) FirstSeen(ctx context.Context, events []*fanout.Event) ([]bool, error) {
	first := make([]bool, len(events))
	err := d.client.call(ctx, "remember events", func(ctx context.Context) error {
		cmds, err := d.client.rdb.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, e := range events {
				p.SetArgs(ctx, d.client.prefix+"seen:"+e.WorkspaceID+":"+e.ID, e.Occurrence[:],
					goredis.SetArgs{Mode: "NX", Get: true, TTL: d.window})
			}
			return nil
		})
		if len(cmds) != len(events) {
			return errors.Join(err, fmt.Errorf("%d answers for %d events", len(cmds), len(events)))
		}
		for i, cmd := range cmds {
			before, err := cmd.(*goredis.StatusCmd).Result()
			switch {
			case errors.Is(err, goredis.Nil), wrongType(err):
				first[i] = true
			case err != nil:
				return err
			default:
				// Shorter than an occurrence: not ours, so it proves nothing.
				first[i] = before == string(events[i].Occurrence[:]) || len(before) != len(events[i].Occurrence)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}
