package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// partitions of each topic that `topics create` makes.
const partitions = 12

// load publishes events at a steady rate to all partitions of the session topic, until it is stopped, and knows how many
// of them Kafka took.
type load struct {
	t         testing.TB
	client    *kgo.Client
	workspace string
	perSecond int
	cancel    context.CancelFunc
	ended     chan struct{}
	mu        sync.Mutex
	acked     [partitions]int
	failed    error
}

// loadOn starts a load for a workspace. Its events are evt_load_0, evt_load_1, …, and say their partition.
func (in *installation) loadOn(t testing.TB, broker, workspace string, perSecond int) *load {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(in.prefix+".session.events"), kgo.MaxBufferedRecords(1_000_000),
		kgo.ProducerLinger(0),
		// After an outage it is the dispatcher that is measured, not this client's patience.
		kgo.MetadataMinAge(200*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{
		t: t, client: client, workspace: workspace, perSecond: perSecond, cancel: cancel, ended: make(chan struct{}),
	}
	go l.run(ctx)
	t.Cleanup(func() {
		cancel()
		<-l.ended
		client.Close()
	})
	return l
}

func (l *load) run(ctx context.Context) {
	defer close(l.ended)
	tick := time.NewTicker(time.Second / time.Duration(l.perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := n % partitions
		doc := document(fmt.Sprintf("evt_load_%d", n), l.workspace, "SessionStarted", fmt.Sprintf(`{"session_id":"p%d"}`, at))
		record := &kgo.Record{Partition: int32(at), Key: fmt.Append(nil, "p", at), Value: []byte(doc)}
		l.client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.failed = err
				return
			}
			l.acked[at]++
		})
	}
}

// published is how many events Kafka has taken for each partition.
func (l *load) published() [partitions]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// resumes waits until Kafka has taken new events on all partitions, and returns how long that took.
func (l *load) resumes(t testing.TB, limit time.Duration) time.Duration {
	t.Helper()
	began, before := time.Now(), l.published()
	eventually(t, limit, func() error {
		for at, n := range l.published() {
			if n == before[at] {
				return fmt.Errorf("Kafka takes no events on partition %d", at)
			}
		}
		return nil
	})
	return time.Since(began)
}

// stop ends the load, waits until Kafka has all of it, and says how many events that were.
func (l *load) stop() int {
	l.t.Helper()
	l.cancel()
	<-l.ended
	if err := l.client.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		l.t.Fatalf("publish: %v", l.failed)
	}
	total := 0
	for _, n := range l.acked {
		total += n
	}
	return total
}

// counter is a customer's server under load: it counts requests instead of keeping them, and answers 200.
type counter struct {
	*httptest.Server
	mu       sync.Mutex
	requests int
	attempts map[string]int  // "delivery attempt": requests
	events   map[string]int  // id: requests
	came     [partitions]int // events
	last     [partitions]time.Time
	silence  [partitions]time.Duration // the longest time between two first requests of a partition
}

// count starts a counter which takes delay for each answer.
func count(t testing.TB, delay time.Duration) *counter {
	t.Helper()
	ct := &counter{attempts: map[string]int{}, events: map[string]int{}}
	ct.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender went away
		}
		ct.note(r.Header, body)
		time.Sleep(delay) // what the receiver takes to answer
	}))
	t.Cleanup(func() {
		ct.CloseClientConnections()
		ct.Close()
	})
	return ct
}

func (ct *counter) note(h http.Header, body []byte) {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	ct.requests++
	ct.attempts[h.Get("X-Voxagent-Delivery")+" "+h.Get("X-Voxagent-Attempt")]++
	ct.events[h.Get("Webhook-Id")]++
	if ct.events[h.Get("Webhook-Id")] > 1 {
		return
	}
	at := partitionOf(body)
	if at < 0 {
		return
	}
	now := time.Now()
	if !ct.last[at].IsZero() {
		ct.silence[at] = max(ct.silence[at], now.Sub(ct.last[at]))
	}
	ct.last[at] = now
	ct.came[at]++
}

// partitionOf is the partition that a load's event says it is of; -1: it is none.
func partitionOf(body []byte) int {
	_, rest, _ := bytes.Cut(body, []byte(`"session_id":"p`))
	digits, _, ok := bytes.Cut(rest, []byte(`"`))
	at, err := strconv.Atoi(string(digits))
	if !ok || err != nil {
		return -1
	}
	return at
}

// arrived is how many different events have come.
func (ct *counter) arrived() int {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	return len(ct.events)
}

// repeated is how many requests were made for an attempt that had been made before.
func (ct *counter) repeated() int {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	return ct.requests - len(ct.attempts)
}

// listen forgets the silences so far.
func (ct *counter) listen() {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	ct.silence = [partitions]time.Duration{}
}

// longestSilence is the longest time that a partition's events did not come, since listen; a partition that is still
// silent counts.
func (ct *counter) longestSilence() time.Duration {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	longest := time.Duration(0)
	for at := range ct.last {
		longest = max(longest, ct.silence[at], time.Since(ct.last[at]))
	}
	return longest
}

// all waits until n events have come.
func (ct *counter) all(t testing.TB, n int, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		if got := ct.arrived(); got < n {
			return fmt.Errorf("%d of %d events arrived", got, n)
		}
		return nil
	})
}

// These say what a partition that flows is: its events are silenceAtMost apart, for steadyFor on end, which is longer, so
// that a partition that just lost its owner does not pass for one that flows.
const (
	silenceAtMost = 750 * time.Millisecond
	steadyFor     = 1500 * time.Millisecond
)

// keepsUp waits until all partitions flow again, and no more is on its way than is published in a second. It returns after
// how long that began to hold.
func (ct *counter) keepsUp(t testing.TB, l *load, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	since := began
	eventually(t, limit, func() error {
		fault := ct.behind(l)
		if fault != nil {
			since = time.Now()
			return fault
		}
		if time.Since(since) < steadyFor {
			return errors.New("all partitions flow, but not for long")
		}
		return nil
	})
	return since.Sub(began)
}

// behind says what keeps the receiver from being up to date; nil: nothing.
func (ct *counter) behind(l *load) error {
	published := l.published()
	ct.mu.Lock()
	defer ct.mu.Unlock()
	for at, last := range ct.last {
		silent := time.Since(last)
		if silent > silenceAtMost || ct.came[at] < published[at]-1-l.perSecond/partitions {
			return fmt.Errorf("partition %d: %d of %d events arrived, the last one %s ago", at, ct.came[at], published[at], silent)
		}
	}
	return nil
}

// inHistory waits until every attempt that the receiver saw has exactly one row, and no other has.
func (ct *counter) inHistory(s *server, workspace string, limit time.Duration) {
	s.t.Helper()
	eventually(s.t, limit, func() error {
		rows := map[string]int{}
		for _, a := range s.attempts(workspace, "") {
			rows[fmt.Sprintf("%s %d", a.DeliveryID, a.Attempt)]++
		}
		ct.mu.Lock()
		defer ct.mu.Unlock()
		if len(rows) != len(ct.attempts) {
			return fmt.Errorf("%d attempts in history, the receiver saw %d", len(rows), len(ct.attempts))
		}
		for key := range ct.attempts {
			if rows[key] != 1 {
				return fmt.Errorf("attempt %s has %d rows", key, rows[key])
			}
		}
		return nil
	})
}
