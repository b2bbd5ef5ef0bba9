// Package simulation runs whole dispatchers, from the source topic to the acknowledged history, inside one bubble of fake
// time: the embedded broker on its virtual network, several instances of the pipeline as cmd/dispatcher wires it, and
// receivers that are functions. Days of retries pass in seconds, while a seeded schedule of faults cuts connections,
// crashes instances, moves leaders, has brokers refuse and receivers hang.
//
// There is no code here besides tests. A ledger watches every seam (what was handed out, sent, acknowledged and committed)
// and says which promise was broken:
//
//	lost        each published event is, for each webhook, delivered or ends as a recorded failure.
//	unrecorded  each request that a receiver saw has its attempt record.
//	overlap     attempts of one delivery never overlap, but for such repetitions.
//	body        all attempts of a delivery send the same bytes under the same event id.
//	early       no attempt starts before its due time.
//	late        none starts later than a tenth of its delay and a second after that, while nothing is broken.
//	commit      no committed offset, and no bit above it, stands for a record with an unfinished part.
//	duplicate   an attempt is repeated only if a fault struck while a record of it was open, or before its end was
//	            committed; each record that is handed out again as of that allows one repetition.
//	stuck       in the end everything is committed and no byte of the budget is held.
//
// The schedule of faults follows from the seed; how goroutines interleave does not, so a seed that failed may need several
// runs to fail again.
//
// A violation is reported with its delivery's trail (what was handed out, written, acknowledged, requested and committed)
// and with what the instances logged around it.
//
//	make simulation                     ten seeds of the default schedule; SIM_SEEDS=100 for more
//	SIM_SEED=17 go test ./internal/simulation -run TestSimulation -v
//
// Under the race detector, so in make test, the plan is one of hours instead of days.
package simulation
