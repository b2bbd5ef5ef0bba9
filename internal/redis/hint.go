package redis

import (
	"context"
	"errors"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Publish sends a hint to whoever listens now. Hints get lost; nothing may depend on one.
func (c *Client) Publish(ctx context.Context, channel, text string) error {
	return c.call(ctx, "publish", func(ctx context.Context) error {
		return c.rdb.Publish(ctx, c.prefix+channel, text).Err()
	})
}

// listenPause is how long Listen waits before it connects again.
const listenPause = time.Second

// Listen calls heard for each hint until ctx ends, and connects again whenever the connection is lost. heard must not
// block; it is also called after each connecting, since hints may have been missed before.
func (c *Client) Listen(ctx context.Context, channel string, heard func(text string)) error {
	for {
		c.listenOnce(ctx, channel, heard)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(listenPause):
		}
	}
}

// listenOnce listens until the connection breaks. A connection that says nothing is asked for an answer now and then.
func (c *Client) listenOnce(ctx context.Context, channel string, heard func(text string)) {
	sub := c.rdb.Subscribe(ctx, c.prefix+channel)
	defer func() { _ = sub.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // a blocked read does not see ctx
	defer stop()
	if _, err := sub.ReceiveTimeout(ctx, dialTimeout); err != nil {
		return
	}
	heard("")
	for quiet := 0; ctx.Err() == nil; {
		message, err := sub.ReceiveTimeout(ctx, listenQuiet)
		if err != nil {
			if quiet++; quiet > 1 || !isTimeout(err) || sub.Ping(ctx) != nil {
				return
			}
			continue
		}
		quiet = 0
		if text, ok := payload(message); ok {
			heard(text)
		}
	}
}

// listenQuiet is how long a listening connection may be silent before it is asked.
const listenQuiet = 10 * time.Second

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func payload(message any) (string, bool) {
	m, ok := message.(*goredis.Message)
	if !ok {
		return "", false
	}
	return m.Payload, true
}
