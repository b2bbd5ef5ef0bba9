package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// mostHooks is how many webhooks an event has at most: what a record of a source topic may repeat.
const mostHooks = 2

// openWork asks a dispatcher how many requests a crash at this moment would repeat at most: those of the records that it has
// taken and not finished, and of those that it finished since its last commit.
func openWork(ctx context.Context, d *dispatcher) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	page, err := call(ctx, http.MethodGet, d.ops+"/metrics", "", nil)
	if err != nil {
		return 0, err
	}
	sum := 0
	for line := range strings.Lines(string(page)) {
		records, isRecords := metric(line, "dispatcher_consumer_open_records", "dispatcher_consumer_uncommitted_records")
		switch {
		case !isRecords, strings.Contains(line, prefix+`-history"`):
		case strings.Contains(line, prefix+`-dispatcher-retry"`):
			sum += records
		default:
			sum += mostHooks * records
		}
	}
	return sum, nil
}

// metric reads a line's value if it is of one of the metrics.
func metric(line string, names ...string) (int, bool) {
	for _, name := range names {
		if !strings.HasPrefix(line, name+"{") {
			continue
		}
		_, value, ok := strings.Cut(line, "} ")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return int(n), ok && err == nil
	}
	return 0, false
}

// kill asks the dispatcher for its open work and kills it.
func (w *world) kill(ctx context.Context, d *dispatcher) error {
	asked := time.Now()
	allowed, err := openWork(ctx, d)
	if err != nil {
		allowed = -1 // it is just starting: what the receivers saw has to do
	}
	name, err := d.kill()
	if err != nil {
		return fmt.Errorf("kill dispatcher %d: %w", d.number, err)
	}
	if allowed >= 0 {
		allowed += w.receiver.since(name, asked)
	}
	now := time.Now()
	w.disturbed(disturbance{what: byKill, sender: name, from: now, to: now, allowed: allowed})
	return nil
}
