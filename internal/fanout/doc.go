// Package fanout is the heart of the dispatcher: it takes an event, finds the webhooks that want it, has each
// attempt made, decides what happens next and records every fact.
//
// It knows neither Kafka nor Redis nor SQL nor HTTP: each is a small interface in seams.go, declared here because
// this package is the caller, and implemented by a package that wire.go joins to it.
//
//	records ─▶ Intake ──match──▶ Scheduler ──start──▶ Engine.Attempt ──▶ Sender
//	             │                   │ park                │ Policy.Next
//	ladder ──▶ Returns ─────────────▶│                     ▼
//	             │                   └──────────▶ Ladder, Recorder ──ack──▶ Ticket.Done
//
// A first attempt, a retry, a resend and a test are the same act with another Trigger: one code path.
//
// # Invariants
//
//	no-gap      a Ticket is done only after Kafka acknowledged, for each matched webhook, a fact (final outcome, parked
//	            on the ladder, dead-lettered) and the record of the event itself.
//	same-body   the body is built once per event; every attempt of a delivery sends the same bytes.
//	one-row     each request on the wire has exactly one attempt record, whose id follows from delivery, chain and
//	            number, so that what a crash repeats folds into the same row.
//	no-overlap  attempts of one delivery never overlap.
//	bounded     what is held in memory is bounded in bytes and in number; the only reaction to exhaustion is to take
//	            no more records.
package fanout
