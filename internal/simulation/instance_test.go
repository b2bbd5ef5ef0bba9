package simulation

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/consumer"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/deadletter"
	"github.com/voxagent/dispatcher/internal/fanout/notice"
	"github.com/voxagent/dispatcher/internal/fanout/retry"
	"github.com/voxagent/dispatcher/internal/fanout/schedule"
	"github.com/voxagent/dispatcher/internal/history"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
)

// life is one instance's time from its start to its end; dead is closed when it crashes.
type life struct {
	name string
	dead chan struct{}
}

func (l *life) over() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// instance is one dispatcher: what wire.go builds for the roles consumer and retry, without Redis, SQL and HTTP.
type instance struct {
	*life
	w         *world
	net       *network
	client    *kafka.Client
	producer  *kafka.Producer
	scheduler *schedule.Scheduler
	budget    *fanout.Budget
	consumers []*consumer.Consumer

	stopIntake, stopWork, stopProducer context.CancelFunc
	intake, work, ground               sync.WaitGroup
}

const (
	memory     = 8 << 20
	drainSlack = 2 * time.Second
	expand     = 64

	// Most of a simulated day nothing happens. What goes on all the same is rarer than in production, by the same factor
	// for all that belongs together, so that a day takes a second.
	heartbeat = 10 * time.Second
	session   = 30 * time.Second
	quiet     = time.Minute

	commitInterval = time.Second
)

// start builds an instance and runs it.
func (w *world) start() *instance {
	w.lives++
	in := &instance{
		life: &life{name: fmt.Sprintf("d%d", w.lives), dead: make(chan struct{})}, w: w, net: newNetwork(w.virtual),
	}
	if err := in.build(); err != nil {
		w.Fatal(err)
	}
	in.run()
	return in
}

func (in *instance) build() (err error) {
	w, log := in.w, in.w.log.With(zap.String("instance", in.name))
	topics := append(ownTopics(), sourceTopic)
	in.client, err = kafka.New(kafka.Config{
		Brokers: w.cluster.ListenAddrs(), Topics: topics, Dial: in.net.dial, ClientID: in.name, MetadataTTL: quiet,
	}, log)
	if err != nil {
		return err
	}
	in.producer = kafka.NewProducer(in.client, kafka.ProducerConfig{MaxBytes: 3 * memory}, nil)
	out := in.out()
	historian, err := history.New(history.Config{HistoryTopic: historyTopic, PayloadTopic: payloadTopic}, historyOut{out})
	if err != nil {
		return err
	}
	if in.budget, err = fanout.NewBudget(memory); err != nil {
		return err
	}
	ladder := retry.NewLadder(retryPrefix, out)
	engine := fanout.NewEngine(fanout.Ports{
		Subscriptions: w.webhooks, Sender: &sender{w.receivers, in.life}, Policy: retry.NewPolicy(w.schedule), Ladder: ladder,
		Recorder: recorder{historian}, Notifier: notice.New(out, noticesTopic),
	}, in.budget, fanout.NewMetrics(nil), log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)))
	in.scheduler, err = schedule.New(schedule.Config{Grace: requestTimeout + drainSlack}, engine)
	if err != nil {
		return err
	}
	events := fanout.NewIntake(fanout.IntakeConfig{MaxEventBytes: 1 << 20, Expand: expand}, engine, fanout.Exits{
		Scheduler: in.scheduler, DeadLetters: deadletter.New(out, deadTopic, kafka.ErrTooLarge), Room: in.producer.Wait,
	})
	returns := retry.NewReturns(retry.Config{Prefix: retryPrefix}, retry.Parts{
		Ladder: ladder, Admission: admission{engine, in.scheduler}, Overrides: w.webhooks, Room: in.producer.Wait,
	}, retry.NewMetrics(nil), log)
	ladderTopics := append(retry.Topics(retryPrefix), commandsTopic)
	return in.join(log, map[string]joined{
		"events": {[]string{sourceTopic}, events, w.ledger.handedEvent},
		"retry":  {ladderTopics, returns, w.ledger.handedRetry},
	})
}

// joined is a group that the instance belongs to.
type joined struct {
	topics []string
	next   handler
	handed func(*life, *consumer.Record)
}

func (in *instance) join(log *zap.Logger, groups map[string]joined) error {
	for name, g := range groups {
		c, err := consumer.New(consumer.Config{
			Group: name, Topics: g.topics, Start: kafka.Earliest, FetchBytes: 64 << 10, Recycle: name == "events",
			FetchWait: quiet, CommitInterval: commitInterval,
			DrainTimeout: requestTimeout + drainSlack, Heartbeat: heartbeat, Session: session, Watch: quiet,
			OnLoss: func(_ context.Context, topic string, partition int, from, to int64) error {
				in.w.ledger.violate("lost", "", "%s: %s/%d from %d to %d were deleted unread", in.name, topic, partition, from, to)
				return nil
			},
		}, in.client, intake{g.next, in, g.handed}, log)
		if err != nil {
			return err
		}
		in.consumers = append(in.consumers, c)
	}
	return nil
}

func (in *instance) run() {
	var intake, work, ground context.Context
	intake, in.stopIntake = context.WithCancel(context.Background())
	work, in.stopWork = context.WithCancel(context.Background())
	ground, in.stopProducer = context.WithCancel(context.Background())
	in.ground.Go(func() { _ = in.producer.Run(ground) })
	in.work.Go(func() { _ = in.scheduler.Run(work) })
	for _, c := range in.consumers {
		in.intake.Go(func() { _ = c.Run(intake) })
	}
}

// stop ends the instance in the order of SIGTERM, and says what it held on to.
func (in *instance) stop() {
	in.end(10 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := in.budget.Acquire(ctx, memory); err != nil && !in.over() {
		in.w.ledger.violate("stuck", "", "%s: bytes of the budget are still held after its end", in.name)
	}
}

func (in *instance) end(flush time.Duration) {
	in.stopIntake()
	in.intake.Wait()
	in.stopWork()
	in.work.Wait()
	in.closeProducer(flush)
	in.client.Close()
}

func (in *instance) closeProducer(flush time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), flush)
	defer cancel()
	_ = in.producer.Close(ctx)
	in.stopProducer()
	in.ground.Wait()
}

// crash takes everything away from the instance at once. Its goroutines end in the background, without any effect.
func (in *instance) crash() {
	close(in.dead)
	in.net.cut(true)
	in.w.background.Go(func() {
		in.closeProducer(0)
		in.end(0)
	})
}

// out is the instance's producer under the ledger's eyes.
func (in *instance) out() produce {
	return in.w.plant.producer(in.w.ledger.watch(in.life, func(topic string, key, value []byte, h []kafka.Header, ack kafka.Acker) {
		in.producer.Produce(kafka.OutRecord{Topic: topic, Key: key, Value: value, Headers: h, Ack: ack})
	}))
}

// produce is the seam where all records leave an instance.
type produce func(topic string, key, value []byte, headers []kafka.Header, ack kafka.Acker)

// Produce implements fanout.Producer.
func (p produce) Produce(topic string, key, value []byte, headers []fanout.RecordHeader, ack fanout.Ack) {
	out := make([]kafka.Header, len(headers))
	for i, h := range headers {
		out[i] = kafka.Header(h)
	}
	p(topic, key, value, out, ack)
}

type historyOut struct{ produce }

func (o historyOut) Produce(topic string, key, value []byte, headers []history.Header, ack history.Ack) {
	out := make([]kafka.Header, len(headers))
	for i, h := range headers {
		out[i] = kafka.Header(h)
	}
	o.produce(topic, key, value, out, ack)
}

type recorder struct{ history *history.Recorder }

func (r recorder) Event(rec *event.EventRecord, ack fanout.Ack)       { r.history.Event(rec, ack) }
func (r recorder) Attempt(rec *event.AttemptRecord, ack fanout.Ack)   { r.history.Attempt(rec, ack) }
func (r recorder) Delivery(rec *event.DeliveryRecord, ack fanout.Ack) { r.history.Delivery(rec, ack) }
func (r recorder) Webhook(rec *event.WebhookRecord, ack fanout.Ack) {
	r.history.CancelWebhook(rec, ack)
}
func (r recorder) Payload(e *fanout.Event, ack fanout.Ack) {
	r.history.Payload(e.Occurrence, e.Body, ack)
}

type handler interface {
	Handle(ctx context.Context, records []*fanout.Record) error
}

// intake is fanout's Intake or retry's Returns as a consumer's handler.
type intake struct {
	next   handler
	in     *instance
	handed func(*life, *consumer.Record)
}

// Handle implements consumer.Handler.
func (h intake) Handle(ctx context.Context, records []*consumer.Record) error {
	out := make([]*fanout.Record, len(records))
	for i, r := range records {
		h.handed(h.in.life, r)
		headers := make([]fanout.RecordHeader, len(r.Headers))
		for j := range r.Headers {
			headers[j] = fanout.RecordHeader(r.Headers[j])
		}
		out[i] = &fanout.Record{
			Source: event.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Time: r.Time, Key: r.Key,
			Value: r.Value, Headers: headers, Generation: r.Generation(), Ticket: h.in.w.plant.ticket(h.in.w.ledger.ticket(h.in.life, r)),
		}
	}
	return h.next.Handle(ctx, out)
}

// Revoked implements consumer.Revoker.
func (h intake) Revoked() { h.in.scheduler.Purge((*fanout.Delivery).Abandoned) }

type admission struct {
	engine    *fanout.Engine
	scheduler *schedule.Scheduler
}

func (a admission) Admit(ctx context.Context, d *fanout.Delivery, ticket fanout.Ticket) error {
	return a.engine.Admit(ctx, d, ticket, a.scheduler)
}

func (a admission) Cancel(ctx context.Context, d *fanout.Delivery, ticket fanout.Ticket, why event.Cause) error {
	return a.engine.Cancel(ctx, d, ticket, why)
}
