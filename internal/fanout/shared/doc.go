// Package shared has what several dispatchers must agree on, by way of Redis: how fast a webhook may be called, and which
// events were seen before. Both are best effort: with Redis away each process keeps rates by itself, and every event is
// delivered.
//
//	limiter := shared.NewLimiter(client, schedule.NewBuckets())
//	go limiter.Run(ctx)
//	dedupe := shared.NewDeduper(client, 10*time.Minute)
package shared
