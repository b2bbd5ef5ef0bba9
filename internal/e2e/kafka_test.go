package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// message is a record as another Kafka client sees it. The tests use franz-go, so that what we write is read by code that
// is not ours.
type message struct{ *kgo.Record }

func (m message) header(name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// produceRaw writes values to a topic, in order, all with one key.
func produceRaw(t testing.TB, broker, topic, key string, values []string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerBatchMaxBytes(2<<20),
		kgo.UnknownTopicRetries(-1)) // a topic may have been made a moment ago
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readTopic reads a topic from its beginning until it has seen n records.
func readTopic(t testing.TB, broker, topic string, n int, limit time.Duration) []message {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var all []message
	for len(all) < n {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%s: %d of %d records within %s", topic, len(all), n, limit)
		}
		fetches.EachRecord(func(r *kgo.Record) { all = append(all, message{r}) })
	}
	return all
}
