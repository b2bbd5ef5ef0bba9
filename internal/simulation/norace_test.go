//go:build !race

package simulation

import "time"

const usualSeeds = 10

// usual is the default schedule for 1,000 deliveries.
func usual(seed uint64) plan {
	return plan{
		seed: seed, schedule: defaultSchedule, workspaces: 5, events: 250, spread: 12 * time.Hour, instances: 1 + int(seed%3),
		faults: randomFaults(40),
	}
}
