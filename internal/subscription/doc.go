// Package subscription knows who wants which events: the webhooks of each workspace, their secrets, the settings of
// workspaces, API keys and the audit log. It answers two very different callers:
//
//	API ──────▶ Store ──▶ SQL: the truth
//	                       │ change feed (polled every 250 ms, in order of commits)
//	pipeline ─▶ Directory ─┴─ near sets in memory ◀─ snapshots in Redis ◀─ snapshots from SQL
//
// [Store] implements [Repository] on PostgreSQL and SQLite alike. [Directory] implements fanout.Subscriptions and
// fanout.Overrides: it answers from memory, in tens of nanoseconds an event, and goes on answering while Redis, SQL or
// both are away, as far as it knows.
//
//	db, err := sqldb.Open(ctx, url, sqldb.Options{})
//	keys, err := subscription.ParseKeys(encryptionKeys)
//	store, err := subscription.NewStore(db, keys, subscription.Config{ … })
//	directory := subscription.NewDirectory(store, subscription.DirectoryConfig{Cache: redisClient})
//	go directory.Run(ctx)
//	matches, err := directory.Match(ctx, events)
//
// # How a change takes effect
//
// Every write appends a row to the change table in its transaction; the rows' numbers follow the order of commits without
// a gap. A number is a position: a snapshot of a workspace carries the position as of which it is true, and holds every
// change up to it. A process that reads a change demands at least its position of the workspace from then on: it uses
// the set in its memory no more (the next one takes compiled filters over from it), refuses an older snapshot from Redis,
// and throws away a load that was overtaken. Redis in turn never replaces a snapshot by one of a lower position. Hints by
// pub/sub only make the next look come sooner.
//
// A process that starts, or was away for longer than the table keeps rows, does not know what changed before. It reads
// the changes of the last half hour; what is in Redis lives for half of that.
//
// # Invariants
//
//	tenant       every method takes the workspace, every statement has it in its WHERE, and what is sealed can only be
//	             opened for its workspace and webhook. Another workspace's id is ErrNotFound.
//	sealed       URL, secrets and header values are nowhere in the clear but in memory: SQL and Redis have them sealed,
//	             the audit log does not have them.
//	marked       what Redis says counts only with the mark of a holder of an encryption key: whoever can write there cannot
//	             make webhooks, enable them or turn them to other events.
//	audited      a change and its audit entry are one transaction.
//	owed         so are a change and what it owes to Kafka (see [Debt]); ClaimOwed and Settle hand that on.
//	fenced       once a change was read from the feed, nothing older is used, wherever it comes from and however late.
//	unknown      a workspace of which neither memory nor Redis nor SQL answers is waited for; it is never taken to be empty.
//	one-load     of all who want a workspace at once, one loads it.
//
// # Non-obvious
//
// The positions in Redis outlive a database that is restored from a backup by up to 15 minutes; remove its keys, or give
// change_head.incarnation another value, after restoring one.
//
// A webhook whose private part cannot be opened (its encryption key was not given) still matches, and its Target has no
// Signer: its deliveries wait, and are lost to nobody.
package subscription
