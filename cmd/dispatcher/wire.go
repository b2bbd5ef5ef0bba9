package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/consumer"
	"github.com/voxagent/dispatcher/internal/courier"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/deadletter"
	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/fanout/notice"
	"github.com/voxagent/dispatcher/internal/fanout/retry"
	"github.com/voxagent/dispatcher/internal/fanout/schedule"
	"github.com/voxagent/dispatcher/internal/fanout/shared"
	"github.com/voxagent/dispatcher/internal/health"
	"github.com/voxagent/dispatcher/internal/history"
	"github.com/voxagent/dispatcher/internal/history/compact"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/ops"
)

// wire builds the dispatcher from its parts and runs it until ctx ends.
//
//	events ──▶ consumer ──▶ Intake ─┐                          ┌─▶ Sender ──▶ receivers
//	                                ├─▶ Scheduler ──▶ Engine ──┤
//	ladder ──▶ consumer ──▶ Returns ┘                          └─▶ Recorder, Ladder, notices ──▶ producer ──▶ Kafka
//
//	history, payloads ──▶ consumer ──▶ Compactor ──▶ history store ◀── API, dashboard ──▶ webhook store
//	                                                       │                                   ▲      │
//	                                                       └──▶ health.Watcher ────────────────┘      └──▶ Courier ──▶ producer
//
// Webhooks reach the engine from the webhook store by the Directory (memory, then Redis, then SQL).
//
// Shutdown goes down the stages at the end of this function: not ready; intake stops and drains, while what is on the
// wire ends and is committed; the scheduler; then what answers and watches; what changes of webhooks still owe; at last
// the producer, flushed.
func (c *serveCmd) wire(ctx context.Context, log *zap.Logger, up func(running)) (err error) {
	b, err := c.foundation(ctx, log)
	if err != nil {
		return err
	}
	defer func() {
		if !errors.Is(err, errLate) {
			err = errors.Join(err, b.close())
		}
	}()

	// What writes to Kafka: everything, through one producer.
	out := kafkaOut{b.producer}
	historian, err := history.New(history.Config{HistoryTopic: c.KafkaHistoryTopic, PayloadTopic: c.payloadTopic()}, historyOut(out))
	if err != nil {
		return err
	}
	ladder := retry.NewLadder(c.KafkaRetryTopic, out)
	notices := notice.New(out, c.KafkaNoticesTopic)
	b.courier = courier.New(b.webhooks, notices, recorder{historian}, b.registry, log)

	// What makes attempts: for the roles consumer and retry.
	policy := retry.NewPolicy(b.schedule)
	sender, err := delivery.New(b.delivery)
	if err != nil {
		return err
	}
	defer sender.Close()
	budget, err := fanout.NewBudget(c.MemoryBudget)
	if err != nil {
		return err
	}
	engine := fanout.NewEngine(fanout.Ports{
		Subscriptions: b.directory, Sender: sender, Policy: policy, Ladder: ladder,
		Recorder: recorder{historian}, Notifier: notices,
	}, budget, fanout.NewMetrics(b.registry), log)
	limiter := shared.NewLimiter(b.redis, schedule.NewBuckets())
	scheduler, err := schedule.New(schedule.Config{
		MaxInFlight: c.MaxInFlight, Grace: c.RequestTimeout + drainSlack,
		Limits: limits(b.directory), Limiter: limiter,
	}, engine)
	if err != nil {
		return err
	}
	if err := scheduler.Register(b.registry); err != nil {
		return err
	}

	// Events in.
	exits := fanout.Exits{
		Scheduler: scheduler, DeadLetters: deadletter.New(out, c.KafkaDeadLetterTopic, kafka.ErrTooLarge), Room: b.producer.Wait,
	}
	if c.DedupeWindow > 0 {
		exits.Dedupe = shared.NewDeduper(b.redis, c.DedupeWindow)
	}
	events := fanout.NewIntake(fanout.IntakeConfig{
		MaxEventBytes: c.MaxEventBytes, Expand: expandAbove,
		Type: func(name string) (time.Duration, bool) { return b.catalogue.Load().Rule(name) },
	}, engine, exits)
	eventsIn, err := c.consumer(b, roleConsumer, c.KafkaSourceTopics, sourceFetch, intake{events, scheduler}, noticed(notices))
	if err != nil {
		return err
	}

	// What falls due in.
	returns := retry.NewReturns(retry.Config{Prefix: c.KafkaRetryTopic}, retry.Parts{
		Ladder: ladder, Admission: admission{engine, scheduler}, Overrides: b.directory, Room: b.producer.Wait,
	}, retry.NewMetrics(b.registry), log)
	ladderTopics := append(retry.Topics(c.KafkaRetryTopic), c.KafkaCommandsTopic)
	ladderIn, err := c.consumer(b, roleRetry, ladderTopics, ladderFetch, intake{returns, scheduler}, nil)
	if err != nil {
		return err
	}

	// History in.
	compactor, err := compact.New(compact.Config{PayloadTopic: c.payloadTopic()}, b.history, compact.NewMetrics(b.registry), log)
	if err != nil {
		return err
	}
	historyTopics := []string{c.KafkaHistoryTopic}
	if t := c.payloadTopic(); t != "" {
		historyTopics = append(historyTopics, t)
	}
	historyIn, err := c.consumer(b, roleHistory, historyTopics, historyFetch, fold{compactor}, nil)
	if err != nil {
		return err
	}
	janitor := store.NewJanitor(b.history, 0, log)
	watcher, err := health.New(health.Config{
		Limits:     health.Limits{FailingAfter: time.Duration(c.FailingAfter), DisableAfter: time.Duration(c.DisableAfter)},
		Registerer: b.registry,
	}, health.Ports{History: b.history, Webhooks: b.webhooks, Acts: b.webhooks}, log)
	if err != nil {
		return err
	}

	// Who asks.
	orders := &commander{
		store: b.webhooks, producer: out, topic: c.KafkaCommandsTopic, recorder: recorder{historian}, policy: policy,
		timeout: c.RequestTimeout,
	}
	front, err := c.front(b, orders)
	if err != nil {
		return err
	}
	watch := ops.New(b.registry, c.readiness(b, eventsIn, ladderIn, historyIn))

	b.log.Info("starting", zap.String("version", version), zap.Strings("roles", c.Roles), zap.Stringer("kafka", b.kafka),
		zap.String("redis", redactURL(string(c.RedisURL))), zap.String("database", redactURL(string(c.DatabaseURL))),
		zap.Stringer("retry_schedule", b.schedule), zap.Strings("allowed_networks", c.AllowedNetworks),
		zap.Strings("allowed_ports", c.AllowedPorts), zap.String("forward_proxy", redactURL(string(c.ForwardProxy))))
	up(b.running())
	defer context.AfterFunc(ctx, func() { b.log.Info("stopping", zap.NamedError("cause", context.Cause(ctx))) })()
	return runStages(ctx, c.RequestTimeout+shutdownSlack, []stage{
		{name: "readiness", parts: []part{{"readiness", func(ctx context.Context) error {
			<-ctx.Done()
			watch.Drain()
			return nil
		}}}},
		{name: "intake", parts: only(
			on(c.has(roleConsumer), part{"events", eventsIn.Run}),
			on(c.has(roleRetry), part{"ladder", ladderIn.Run}),
			on(c.has(roleHistory), part{"history", historyIn.Run}),
		)},
		{name: "work", parts: only(
			on(c.has(roleConsumer, roleRetry), part{"scheduler", scheduler.Run}),
			on(c.has(roleHistory), part{"compactor", compactor.Run}),
			on(c.has(roleHistory), part{"janitor", janitor.Run}),
			on(c.has(roleHistory), part{"health", watcher.Run}),
		)},
		{name: "front", parts: only(
			on(c.has(roleAPI), part{"api", serveOn(b.api, front)}),
			on(true, part{"ops", serveOn(b.ops, watch)}),
			on(true, part{"announce", announce(b, watch)}),
		)},
		{name: "debts", parts: []part{{"courier", b.courier.Run}}}, // after all who change webhooks
		{name: "ground", parts: []part{
			{"webhooks", b.directory.Run}, {"rates", limiter.Run}, {"hints", b.listenForHints}, {"files", b.reread},
			{"producer", func(ctx context.Context) error { return b.producer.Run(context.WithoutCancel(ctx)) }},
		}, stop: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, flushTimeout)
			defer cancel()
			return b.producer.Close(ctx)
		}},
	})
}

const (
	// drainSlack is what an attempt's end needs after its deadline: its record acknowledged, its offset committed.
	drainSlack = 2 * time.Second
	// shutdownSlack is how much longer than one attempt the whole shutdown may take, whatever is broken then: an order
	// that takes longer is given up. With the defaults that is 45 s, below the chart's grace period; with Kafka silent the
	// steps come to 7 for the drain, 17 for the last commit, 5 for what is owed and 10 for the last records.
	shutdownSlack = 40 * time.Second
	// flushTimeout bounds what the last records may take to reach Kafka at the end. What does not is not committed
	// either, so its work is repeated by the next process.
	flushTimeout = 10 * time.Second
	// expandAbove is how many webhooks one event may match before its deliveries go to the ladder first.
	expandAbove = 64
	// sourceFetch, historyFetch and ladderFetch are how much is fetched of a partition at once. What a source batch costs
	// once (the request, a question to Redis, a commit) is shared by its events: one of 30 KB takes a twentieth more CPU
	// with 512 KiB, and a third more with 64. The ladder has over a hundred partitions, and each may hold two such batches
	// while it waits.
	sourceFetch  = 1 << 20
	historyFetch = 512 << 10
	ladderFetch  = 64 << 10
	// ladderPace is the pause between two looks at the ladder while little comes: each asks for all of its partitions, and
	// nothing on it is due within less than a second.
	ladderPace = 25 * time.Millisecond
	// frontGrace is how long open API calls may take at the end.
	frontGrace = 5 * time.Second
)

// payloadTopic is empty where payloads are not kept.
func (c *serveCmd) payloadTopic() string {
	if c.PayloadRetention == 0 {
		return ""
	}
	return c.KafkaPayloadsTopic
}

// onLoss is what a consumer does besides when records were deleted before it read them; see consumer.Config.
type onLoss func(ctx context.Context, topic string, partition int, from, to int64) error

// consumer returns the membership of a role's group. It runs, and shows its metrics, if the process has the role.
func (c *serveCmd) consumer(b *base, role string, topics []string, fetch int, h consumer.Handler, lost onLoss) (*consumer.Consumer, error) {
	group := map[string]string{roleConsumer: c.groupEvents(), roleRetry: c.groupRetry(), roleHistory: c.groupHistory()}[role]
	start, pace := kafka.Earliest, time.Duration(0)
	switch role {
	case roleConsumer:
		start = b.start
	case roleRetry:
		pace = ladderPace
	}
	var registry prometheus.Registerer
	if c.has(role) {
		registry = b.registry
	}
	return consumer.New(consumer.Config{
		Group: group, Topics: topics, Start: start, FetchBytes: fetch, FetchPace: pace, DrainTimeout: c.RequestTimeout + drainSlack,
		Registerer: registry, Kafka: b.kafkaMetrics, OnLoss: lost, Recycle: role == roleConsumer, // fanout.Intake copies
	}, b.kafka, h, b.log)
}

// readiness is: each group that the process belongs to was joined; the API's database answers.
func (c *serveCmd) readiness(b *base, events, ladder, history *consumer.Consumer) []ops.Check {
	var checks []ops.Check
	for _, member := range []struct {
		role     string
		consumer *consumer.Consumer
	}{{roleConsumer, events}, {roleRetry, ladder}, {roleHistory, history}} {
		if !c.has(member.role) {
			continue
		}
		checks = append(checks, ops.Check{Name: member.role, Ready: func(context.Context) error {
			if !member.consumer.Health().Joined {
				return errors.New("has not joined its group yet")
			}
			return nil
		}})
	}
	if c.has(roleAPI) {
		checks = append(checks, ops.Check{Name: roleAPI, Ready: b.databases.ping})
	}
	return checks
}

// announce logs "ready", with the addresses, once all checks pass.
func announce(b *base, watch *ops.Server) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if err := watch.WaitReady(ctx); err == nil {
			fields := []zap.Field{zap.String("ops", b.ops.Addr().String())}
			if b.api != nil {
				fields = append(fields, zap.String("api", b.api.Addr().String()))
			}
			b.log.Info("ready", fields...)
		}
		<-ctx.Done()
		return nil
	}
}

// listenForHints has the directory look for changes as soon as another process has made some.
func (b *base) listenForHints(ctx context.Context) error {
	return b.redis.Listen(ctx, hintChannel, func(string) { b.directory.Hint() })
}

// hintChannel carries word that a webhook changed; only a hint, since the feed is polled anyway.
const hintChannel = "changed"

// on returns the part, or nothing.
func on(wanted bool, p part) []part {
	if !wanted {
		return nil
	}
	return []part{p}
}

// only puts the wanted parts together.
func only(parts ...[]part) []part {
	var all []part
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// newRegistry returns a metrics registry with what every process has.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "dispatcher_info", Help: "Version of the running program.",
	}, []string{"version", "commit"})
	info.WithLabelValues(version, commit).Set(1)
	reg.MustRegister(info)
	return reg
}

// front is API and dashboard on one mux.
func (c *serveCmd) front(b *base, orders *commander) (http.Handler, error) {
	if !c.has(roleAPI) {
		return http.NotFoundHandler(), nil
	}
	h, err := c.pages(b, orders)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return h, nil
}
