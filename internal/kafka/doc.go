// Package kafka is the one place that knows the Kafka library: connections, metadata, producing, fetching, group
// membership and offsets. Everything else in the project sees plain records, partitions and errors.
//
// kafka-go's Transport brings connections: dialling, TLS, SASL, the lookup of brokers and coordinators. The requests on
// the hot path and those of group membership are encoded and decoded here and handed to it through
// protocol.RawExchanger. The reasons:
//
//   - one request for all partitions that a broker leads, in both directions, without copying records more than once;
//   - offsets that pass control batches, aborted transactions and compacted tails, which kafka-go's own reader does not;
//   - membership that goes on heartbeating while a revoked partition drains, survives a lost connection without a
//     rebalance, and never asks the broker to create a topic.
//
// The versions used need Kafka 2.4; topic ids, by which a topic made anew is told from the old one, need 2.8.
//
// # Parts
//
//	Client    connections and metadata, one for the life of the process
//	Producer  acks=all, retried for ever, batched by broker
//	Fetcher   one long poll for each broker over all partitions with room
//	Group     membership: generations, heartbeats, commits
//
// # Invariants
//
//	forever    a record given to the Producer ends only acknowledged, too large, or closed.
//	order      two requests for one partition are never on their way at once.
//	progress   a fetched partition's position passes everything that was read, also what holds no records.
//	deadline   every request has a deadline of its own.
//	no-create  no call creates a topic but CreateTopics.
//
// The smallest use:
//
//	client, err := kafka.New(kafka.Config{Brokers: []string{"127.0.0.1:9092"}, Topics: topics}, log)
//	producer := kafka.NewProducer(client, kafka.ProducerConfig{}, nil)
//	go producer.Run(ctx)
//	producer.Produce(kafka.OutRecord{Topic: "t", Key: key, Value: value, Ack: ack})
package kafka
