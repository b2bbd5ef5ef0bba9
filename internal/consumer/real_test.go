package consumer

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestRealRebalance lets a second member come and go on a real broker while records flow: each is handed out once.
func TestRealRebalance(t *testing.T) {
	const records = 20_000
	topic := testenv.Prefix(t)
	client := func() *kafka.Client {
		c, err := kafka.New(kafka.Config{Brokers: strings.Split(testenv.Kafka(t), ","), Topics: []string{topic}}, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	own := client()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := own.CreateTopics(ctx, []kafka.TopicSpec{{Name: topic, Partitions: 4, ReplicationFactor: 1}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.DeleteTopics(context.Background(), topic); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, log: zaptest.NewLogger(t), client: own}
	member := func(h *hands) *running {
		h.finish = func(r *Record) { time.AfterFunc(time.Duration(r.Offset%50)*time.Millisecond, r.Done) }
		return w.startOn(client(), Config{Group: topic + ".g", Topics: []string{topic}, Start: kafka.Latest}, h)
	}
	a, b := newHands(), newHands()
	ca := member(a)
	ca.joined(4)
	p := kafka.NewProducer(own, kafka.ProducerConfig{}, nil)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(t.Context()) }()
	var cb *running
	for i := range records {
		p.Produce(kafka.OutRecord{Topic: topic, Explicit: true, Partition: i % 4, Value: strconv.AppendInt(nil, int64(i), 10)})
		switch i {
		case records / 4:
			cb = member(b)
			cb.joined(2)
		case 3 * records / 4:
			b.await(t, 10)
			cb.stop()
		}
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	ca.await("done", func(Health) bool {
		na, _ := a.total()
		nb, _ := b.total()
		return na+nb >= records
	})
	ca.stop()
	w.expectOnce(records, a, b)
	if n, _ := b.total(); n == 0 {
		t.Error("the second member got nothing")
	}
}
