package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Versioned is a value with the version that Put compares. The zero Version is that of a key that is not there.
type Versioned struct {
	Version int64
	Value   []byte
}

// versionLen is the length of a version in front of its value: decimal with leading zeros, so that text compares as
// numbers do.
const versionLen = 19

// Get reads values that Put wrote, in one round trip. A key that is not there, or holds anything else, is the zero
// Versioned.
func (c *Client) Get(ctx context.Context, keys []string) ([]Versioned, error) {
	out := make([]Versioned, len(keys))
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = c.prefix + key
	}
	err := c.call(ctx, "get", func(ctx context.Context) error {
		if _, cluster := c.rdb.(*goredis.ClusterClient); cluster {
			return c.getEach(ctx, names, out)
		}
		return c.getAll(ctx, names, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// getAll reads keys of one server with one command.
func (c *Client) getAll(ctx context.Context, names []string, out []Versioned) error {
	if len(names) == 0 {
		return nil
	}
	values, err := c.rdb.MGet(ctx, names...).Result()
	if err != nil {
		return err
	}
	for i, value := range values {
		if text, ok := value.(string); ok {
			out[i] = parseVersioned([]byte(text))
		}
	}
	return nil
}

// getEach reads keys that are on different servers with a command each.
func (c *Client) getEach(ctx context.Context, names []string, out []Versioned) error {
	cmds, err := c.pipelined(ctx, len(names), func(p goredis.Pipeliner) {
		for _, name := range names {
			p.Get(ctx, name)
		}
	})
	if err != nil {
		return err
	}
	for i, cmd := range cmds {
		raw, err := cmd.(*goredis.StringCmd).Bytes()
		switch {
		case err == nil:
			out[i] = parseVersioned(raw)
		case errors.Is(err, goredis.Nil), wrongType(err):
		default:
			return err
		}
	}
	return nil
}

func parseVersioned(raw []byte) Versioned {
	if len(raw) < versionLen {
		return Versioned{}
	}
	version, err := strconv.ParseInt(string(raw[:versionLen]), 10, 64)
	if err != nil || version <= 0 {
		return Versioned{}
	}
	return Versioned{version, raw[versionLen:]}
}

// Entry is what Put writes.
type Entry struct {
	Key     string
	Version int64 // above 0
	Value   []byte
	TTL     time.Duration
}

// putScript writes only what is newer than what is there. What is there may be anything.
var putScript = goredis.NewScript(`
local old = redis.call('GETRANGE', KEYS[1], 0, 18)
if #old == 19 and not string.find(old, '%D') and old >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
return 1`)

// Put writes those of entries that are newer than what Redis has, in one round trip.
func (c *Client) Put(ctx context.Context, entries []Entry) error {
	return c.call(ctx, "put", func(ctx context.Context) error {
		_, err := c.scripts(ctx, putScript, len(entries), func(i int) (string, []any) {
			e := &entries[i]
			return e.Key, []any{fmt.Sprintf("%0*d", versionLen, e.Version), e.Value, max(1, e.TTL.Milliseconds())}
		})
		return err
	})
}

// scripts runs a script n times in one round trip, or two where the server does not know it yet. An answer is nil where
// the key holds something that is not ours.
func (c *Client) scripts(ctx context.Context, script *goredis.Script, n int, args func(i int) (key string, argv []any)) ([]any, error) {
	out := make([]any, n)
	todo := make([]int, n)
	for i := range todo {
		todo[i] = i
	}
	todo, err := c.scriptRound(ctx, out, todo, func(p goredis.Pipeliner, i int) {
		key, argv := args(i)
		script.EvalSha(ctx, p, []string{c.prefix + key}, argv...)
	})
	if err != nil || len(todo) == 0 {
		return out, err
	}
	todo, err = c.scriptRound(ctx, out, todo, func(p goredis.Pipeliner, i int) {
		key, argv := args(i)
		script.Eval(ctx, p, []string{c.prefix + key}, argv...)
	})
	if err == nil && len(todo) > 0 {
		err = errors.New("the server does not keep scripts")
	}
	return out, err
}

// scriptRound runs what add adds for each of todo and returns those whose script the server did not know.
func (c *Client) scriptRound(ctx context.Context, out []any, todo []int, add func(p goredis.Pipeliner, i int)) (unknown []int, err error) {
	cmds, err := c.pipelined(ctx, len(todo), func(p goredis.Pipeliner) {
		for _, i := range todo {
			add(p, i)
		}
	})
	if err != nil {
		return nil, err
	}
	for at, cmd := range cmds {
		answer, err := cmd.(*goredis.Cmd).Result()
		switch {
		case err == nil:
			out[todo[at]] = answer
		case goredis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown = append(unknown, todo[at])
		case wrongType(err):
		default:
			return nil, err
		}
	}
	return unknown, nil
}
