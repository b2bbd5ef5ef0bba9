package retry

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schedule is the delays between a delivery's attempts: after the first attempt comes Schedule[0]. It is immutable.
type Schedule []time.Duration

// Bounds of a schedule.
const (
	maxSteps = 64
	minDelay = time.Second
	maxDelay = 7 * 24 * time.Hour
)

// ParseSchedule reads delays such as "5s,5m,30m,2h"; "" is a schedule without retries.
func ParseSchedule(text string) (Schedule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var s Schedule
	for part := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q is not a delay such as 5s or 2h", part)
		}
		if d < minDelay || d > maxDelay {
			return nil, fmt.Errorf("delay %s: want %s to %s", d, minDelay, maxDelay)
		}
		s = append(s, d)
	}
	if len(s) > maxSteps {
		return nil, errors.New("more than 64 delays")
	}
	return s, nil
}

// Sum is the longest that the schedule's delays can be together: each with its full jitter.
func (s Schedule) Sum() time.Duration {
	var sum time.Duration
	for _, d := range s {
		sum += d + d/jitterShare
	}
	return sum
}

// String is what ParseSchedule reads.
func (s Schedule) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = short(d)
	}
	return strings.Join(parts, ",")
}

// short writes a delay as people do: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
