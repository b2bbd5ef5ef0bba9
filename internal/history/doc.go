// Package history writes what happens to events and deliveries: records of the history topic, and the bodies that were
// sent. It is a thin layer that encodes records and hands them to Kafka's producer; store and compact, below it, read
// them back and answer questions.
//
//	Recorder ──▶ <prefix>.webhook.history   key: event id           value: JSON of pkg/event
//	         └─▶ <prefix>.webhook.payloads  key: the occurrence     value: the body's bytes, nothing else
//	                    │
//	                    ▼
//	             compact ──▶ store ──▶ API, dashboard
//
// Bodies have a topic of their own, so that whoever reads history for statistics needs no right to read conversations.
//
//	r, err := history.New(history.Config{HistoryTopic: "voxagent.webhook.history", PayloadTopic: "voxagent.webhook.payloads"}, producer)
//	r.Attempt(record, ack)
//
// # Invariants
//
//	acked    each call tells its Ack once, when the record is durable or can never be; nothing is dropped.
//	borrowed what a record points to is encoded before the call returns; only a payload's bytes are used until its ack.
package history
