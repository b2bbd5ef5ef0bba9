// Package retry says when a delivery is tried again and keeps it durably until then.
//
// The policy is pure: Policy.Next judges an outcome by the schedule, Policy.Wait says how long a delivery that could not
// start stays away. What is not due yet waits in Kafka, on the ladder: one topic for each of a few fixed delays (rungs),
// whatever the schedule is. A record goes to the largest rung that fits into what remains; when the rung's time is over
// it is due, or goes to the next rung. As a topic's delay is constant, its records fall due in their order, up to the
// jitter, so the head is all that has to be looked at and a million pending retries cost bytes in Kafka, not memory.
//
//	fail ──▶ 30m rung ──▶ 5m rung ──▶ held to the due time ──▶ admitted
//
// Ladder writes, Returns reads: one goroutine for each partition holds the head until it is due, drops what was cancelled
// or superseded meanwhile, and admits the rest. The commands topic (resend, test) has the same records, due at once.
//
// # Invariants
//
//	never-early  a delivery is never admitted before its DueAt.
//	in-time      it is admitted within 10 % of its delay and 1 s after DueAt, while the system keeps up.
//	one-owner    ladder and commands topics have one partition count and one partitioner (by delivery id), so one
//	             process sees all copies of a delivery; for an hour, under load for 250,000 entries (three an attempt), it
//	             admits no second record of a step, none of an attempt that was parked since, and none of an
//	             attempt that it knows to be recorded.
//	same-body    the record's value is the body, byte for byte.
package retry
