package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Claim is a key that several may want, each with a mark of its own.
type Claim struct {
	Key  string
	Mark string
}

// Claim takes those keys that nobody has, for ttl, and returns for each key whose it is: the mark that came first, which
// may be the caller's own. One round trip. A key that holds something that is not ours counts as the caller's.
func (c *Client) Claim(ctx context.Context, claims []Claim, ttl time.Duration) (owners []string, err error) {
	owners = make([]string, len(claims))
	err = c.call(ctx, "claim", func(ctx context.Context) error {
		cmds, err := c.pipelined(ctx, len(claims), func(p goredis.Pipeliner) {
			for _, claim := range claims {
				p.SetArgs(ctx, c.prefix+claim.Key, claim.Mark, goredis.SetArgs{Mode: "NX", Get: true, TTL: ttl})
			}
		})
		if err != nil {
			return err
		}
		for i, cmd := range cmds {
			before, err := cmd.(*goredis.StatusCmd).Result()
			switch {
			case errors.Is(err, goredis.Nil), wrongType(err):
				owners[i] = claims[i].Mark
			case err != nil:
				return err
			default:
				owners[i] = before
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return owners, nil
}
