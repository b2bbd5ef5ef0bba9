// Package schedule decides which delivery is attempted next, so that a dead, slow or flooded webhook costs its owner
// only: never a neighbour, never a worker, never a partition's progress.
//
//	Offer ──▶ paused? breaker open? queue full? beyond its rate? ──yes──▶ Work.Park (the ladder)
//	              │ no                                                        ▲
//	              ▼                                                           │ not started within Config.Spill
//	        webhook's queue ──▶ lane ──▶ workspace's turn ──▶ webhook's turn ─┴─▶ Work.Attempt
//
// The rules live in core, which knows no clock, goroutine, lock or log: time is an argument, randomness a seed. The
// Scheduler around it is one mutex, a pool of workers that are used again, and one goroutine with a timer.
//
// # Fairness
//
// Workspaces take turns, and within a workspace its webhooks do: deficit round robin, one turn for each start. A start
// is charged by its bytes and by the time that it will hold a slot (latency × slots already held), so a webhook that is
// slow gets up to maxCost times fewer turns than one that is quick, but only while others want the slots. A turn is
// O(1) and only webhooks that could start at once are in the ring: a million idle ones cost nothing.
//
// A webhook is proven while its attempts are answered; one that never answered, or stopped doing so, is on probation.
// Lanes keep the two apart: all webhooks on probation together get half of the slots for their first attempts, a quarter
// for others, and a quarter of the bytes. However many receivers accept and never answer, half of the slots stay with
// those that do, and one that has yet to prove itself does not wait for those that hold slots in silence.
//
// # Invariants
//
//	once      each offered delivery is answered by exactly one of Attempt, Park and Drop.
//	bounded   attempts in flight never exceed Config.MaxInFlight, a webhook's never its limit (10 at first, 64 or a tenth
//	          of MaxInFlight at most), probation's never half of MaxInFlight.
//	spill     nothing waits longer than Config.Spill: then it is parked.
//	turns     of k webhooks of equal cost that could start, each is served within k starts of its lane.
//	forgetful what is kept of webhooks without work is bounded in number and in time.
//
// The smallest use:
//
//	s, err := schedule.New(schedule.Config{}, engine)
//	go s.Run(ctx)
//	s.Offer(delivery)
package schedule
