package subscription

import (
	"context"
	"fmt"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/redis"
	"github.com/voxagent/dispatcher/internal/testenv"
)

const (
	benchWorkspaces = 100
	benchHooks      = 10
	benchBatch      = 500
)

func benchStore(b *testing.B, url string) (s *Store, events []*fanout.Event) {
	b.Helper()
	s = newTestStore(b, openDB(b, url))
	for w := range benchWorkspaces {
		for h := range benchHooks {
			create(b, s, fmt.Sprint("ws_", w), named(fmt.Sprint("wh_", h), "https://example.com/hook", fmt.Sprintf("Conversation%d*", h)))
		}
	}
	for i := range benchBatch {
		events = append(events, ev(fmt.Sprint("ws_", i%benchWorkspaces), "Conversation1"))
	}
	return s, events
}

func matchAll(b *testing.B, d *Directory, events []*fanout.Event) {
	b.Helper()
	if _, err := d.Match(context.Background(), events); err != nil {
		b.Fatal(err)
	}
}

// A batch of 500 events of 100 workspaces, all in memory; each event of another workspace than the one before.
func BenchmarkMatchNear(b *testing.B) {
	url := "sqlite:" + b.TempDir() + "/data.db"
	_, events := benchStore(b, url)
	d := run(b, url, nil, func(c *DirectoryConfig) { c.MaxBytes = 0 })
	matchAll(b, d, events)
	b.ReportAllocs()
	for b.Loop() {
		matchAll(b, d, events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/event")
}

// 100 workspaces of 10 webhooks each, from PostgreSQL and from Redis.
func BenchmarkFill(b *testing.B) {
	url := testenv.Postgres(b)
	_, events := benchStore(b, url)
	for name, cache := range map[string]func() Cache{
		"postgres": func() Cache { return nil },
		"redis":    func() Cache { return newRedis(b, testenv.Redis(b), testenv.Prefix(b)+":") },
		"embedded": func() Cache { return newRedis(b, "redis://"+miniredis.RunT(b).Addr(), "p:") },
	} {
		b.Run(name, func(b *testing.B) {
			c := cache()
			d := run(b, url, c, func(c *DirectoryConfig) { c.MaxBytes = 0 })
			matchAll(b, d, events)
			if c != nil {
				within(b, "Redis filled", func() bool { return filled(b, d, c) })
			}
			b.ReportAllocs()
			for b.Loop() {
				d.near.reset(0)
				matchAll(b, d, events)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchWorkspaces, "ns/workspace")
		})
	}
}

func filled(b *testing.B, d *Directory, c Cache) bool {
	b.Helper()
	var keys []string
	for w := range benchWorkspaces {
		keys = append(keys, d.cachePrefix()+fmt.Sprint("ws_", w))
	}
	for _, e := range must[[]redis.Versioned](b)(c.Get(context.Background(), keys)) {
		if e.Version == 0 {
			return false
		}
	}
	return true
}
