package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// Config describes one membership.
type Config struct {
	// Group, Topics and Start are needed. Start is where a topic begins that the group never committed; partitions that
	// are added later begin at their first offset.
	Group  string
	Topics []string
	Start  kafka.Position
	// FetchBytes is how much is fetched for a partition at once, compressed; default 512 KiB. A larger record comes
	// alone.
	FetchBytes int
	// Recycle says that the handler keeps nothing of a record's key, value and headers once Handle has returned: their
	// memory is read into again then. Without it the collector takes it when nobody holds it.
	Recycle bool
	// FetchWait is how long a broker may hold a request that finds nothing; default 1 s. A record that comes ends it.
	FetchWait time.Duration
	// FetchPace is the pause between two requests while each brings little; default 2 ms.
	FetchPace time.Duration
	// CommitInterval, default 250 ms, is the time between commits while something changes.
	CommitInterval time.Duration
	// DrainTimeout, default 17 s, is how long revoked partitions are kept for what is open: the longest request and a
	// little more.
	DrainTimeout time.Duration
	// OnLoss is told when records were deleted before they were read: those from offset from up to (not including) to.
	// To is -1 when nobody knows, since the topic was deleted and made again. The partition goes on once it returned nil,
	// so word that it made durable is not lost by a crash; a loss may be told again, with the same offsets, after one.
	// An error is tried again. It returns soon after ctx ends. May be nil: losses are counted and logged anyway.
	OnLoss func(ctx context.Context, topic string, partition int, from, to int64) error
	// Heartbeat, Session and Watch are for tests; see kafka.GroupConfig.
	Heartbeat, Session, Watch time.Duration
	// Registerer takes this consumer's metrics; nil: none. Kafka are those of the Kafka package; nil: none.
	Registerer prometheus.Registerer
	Kafka      *kafka.Metrics
}

// Validate joins everything that is wrong with the configuration.
func (c Config) Validate() error {
	errs := []error{c.group().Validate()}
	if c.FetchBytes < 0 || c.FetchWait < 0 || c.FetchPace < 0 || c.CommitInterval < 0 || c.DrainTimeout < 0 {
		errs = append(errs, errors.New("consumer: negative size or time"))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.FetchBytes == 0 {
		c.FetchBytes = 512 << 10
	}
	if c.CommitInterval == 0 {
		c.CommitInterval = 250 * time.Millisecond
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 17 * time.Second
	}
	if c.OnLoss == nil {
		c.OnLoss = func(context.Context, string, int, int64, int64) error { return nil }
	}
	return c
}

// rebalanceSlack is what the coordinator must grant beyond the drain for the last commit and the new join.
const rebalanceSlack = 10 * time.Second

func (c Config) group() kafka.GroupConfig {
	return kafka.GroupConfig{
		Group: c.Group, Topics: c.Topics, Start: c.Start, HeartbeatInterval: c.Heartbeat, SessionTimeout: c.Session,
		RebalanceTimeout: max(30*time.Second, c.DrainTimeout+rebalanceSlack), WatchInterval: c.Watch,
	}
}

// Handler takes records. Handle is called by one goroutine for each partition, in offset order, with at least one
// record. It may block: nothing more is fetched for the partition but one batch. ctx ends when the partition is revoked;
// Handle must return soon then. Each record ends in exactly one call of Done or Abandon, at any later time, also after
// an error: by then Handle has abandoned what it did not take, and what it took is its own as ever. An error before ctx
// ended makes a pause; abandoned records are fetched again.
type Handler interface {
	Handle(ctx context.Context, records []*Record) error
}

// Revoker may be implemented by a Handler. Revoked is called once when partitions are given up, after Abandoned began
// to answer true for their records, so that queues can be purged.
type Revoker interface{ Revoked() }
