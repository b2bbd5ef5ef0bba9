// Package event holds the wire formats of the dispatcher: the event envelope that producers write
// to a source topic, the identities that follow from it, and the public records of the history and
// notices topics. It imports the standard library only, so that producers and readers of history
// can use it too.
//
// # What
//
//   - [Parse] checks a record's value and takes it apart; [Body] builds the request body.
//   - [Meta.Occurrence], [Occurrence.DeliveryID] and [Occurrence.AttemptID] are the identities.
//   - [EventRecord], [AttemptRecord], [DeliveryRecord], [ErasureRecord] and [WebhookRecord] are the history records,
//     [DecodeRecord] reads them; [Notice] is a record of the notices topic.
//   - [Schema] returns the JSON Schema of each format; [Examples] holds example events.
//
// It reads no Kafka and no clock, and knows nothing of webhooks beyond their ids.
//
// # Invariants
//
//	verbatim     `data` reaches the receiver byte for byte: Event.Data is a part of the input, and
//	             Body copies it.
//	one-parser   what decides the tenant is read once, here; a value that two JSON parsers could
//	             read differently (a reserved key twice or in another case) is refused.
//	same-id      ids follow from coordinates, not from a clock or a counter: a record that is read
//	             again has the same event, delivery and attempt ids.
//	fold         which of two records about one thing is kept (Supersedes) is a strict order: any
//	             sequence, with any repetition, folds to the same result.
//	only-added   fields and values of records are only ever added. Readers ignore fields that they
//	             do not know and pass on values that they do not know.
//
// # Smallest use
//
//	e, err := event.Parse(value, event.Meta{Topic: topic, Partition: p, Offset: o, Time: t}, 1<<20)
//	if err != nil { … } // an *event.Invalid: dead letter
//	body := event.Body(&e)
//	id := meta.Occurrence(e.WorkspaceID).DeliveryID(webhookID)
package event
