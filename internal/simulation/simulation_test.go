package simulation

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestOneInstanceWithoutFaults(t *testing.T) {
	simulate(t, plan{
		seed: 1, schedule: defaultSchedule, workspaces: 5, events: 50, spread: time.Hour, instances: 1,
	}).report(t)
}

// seeds are those of SIM_SEED, or the first SIM_SEEDS, or the usual number.
func seeds(t *testing.T) []uint64 {
	t.Helper()
	number := func(name string) (uint64, bool) {
		text, ok := os.LookupEnv(name)
		if !ok {
			return 0, false
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n, true
	}
	if one, ok := number("SIM_SEED"); ok {
		return []uint64{one}
	}
	n, ok := number("SIM_SEEDS")
	if !ok {
		n = usualSeeds
	}
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i) + 1
	}
	return all
}

// met are seeds that failed once, by a fault of the product or of the judge. They are run beside the others.
var met = []uint64{6, 8, 12, 62}

func TestSimulation(t *testing.T) {
	all := seeds(t)
	if _, one := os.LookupEnv("SIM_SEED"); !one {
		all = append(all, met...)
	}
	slices.Sort(all)
	for _, seed := range slices.Compact(all) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			r := simulate(t, usual(seed))
			t.Logf("%d deliveries, %d requests, %d repeated, %d faults in %v", r.finals, len(r.requests), r.repeated,
				len(r.faults), time.Since(start).Round(time.Millisecond))
			r.report(t)
		})
	}
}
