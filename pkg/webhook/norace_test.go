//go:build !race

package webhook_test

// raceEnabled tells whether the race detector is on.
const raceEnabled = false
