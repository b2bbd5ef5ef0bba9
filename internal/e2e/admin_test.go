package e2e

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// admin sends an administrative request to Kafka.
func admin(t testing.TB, broker string, req kmsg.Request) kmsg.Response {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // also after the test's own context
	defer cancel()
	resp, err := cl.Request(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// deleteTopics deletes all topics whose names begin with a prefix.
func deleteTopics(t testing.TB, broker, prefix string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 10_000
	for _, topic := range admin(t, broker, kmsg.NewPtrMetadataRequest()).(*kmsg.MetadataResponse).Topics {
		if strings.HasPrefix(*topic.Topic, prefix) {
			one := kmsg.NewDeleteTopicsRequestTopic()
			one.Topic = topic.Topic
			req.TopicNames, req.Topics = append(req.TopicNames, *topic.Topic), append(req.Topics, one)
		}
	}
	for _, r := range admin(t, broker, req).(*kmsg.DeleteTopicsResponse).Topics {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			t.Fatalf("delete topic %s: %v", *r.Topic, err)
		}
	}
}

// addPartitions raises a topic's number of partitions.
func addPartitions(t testing.TB, broker, topic string, count int32) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	one := kmsg.NewCreatePartitionsRequestTopic()
	one.Topic, one.Count = topic, count
	req.Topics, req.TimeoutMillis = []kmsg.CreatePartitionsRequestTopic{one}, 10_000
	for _, r := range admin(t, broker, req).(*kmsg.CreatePartitionsResponse).Topics {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			t.Fatalf("add partitions to %s: %v", topic, err)
		}
	}
}

// deleteRecords deletes the records of a partition below an offset, as retention does.
func deleteRecords(t testing.TB, broker, topic string, partition int32, below int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	part := kmsg.NewDeleteRecordsRequestTopicPartition()
	part.Partition, part.Offset = partition, below
	one := kmsg.NewDeleteRecordsRequestTopic()
	one.Topic, one.Partitions = topic, []kmsg.DeleteRecordsRequestTopicPartition{part}
	req.Topics, req.TimeoutMillis = []kmsg.DeleteRecordsRequestTopic{one}, 10_000
	for _, r := range admin(t, broker, req).(*kmsg.DeleteRecordsResponse).Topics {
		for _, p := range r.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				t.Fatalf("delete records of %s: %v", topic, err)
			}
		}
	}
}

// endOffset is the offset of the next record of a partition; -1 while nobody can say.
func endOffset(t testing.TB, broker, topic string, partition int32) int64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition, part.Timestamp = partition, -1 // the end
	one := kmsg.NewListOffsetsRequestTopic()
	one.Topic, one.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{part}
	req.Topics = []kmsg.ListOffsetsRequestTopic{one}
	for _, shard := range cl.RequestSharded(t.Context(), req) {
		if shard.Err != nil {
			continue // the broker does not know the partition (any more, or yet)
		}
		for _, r := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range r.Partitions {
				if p.ErrorCode == 0 {
					return p.Offset
				}
			}
		}
	}
	return -1
}

// deleteGroup deletes a group, which must have no members, with all that it committed.
func deleteGroup(t testing.TB, broker, group string) {
	t.Helper()
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	for _, r := range admin(t, broker, req).(*kmsg.DeleteGroupsResponse).Groups {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			t.Fatalf("delete group %s: %v", group, err)
		}
	}
}

// produceTo writes values to one partition, in order, and returns the offset of the first.
func produceTo(t testing.TB, broker, topic string, partition int32, values ...string) int64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(2<<20), kgo.UnknownTopicRetries(-1)) // a topic may have been made a moment ago
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	first := int64(-1)
	for _, v := range values {
		r, err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(v)}).First()
		if err != nil {
			t.Fatal(err)
		}
		if first < 0 {
			first = r.Offset
		}
	}
	return first
}

// metric is the sum of a process's series of a name whose labels contain a text.
func (s *server) metric(name, labels string) float64 {
	s.t.Helper()
	sum := 0.0
	for line := range strings.Lines(s.ops("/metrics").body) {
		line = strings.TrimSpace(line)
		space := strings.LastIndexByte(line, ' ')
		series := line[:max(space, 0)]
		if (series != name && !strings.HasPrefix(series, name+"{")) || !strings.Contains(series, labels) {
			continue
		}
		v, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			s.t.Fatal(errors.Join(err, errors.New(line)))
		}
		sum += v
	}
	return sum
}
