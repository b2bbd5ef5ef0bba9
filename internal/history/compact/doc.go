// Package compact is the handler of the group that reads the history and payload topics: it folds their records into the
// store, in batches across partitions.
//
//	partitions ──▶ Handle: decode ──▶ queue, bounded in bytes ──▶ Run: one batch at a time ──▶ Folder
//	                  │ poison                                        │ after the commit
//	                  ▼                                               ▼
//	             Ticket.Done                                     Ticket.Done
//
// A batch is folded when a few hundred records wait or the first of them has waited for 50 ms; while one is being folded
// the next one grows, so that batches are larger when the store is behind.
//
//	c, err := compact.New(compact.Config{PayloadTopic: "voxagent.webhook.payloads"}, store, compact.NewMetrics(reg), log)
//	go c.Run(ctx)
//	err = c.Handle(ctx, records) // by each partition's goroutine
//
// # Invariants
//
//	durable  a ticket is done only after its record's transaction was committed, or its record can never be folded.
//	moving   a record that cannot be read or that the database refuses is counted, logged and skipped; it never stops a
//	         partition.
//	waiting  while the database is away nothing is skipped: the batch is tried again for ever, and Handle blocks.
//	bounded  what is held is at most Config.MaxBytes, or one record.
package compact
