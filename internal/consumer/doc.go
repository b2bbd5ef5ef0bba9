// Package consumer runs one membership in a consumer group: it joins, fetches, hands records to a Handler partition by
// partition, and commits what is done.
//
//	Group ──generation──▶ own ──▶ partition ◀──batch── Fetcher
//	                       │         │ Handle (one goroutine each, in order)
//	                       │         ▼
//	             commit ◀──┴── watermark.Tracker ◀──Done── Record
//
// The handler takes records and is free to finish them later, in any order and from any goroutine, by Record.Done. The
// offset that is committed never passes an unfinished record; what is done above it travels in the commit's metadata
// (see watermark), so that the next owner repeats only what was open.
//
// # Giving up partitions
//
// When partitions are revoked, or at the end, fetching stops, the handlers' context ends, Revoker is told, and the
// generation is kept (heartbeats and commits go on) until every record that was taken is done or abandoned, at most
// Config.DrainTimeout. A record that is still open then keeps its ticket; its partition is remembered until the next
// generation: if the partition comes back, the record is not handed out a second time, and its Done still counts. Only
// when the coordinator forgot us is there no drain, since another process owns the partitions already. When it could not
// be reached for a session nothing new is started either, since it may have; but what is finished is kept ready for it:
// if it was the coordinator that was away, its successor takes the commit, and nothing is repeated.
//
// # Invariants
//
//	no-gap    an offset is committed only after every record below it on its partition is done, or gone from the log.
//	owner     nothing is committed in the name of a generation that ended.
//	bounded   for each partition: one batch with the handler, one waiting, at most watermark.Window offsets open, and
//	          no fetch while the window is full for three quarters.
//	once      a record that this process has open, or that a former owner finished, is not handed out.
//
// The smallest use:
//
//	c, err := consumer.New(consumer.Config{Group: "g", Topics: []string{"t"}, Start: kafka.Latest}, client, h, log)
//	err = c.Run(ctx)
package consumer
