package redis

import (
	"context"
	"math"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Withdrawal asks for starts from a bucket that holds one second's of them, or one where the rate is below one a second.
type Withdrawal struct {
	Key       string
	PerSecond float64 // above 0
	Most      int     // at least 1
}

// Grant is how many starts there were, and, where these are fewer than asked for, when there will be one more.
type Grant struct {
	Starts int
	Wait   time.Duration
}

// bucketMicros is what a bucket holds: one second in microseconds.
const bucketMicros = 1e6

// bucketScript takes up to ARGV[2] starts, each worth ARGV[1] microseconds, from a bucket of ARGV[3] microseconds. The key
// holds when the bucket will be full again, by the server's clock. It returns how many, and after how many microseconds
// there will be one more.
var bucketScript = goredis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local each, most, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', KEYS[1]) or '') or 0
full = math.min(math.max(full, now), now + burst)
local n = math.min(most, math.floor((now + burst - full) / each + 0.000001))
if n > 0 then
  full = full + n * each
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
return {n, math.ceil(math.max(0, full + each - now - burst))}`)

// Withdraw takes starts from several buckets in one round trip. Where a key holds something that is not ours, nothing is
// granted: slow rather than without limit.
func (c *Client) Withdraw(ctx context.Context, list []Withdrawal) ([]Grant, error) {
	var answers []any
	err := c.call(ctx, "withdraw", func(ctx context.Context) (err error) {
		answers, err = c.scripts(ctx, bucketScript, len(list), func(i int) (string, []any) {
			each := bucketMicros / list[i].PerSecond
			return list[i].Key, []any{each, list[i].Most, math.Max(bucketMicros, each)}
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	grants := make([]Grant, len(list))
	for i, answer := range answers {
		grants[i] = Grant{Wait: time.Duration(float64(time.Second) / list[i].PerSecond)}
		if pair, ok := answer.([]any); ok && len(pair) == 2 {
			starts, _ := pair[0].(int64)
			micros, _ := pair[1].(int64)
			grants[i] = Grant{int(starts), time.Duration(micros) * time.Microsecond}
		}
	}
	return grants, nil
}
