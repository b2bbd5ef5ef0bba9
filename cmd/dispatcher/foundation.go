package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/courier"
	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/fanout/retry"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/ops"
	"github.com/voxagent/dispatcher/internal/redis"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// base is what the parts of a dispatcher stand on: connections, stores, and what the flags came to.
type base struct {
	log          *zap.Logger
	registry     *prometheus.Registry
	kafkaMetrics *kafka.Metrics
	kafka        *kafka.Client
	producer     *kafka.Producer
	redis        *redis.Client
	databases    *databases
	webhooks     *subscription.Store
	directory    *subscription.Directory
	history      *store.Store
	courier      *courier.Courier // made by wire, before anything can change a webhook
	catalogue    atomic.Pointer[catalogue.Catalogue]
	files        []settingsFile
	rules        *delivery.Rules
	delivery     delivery.Config
	schedule     retry.Schedule
	start        kafka.Position
	sessionKey   []byte
	api, ops     net.Listener
	closers      []func() error
}

// foundation opens what the dispatcher stands on and checks that nothing is missing: one line for each fault, within
// 10 s. Redis may be away.
func (c *serveCmd) foundation(ctx context.Context, log *zap.Logger) (_ *base, err error) {
	b := &base{log: log, registry: newRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := errors.Join(c.listeners(ctx, b), c.derive(b)); err != nil {
		return nil, err
	}
	// Independent of each other, so that all faults are told at once and within the time of one.
	faults := make(chan error, 2)
	go func() { faults <- c.openKafka(ctx, b) }()
	go func() { faults <- c.openStores(ctx, b) }()
	first, second := <-faults, <-faults
	return b, errors.Join(first, second)
}

func (b *base) close() error {
	var errs []error
	for _, end := range slices.Backward(b.closers) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// running is what the process tells of itself.
func (b *base) running() running {
	r := running{Ops: b.ops.Addr()}
	if b.api != nil {
		r.API = b.api.Addr()
	}
	return r
}

// listeners opens the ports, so that one that is taken is told at once.
func (c *serveCmd) listeners(ctx context.Context, b *base) error {
	var opsErr, apiErr error
	if b.ops, opsErr = listen(ctx, "--ops-addr", c.OpsAddr); opsErr == nil {
		b.closers = append(b.closers, closeOnce(b.ops))
	}
	if c.has(roleAPI) {
		if b.api, apiErr = listen(ctx, "--http-addr", c.HTTPAddr); apiErr == nil {
			b.closers = append(b.closers, closeOnce(b.api))
		}
	}
	return errors.Join(opsErr, apiErr)
}

// closeOnce closes a listener that its server may have closed already.
func closeOnce(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// derive turns flags into what the parts take.
func (c *serveCmd) derive(b *base) error {
	var errs []error
	var err error
	if b.schedule, err = retry.ParseSchedule(c.RetrySchedule); err != nil {
		errs = append(errs, fmt.Errorf("--retry-schedule: %w", err))
	}
	if err := c.loadCatalogue(b); err != nil {
		errs = append(errs, err)
	}
	switch kind, at, _ := c.settings.start(); { // checked by validate
	case kind == "earliest":
		b.start = kafka.Earliest
	case kind == "latest":
		b.start = kafka.Latest
	default:
		b.start = kafka.At(at)
	}
	if b.delivery, err = c.deliveryConfig(b.ownListeners); err != nil {
		errs = append(errs, err)
	}
	if b.rules, err = delivery.NewRules(b.delivery); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// loadCatalogue reads the event types, now and whenever their file changes.
func (c *serveCmd) loadCatalogue(b *base) error {
	types, err := c.catalogue()
	b.catalogue.Store(types)
	if c.EventTypes != "" {
		b.files = append(b.files, settingsFile{"--event-types", c.EventTypes, func(content []byte) error {
			types, err := catalogue.Parse(content)
			if err == nil {
				b.catalogue.Store(types)
			}
			return err
		}})
	}
	return err
}

// idleConns is how many connections to receivers are kept open without use: about 25 KiB each.
const idleConns = 4096

// ownListeners are never a destination, whatever else is allowed.
func (b *base) ownListeners() []netip.AddrPort {
	var own []netip.AddrPort
	for _, l := range []net.Listener{b.api, b.ops} {
		if l == nil {
			continue
		}
		if at, err := netip.ParseAddrPort(l.Addr().String()); err == nil {
			own = append(own, at)
		}
	}
	return own
}

// openKafka connects and checks that every topic is there and takes our records.
func (c *serveCmd) openKafka(ctx context.Context, b *base) (err error) {
	topics := append(c.ownTopicNames(), c.KafkaSourceTopics...)
	if b.kafka, err = c.client(b.log, topics...); err != nil {
		return err
	}
	b.closers = append(b.closers, func() error { b.kafka.Close(); return nil })
	b.kafkaMetrics = kafka.NewMetrics(b.registry)
	b.producer = kafka.NewProducer(b.kafka, kafka.ProducerConfig{
		// Everything that waits here is held by the intake's budget already, each body at most three times: as
		// payload, on the ladder, as a dead letter. The bound is for fan-outs that are expanded.
		MaxBytes: 3 * c.MemoryBudget,
	}, b.kafkaMetrics)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.checkTopics(ctx, b.kafka, topics...); err != nil {
		return err
	}
	return c.checkSizes(ctx, b)
}

// checkSizes says which of our topics would refuse the record of the largest event.
func (c *serveCmd) checkSizes(ctx context.Context, b *base) error {
	names := c.ownTopicNames()
	configs, err := b.kafka.TopicConfigs(ctx, names, "max.message.bytes")
	if err != nil {
		return c.brokersFault(err)
	}
	var errs []error
	for _, name := range names {
		limit, err := strconv.Atoi(configs[name]["max.message.bytes"])
		if want := c.MaxEventBytes + recordOverhead; err == nil && limit < want {
			errs = append(errs, fmt.Errorf("topic %s: max.message.bytes is %d, an event of --max-event-bytes needs %d", name, limit, want))
		}
	}
	return errors.Join(errs...)
}

// openStores connects to the databases and to Redis and builds what knows webhooks and history.
func (c *serveCmd) openStores(ctx context.Context, b *base) (err error) {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	if b.sessionKey, err = hkdf.Key(sha256.New, keys[0], nil, "dashboard session", 32); err != nil {
		return fmt.Errorf("derive session key: %w", err)
	}
	ring, err := c.ring()
	if err != nil {
		return err
	}
	// Each connection that fails is a line of the client's; what counts, that Redis is away, is said once elsewhere.
	redis.LogTo(func(text string) { b.log.Debug("redis client", zap.String("text", text)) })
	b.redis, err = redis.New(redis.Config{
		URL: string(c.RedisURL), Prefix: c.RedisPrefix + ":", Metrics: b.registry, Log: b.log,
	})
	if err != nil {
		return fmt.Errorf("--redis-url: %w", err)
	}
	b.closers = append(b.closers, b.redis.Close)
	_ = b.redis.Ping(ctx) // says itself that Redis is away, which stops nobody
	if b.databases, err = c.databaseFlags.open(ctx); err != nil {
		return err
	}
	b.closers = append(b.closers, b.databases.close)
	if err := b.databases.check(ctx); err != nil {
		return err
	}
	return c.buildStores(ctx, b, ring)
}

func (c *serveCmd) buildStores(ctx context.Context, b *base, ring *subscription.Keyring) (err error) {
	cfg := subscription.Config{
		CheckURL: b.rules.CheckURL, CheckHeader: b.rules.CheckHeader, EventTypes: func() []string { return b.catalogue.Load().Names() },
		MaxWebhooks: c.MaxWebhooks, MaxEventTypes: c.MaxEventTypes, MaxURLBytes: c.MaxURLBytes,
		AuditRetention: time.Duration(c.AuditRetention), Changed: b.hint,
	}
	if b.webhooks, err = subscription.NewStore(b.databases.webhooks, ring, cfg); err != nil {
		return err
	}
	known, err := subscription.NewStore(b.databases.directory, ring, cfg)
	if err != nil {
		return err
	}
	if err := b.webhooks.CheckKeys(ctx); err != nil {
		return fmt.Errorf("--encryption-key: %w", err)
	}
	b.directory = subscription.NewDirectory(known, subscription.DirectoryConfig{
		MaxBytes: directoryBytes, Cache: b.redis, Metrics: b.registry, Log: b.log,
	})
	b.history, err = store.New(b.databases.history, store.Config{
		History: time.Duration(c.HistoryRetention), Payloads: min(time.Duration(c.PayloadRetention), time.Duration(c.HistoryRetention)),
	})
	return err
}

// hint tells this process and the others that webhooks changed. It does not block: the feed is polled anyway, and so are
// debts.
func (b *base) hint() {
	b.directory.Hint()
	b.courier.Wake()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = b.redis.Publish(ctx, hintChannel, "") // a hint that is lost costs a quarter of a second
	}()
}

// serveOn serves h on l as a part.
func serveOn(l net.Listener, h http.Handler) func(ctx context.Context) error {
	return func(ctx context.Context) error { return ops.Serve(ctx, l, h, frontGrace) }
}
