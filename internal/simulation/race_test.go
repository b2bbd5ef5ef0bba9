//go:build race

package simulation

import "time"

const usualSeeds = 3

// usual is a plan of hours: what the race detector, which makes all of it many times slower, can follow in the time that
// tests have.
func usual(seed uint64) plan {
	return plan{
		seed: seed, schedule: "5s,5m,30m", workspaces: 3, events: 50, spread: time.Hour, instances: 1 + int(seed%3),
		faults: randomFaults(12),
	}
}
