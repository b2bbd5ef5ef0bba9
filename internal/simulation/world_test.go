package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout/retry"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sourceTopic   = "calls"
	historyTopic  = "webhook.history"
	payloadTopic  = "webhook.payloads"
	commandsTopic = "webhook.commands"
	noticesTopic  = "webhook.notices"
	deadTopic     = "webhook.dead-letter"
	retryPrefix   = "webhook.retry"

	partitions = 3
	brokers    = 3

	defaultSchedule = "5s,5m,30m,2h,5h,10h,10h"
)

func ownTopics() []string {
	return append(retry.Topics(retryPrefix), historyTopic, payloadTopic, commandsTopic, noticesTopic, deadTopic)
}

// plan is what a simulation does.
type plan struct {
	seed       uint64
	schedule   string
	workspaces int // each with one webhook of every behaviour
	events     int
	spread     time.Duration // events are published in batches over this time
	instances  int
	faults     func(rnd *rand.Rand, batches []time.Duration) []fault
	plant      plant
}

// world is a cluster with everything around it, inside a bubble.
type world struct {
	testing.TB
	plan
	schedule  retry.Schedule
	rnd       *rand.Rand
	log       *zap.Logger
	virtual   *kfake.VirtualNetwork
	cluster   *kfake.Cluster
	webhooks  *webhooks
	receivers *receivers
	ledger    *ledger

	lives      int
	running    []*instance   // owned by inject until calm is closed
	pending    []time.Time   // when instances are to start; as running
	calm       chan struct{} // closed after the last fault
	published  []string      // workspaces by number of the event
	background sync.WaitGroup
}

// simulate runs a plan in a bubble.
func simulate(t *testing.T, p plan) *run {
	t.Helper()
	r := &run{ledger: newLedger(), journal: new(journal)}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p, r.ledger, r.journal.logger())
		defer w.cluster.Close()
		r.faults = w.run()
	})
	return r
}

func newWorld(t *testing.T, p plan, l *ledger, log *zap.Logger) *world {
	t.Helper()
	w := &world{TB: t, plan: p, virtual: new(kfake.VirtualNetwork), ledger: l, log: log,
		calm: make(chan struct{}),
	}
	var err error
	if w.schedule, err = retry.ParseSchedule(p.schedule); err != nil {
		t.Fatal(err)
	}
	w.ledger.noted = time.Now()
	w.rnd = rand.New(rand.NewPCG(p.seed, p.seed))
	w.webhooks = newWebhooks(t, p.workspaces)
	w.receivers = &receivers{seed: p.seed, ledger: w.ledger}
	ports := make([]int, brokers)
	for i := range ports {
		ports[i] = 9092 + i
	}
	w.cluster, err = kfake.NewCluster(kfake.NumBrokers(brokers), kfake.Ports(ports...), kfake.ListenFn(w.virtual.Listen),
		kfake.SeedTopics(partitions, append(ownTopics(), sourceTopic)...))
	if err != nil {
		t.Fatal(err)
	}
	w.cluster.ControlKey(kmsg.OffsetCommit.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		w.plant.commit(req)
		return nil, nil, false
	})
	w.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: -1, Observe: true, TopLevel: false, When: w.ledger.commit,
	})
	return w
}

// deliveries is how many are expected.
func (p plan) deliveries() int { return p.events * len(behaviours) }

// run publishes, breaks and waits for the end, then stops everything and judges what is left.
func (w *world) run() []fault {
	for range w.instances {
		w.running = append(w.running, w.start())
	}
	batches := w.batches()
	var faults []fault
	if w.faults != nil {
		faults = w.faults(w.rnd, batches)
	}
	w.background.Go(func() { w.publish(batches) })
	w.background.Go(func() { w.inject(faults) })
	<-w.calm
	w.settle()
	for _, in := range w.running {
		in.stop()
	}
	w.background.Wait()
	w.judgeEnd()
	return faults
}

// batches are the moments at which events are published.
func (w *world) batches() []time.Duration {
	n := min(w.events, 8)
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = 10*time.Second + time.Duration(i)*w.spread/time.Duration(n)
	}
	return at
}

// publish is the platform: it writes events, each workspace in its turn.
func (w *world) publish(batches []time.Duration) {
	cl := w.kgo(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	defer cl.Close()
	from := time.Now()
	for i, at := range batches {
		time.Sleep(time.Until(from.Add(at)))
		var records []*kgo.Record
		for n := w.events * i / len(batches); n < w.events*(i+1)/len(batches); n++ {
			ws := fmt.Sprintf("ws_%d", n%w.workspaces)
			w.published = append(w.published, ws)
			records = append(records, &kgo.Record{
				Topic: sourceTopic, Key: fmt.Appendf(nil, "ses_%d", n),
				Value: fmt.Appendf(nil, `{"id":"evt_%d","event":"CallEnded","workspace_id":%q,"data":{"n":%d}}`, n, ws, n),
			})
		}
		if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			w.Errorf("publish: %v", err)
		}
	}
}

func (w *world) kgo(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.virtual.DialContext),
	}, opts...)...)
	if err != nil {
		w.Fatal(err)
	}
	return cl
}

// settle waits until every delivery has ended and everything is committed, or nothing has happened for longer than
// anything waits.
func (w *world) settle() {
	longest := slices.Max(w.schedule)*11/10 + time.Hour
	for ; w.ledger.idle() < longest; time.Sleep(20 * time.Second) {
		if w.ledger.finished() >= w.deliveries() && w.behind() == "" {
			time.Sleep(time.Minute) // what should not come any more
			return
		}
	}
}

// behind names a partition with records that are not committed.
func (w *world) behind() string {
	for group, topics := range map[string][]string{
		"events": {sourceTopic}, "retry": append(retry.Topics(retryPrefix), commandsTopic),
	} {
		for _, topic := range topics {
			for p := range partitions {
				end := w.cluster.PartitionInfo(topic, int32(p)).HighWatermark
				if at := w.ledger.mark(group, topic, p); at < end {
					return fmt.Sprintf("%s/%d is committed up to %d of %d", topic, p, at, end)
				}
			}
		}
	}
	return ""
}

func (l *ledger) mark(group, topic string, partition int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.committed[group][kafka.TopicPartition{Topic: topic, Partition: partition}]
}

// judgeEnd compares what was published and requested with what the history topic holds.
func (w *world) judgeEnd() {
	if what := w.behind(); what != "" {
		w.ledger.violate("stuck", "", "in the end %s", what)
	}
	matched, final, attempts := w.readHistory()
	for n, ws := range w.published {
		id := fmt.Sprintf("evt_%d", n)
		for _, webhook := range w.webhooks.enabled(ws) {
			d, ok := matched[id][webhook]
			switch {
			case !ok:
				w.ledger.violate("lost", "", "%s was not matched with %s", id, webhook)
			case !final[d]:
				w.ledger.violate("lost", d, "%s for %s (%s) did not end", id, webhook, d)
			}
		}
	}
	for _, r := range w.ledger.requests {
		if !attempts[r.key] {
			w.ledger.violate("unrecorded", r.key.delivery, "%v, made by %s at %s, has no record", r.key, r.life.name, clock(r.start))
		}
	}
}

// readHistory reads the whole topic: deliveries by event and webhook, those that ended, and attempts.
func (w *world) readHistory() (matched map[string]map[string]string, final map[string]bool, attempts map[attemptKey]bool) {
	matched, final, attempts = map[string]map[string]string{}, map[string]bool{}, map[attemptKey]bool{}
	left := int64(0)
	for p := range partitions {
		left += w.cluster.PartitionInfo(historyTopic, int32(p)).HighWatermark
	}
	cl := w.kgo(kgo.ConsumeTopics(historyTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	for left > 0 {
		fetches := cl.PollFetches(context.Background())
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			kind := ""
			for _, h := range r.Headers {
				if h.Key == event.HeaderRecordType {
					kind = string(h.Value)
				}
			}
			rec, err := event.DecodeRecord(event.RecordType(kind), r.Value)
			if err != nil {
				w.Errorf("history: %v", err)
				return
			}
			switch r := rec.(type) {
			case *event.EventRecord:
				if matched[r.EventID] == nil {
					matched[r.EventID] = map[string]string{}
				}
				for _, m := range r.Matched {
					matched[r.EventID][m.WebhookID] = m.DeliveryID
				}
			case *event.AttemptRecord:
				attempts[attemptKey{r.DeliveryID, r.Chain, r.Attempt}] = true
				final[r.DeliveryID] = final[r.DeliveryID] || r.DeliveryStatus != event.Pending
			case *event.DeliveryRecord:
				final[r.DeliveryID] = final[r.DeliveryID] || r.Status != event.Pending
			}
		})
	}
	return matched, final, attempts
}
