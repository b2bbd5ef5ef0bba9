// Package health judges how webhooks fare: it says that one is failing, that it has recovered, and disables one after too
// long a run of nothing but failures. It runs in the history role and judges by what history stores.
//
//	history: webhooks touched since the last round ──┐
//	                                                 ├─▶ Judge ──▶ webhook store: health, disabled
//	webhook store: webhooks that are failing ────────┘
//
// [Judge] is the rule, a pure function. [Watcher] makes rounds: it reads the few webhooks whose last attempt failed and
// that history learnt something of since the last round, and those that are failing already; never those that are well.
//
// # The rule
//
// A run begins with the first failure after the last success and lasts to the last failure, so silence is no failure: a
// webhook that got no event since is judged by what it did, not by the clock. A run of FailingAfter (five minutes by
// default, which a receiver that restarts does not reach, and the third attempt of a delivery by the default schedule
// does) makes it failing; any later success makes it ok again; a run of DisableAfter (five days) disables it. Tests take
// no part. Enabling a webhook again, or giving it another URL, begins anew: earlier attempts do not count any more.
//
// # Invariants
//
//	once     what a judgement changes is one conditional statement in SQL; only the process whose statement changed the
//	         row owes the notice. Any number of processes may judge at once.
//	fresh    a judgement that began before the webhook was enabled again, or got another URL, changes nothing.
//	ordered  a webhook is failing before it is disabled for failing, however late it is judged.
//
// It writes no Kafka records: the webhook store notes what a change owes in the change's transaction, and
// internal/courier carries it.
//
// The smallest use:
//
//	w, err := health.New(health.Config{Limits: limits}, health.Ports{History: history, Webhooks: webhooks, Acts: webhooks}, log)
//	err = w.Run(ctx)
package health
