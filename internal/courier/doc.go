// Package courier carries to Kafka what changes of webhooks owe: notices, and the records that cancel a disabled or deleted
// webhook's pending deliveries in history.
//
// A change and what it owes are one transaction of the webhook store, whoever makes it: the API, an attempt that was
// answered 410, or a judgement of internal/health. The courier of any process claims debts, writes them, and settles each
// once Kafka has it. So a debt reaches Kafka at least once, whatever dies when; only a process that dies between Kafka's
// answer and the settling, or is cut off for longer than the lease, makes it come twice, and then with the same id.
//
// # Invariants
//
//	owed     a debt is settled only after Kafka acknowledged it.
//	bounded  a courier has one batch on its way; while Kafka takes no writes it claims no more.
//
// The smallest use:
//
//	c := courier.New(store, notices, recorder, registry, log)
//	err := c.Run(ctx) // and c.Wake() after a change, so that it need not wait for the next look
package courier
