// Command load shows that a webhook costs its owner only, under load, on real Kafka, Redis and PostgreSQL:
//
//	make load                              # all four scenarios at full size: over an hour
//	make load LOAD='-scenario holes -quick'
//
// Scenarios, each with one table and a verdict for each bound; the exit code is not 0 when one is missed:
//
//	holes    1,000 webhooks at half of the rate that was measured just before; 10 of them, then 100, accept requests and
//	         never answer. Beside it, in turn, the same events with receivers that all answer. With 10: the others get 95 %
//	         of the throughput and their p99 is at most 1.5 times as long; with 100: 90 % of the throughput. No
//	         unfinished offset gets older than 15 s.
//	flood    one of 1,000 workspaces gets 100 times what each other gets, and more than its receiver takes, the others
//	         together a quarter of the rate that was measured: their p99 stays within 2 times that of the same run without
//	         the flood.
//	pending  1,000,000 deliveries fail at first and wait 30 minutes for their retry, the dispatcher is started anew
//	         meanwhile: that takes less than 50 MB more than with nothing pending, all retries are made, none twice.
//
//	tenants  100,000 workspaces with 1,000,000 webhooks, imported: a backlog of an event to each workspace with nothing known,
//	         with Redis filled, and with memory filled (2,000 of them again and again). With memory filled 1,000 events cost
//	         at most 1 SQL query and 10 Redis commands, the process stays below 400 MB, and a webhook that is disabled
//	         gets nothing from a second later on. Redis counts for the whole server: nothing else may use it.
//
// Dispatcher and receiver are processes of their own; this one publishes. Publishing is an open loop: each event has its
// moment, however far behind the rest is. That moment is its record's timestamp, and a latency is the time from it to
// the first byte of the request at the receiver, so that one clock measures both. Runs that are compared alternate, and
// a figure is the median of its runs: machines are noisy, ratios less so.
package main
