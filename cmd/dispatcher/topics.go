package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/retry"
	"github.com/voxagent/dispatcher/internal/kafka"
)

const (
	// partitions of each of our topics: the most dispatchers that can share the work.
	partitions = 12
	// recordOverhead is what our records add to an event's bytes: keys, headers, framing.
	recordOverhead = 512 << 10
	// deadLetterOverhead is what a dead letter adds to the source record: five headers.
	deadLetterOverhead = 64 << 10

	day = 24 * time.Hour
	// ladderRetention must outlast the longest delivery (its schedule's sum and a day) and the longest outage, since
	// Kafka forgets silently: 14 days.
	ladderRetention = 14 * day
	noticeRetention = 7 * day
	deadRetention   = 30 * day
	sourceRetention = 7 * day
)

type topicsCmd struct {
	Create topicsCreateCmd `cmd:"" help:"Create the dispatcher's topics with sound settings; those that exist stay as they are."`
}

type topicsCreateCmd struct {
	kafkaFlags
	WithSources       bool `help:"Create the source topics too, which are the platform's."`
	ReplicationFactor int  `help:"Copies of each partition. Default: 3, or as many as there are brokers."`
	Print             bool `help:"Print what would be created, and create nothing."`
	MaxEventBytes     int  `default:"1048576" help:"Largest event, in bytes; the topics' limits follow from it."`
	HistoryRetention  span `default:"30d" help:"How long the request history is kept."`
	PayloadRetention  span `default:"14d" help:"How long payloads are kept."`
}

func (c *topicsCreateCmd) Run(ctx context.Context, s streams) error {
	if err := c.validate(); err != nil {
		return err
	}
	c.names()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, err := c.client(nil)
	if err != nil {
		return err
	}
	defer client.Close()
	replicas := c.ReplicationFactor
	if replicas == 0 || !c.Print {
		brokers, err := c.brokerCount(ctx, client)
		if err != nil {
			return err
		}
		if replicas == 0 {
			replicas = min(3, brokers)
		}
	}
	specs := c.ownTopics(replicas, topicLimits{c.MaxEventBytes, c.HistoryRetention, c.PayloadRetention})
	if c.WithSources {
		specs = append(specs, c.sourceTopics(replicas, c.MaxEventBytes)...)
	}
	if c.Print {
		return printTopics(s.out, specs)
	}
	existed, err := client.CreateTopics(ctx, specs)
	if err != nil {
		return err
	}
	for _, t := range specs {
		what := "created"
		if slices.Contains(existed, t.Name) {
			what = "exists "
		}
		_, _ = fmt.Fprintln(s.out, what, t.Name)
	}
	return nil
}

// brokerCount asks how many brokers there are, without waiting long for one that is not there.
func (k *kafkaFlags) brokerCount(ctx context.Context, client *kafka.Client) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	n, err := client.Brokers(ctx)
	if err != nil {
		return 0, k.brokersFault(err)
	}
	return n, nil
}

// checkTopics says in a line each which topics are missing, and what makes them.
func (k *kafkaFlags) checkTopics(ctx context.Context, client *kafka.Client, topics ...string) error {
	err := client.CheckTopics(ctx, topics...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafka.ErrNoTopic):
		return errors.Join(err, errors.New("run dispatcher topics create; --with-sources makes the source topics too"))
	}
	return k.brokersFault(err)
}

// brokersFault is why Kafka could not be asked.
func (k *kafkaFlags) brokersFault(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("--kafka-brokers: %s: no answer within %s; is it Kafka, and --kafka-tls as it expects?",
			strings.Join(k.KafkaBrokers, ","), startTimeout)
	}
	return fmt.Errorf("--kafka-brokers: %w", err)
}

// topicLimits are the settings that the topics' own follow from.
type topicLimits struct {
	maxEventBytes                      int
	historyRetention, payloadRetention span
}

// ownTopicNames are the topics that the dispatcher writes, the ladder among them.
func (k *kafkaFlags) ownTopicNames() []string {
	names := []string{
		k.KafkaHistoryTopic, k.KafkaPayloadsTopic, k.KafkaCommandsTopic, k.KafkaNoticesTopic, k.KafkaDeadLetterTopic,
	}
	return append(names, retry.Topics(k.KafkaRetryTopic)...)
}

// ownTopics describes the dispatcher's topics. None is compacted: the history's consumer folds, and would lose attempts.
func (k *kafkaFlags) ownTopics(replicas int, l topicLimits) []kafka.TopicSpec {
	largest := l.maxEventBytes + recordOverhead
	specs := []kafka.TopicSpec{
		topic(k.KafkaHistoryTopic, replicas, largest, time.Duration(l.historyRetention)+day),
		topic(k.KafkaPayloadsTopic, replicas, largest, max(time.Duration(l.payloadRetention), day)),
		topic(k.KafkaCommandsTopic, replicas, largest, ladderRetention),
		topic(k.KafkaNoticesTopic, replicas, largest, noticeRetention),
		topic(k.KafkaDeadLetterTopic, replicas, sourceLimit(l.maxEventBytes)+deadLetterOverhead, deadRetention),
	}
	for _, name := range retry.Topics(k.KafkaRetryTopic) {
		specs = append(specs, topic(name, replicas, largest, ladderRetention))
	}
	return specs
}

// sourceTopics describes the source topics, for installations where nobody else makes them.
func (k *kafkaFlags) sourceTopics(replicas, maxEventBytes int) []kafka.TopicSpec {
	var specs []kafka.TopicSpec
	for _, name := range k.KafkaSourceTopics {
		specs = append(specs, topic(name, replicas, sourceLimit(maxEventBytes), sourceRetention))
	}
	return specs
}

// sourceLimit is the largest batch on a source topic that this program makes: room for a record well over the largest
// event, so that too large a one reaches the dead-letter topic rather than failing at its producer.
func sourceLimit(maxEventBytes int) int { return maxEventBytes + recordOverhead }

func topic(name string, replicas, maxBytes int, retention time.Duration) kafka.TopicSpec {
	return kafka.TopicSpec{
		Name: name, Partitions: partitions, ReplicationFactor: replicas,
		Configs: map[string]string{
			"cleanup.policy":                 "delete",
			"max.message.bytes":              strconv.Itoa(maxBytes),
			"retention.ms":                   strconv.FormatInt(retention.Milliseconds(), 10),
			"min.insync.replicas":            strconv.Itoa(max(1, min(2, replicas-1))),
			"unclean.leader.election.enable": "false",
		},
	}
}

func printTopics(w io.Writer, specs []kafka.TopicSpec) error {
	for _, t := range specs {
		var line strings.Builder
		_, _ = fmt.Fprintf(&line, "%s partitions=%d replication-factor=%d", t.Name, t.Partitions, t.ReplicationFactor)
		for _, key := range slices.Sorted(maps.Keys(t.Configs)) {
			_, _ = fmt.Fprintf(&line, " %s=%s", key, t.Configs[key])
		}
		if _, err := fmt.Fprintln(w, line.String()); err != nil {
			return err
		}
	}
	return nil
}
