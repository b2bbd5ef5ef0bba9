// Package redis is the only home of the Redis client: connections, and the few operations that the program needs.
//
// Nothing that must not be lost is only in Redis. It makes things faster (the cache of webhooks), and holds what several
// processes should agree on (rate limits, which events were seen); each user goes on without it, and this package sees
// to it that a Redis that is away or slow costs nearly nothing: every call ends within Config.CallTimeout, and after a
// failed one all others fail at once with [ErrAway] until a single probe succeeds.
//
//	client, err := redis.New(redis.Config{URL: "redis://cache:6379/0", Prefix: "voxagent:"})
//	...
//	values, err := client.Get(ctx, keys) // err: go on without
//
// One server, Sentinel and Cluster, TLS, users and sockets are all chosen by the URL, see Config. Redis 7 and 8 and Valkey.
//
// # Invariants
//
//	fail-fast   at most one call at a time waits for a Redis that failed last time.
//	fenced      Put never replaces a value by one of a lower version, however late it comes.
//	no-answer   a call whose connection or server refused it is an error, never an empty value.
//	no-secret   no error holds the URL's password.
package redis
