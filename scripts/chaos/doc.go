// Command chaos breaks a whole installation at random, under load, and proves that nothing was lost.
//
//	make chaos                                  # a few rounds
//	CHAOS_ROUNDS=50 make chaos                  # many
//	CHAOS_SEED=17 CHAOS_ROUNDS=1 make chaos     # the round with seed 17 again
//
// The installation is real: three Kafka brokers, Redis, PostgreSQL and three `dispatcher serve`, each a process of its own,
// and a Toxiproxy between each dispatcher and each service, so that one dispatcher can be cut off while the others go on.
//
//	publisher ──acks=all──▶ brokers ◀──┐                   ┌──▶ receivers (in this process)
//	                          Redis ◀──┼── proxies ◀── dispatchers
//	                     PostgreSQL ◀──┘
//
// The first round has no faults; nothing may be repeated in it. Each round makes webhooks of its own, publishes events to them
// for some seconds, and meanwhile applies the faults that its seed gives (faults.go): kill -9 and SIGTERM of dispatchers,
// dispatchers frozen for longer than their session, kill -9 of brokers, Redis and PostgreSQL, Redis emptied, connections
// delayed, throttled, stalled, reset or refused. Then it waits until every delivery has ended in history and no group has
// lag, and reads what there is to be read (evidence.go): what Kafka acknowledged, what the topics hold, what the receivers
// saw, what history says. The judgement over that evidence is a pure function (judge.go):
//
//	lost       an acknowledged event of which a webhook got no 2xx and history tells no final failure
//	missing    an attempt that a receiver saw and that has not exactly one row in history
//	repeats    an attempt that a receiver saw twice: allowed only for what a dispatcher had open, or had ended within the
//	           last commit interval, when it was killed, frozen or cut off from Kafka; repeats.go counts them for each
//	strange    whatever else must not be: another body, a gap in the numbers, a foreign webhook, a row of a request that
//	           nobody got, a dispatcher that ended by itself
//
// The first round's evidence is judged a second time with two deliveries and two history rows taken away, which must be
// found: a judge that sees nothing would otherwise look like success. -lose loses events of every round.
package main
