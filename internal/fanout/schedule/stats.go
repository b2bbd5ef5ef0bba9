package schedule

import (
	"sort"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// waitBounds are the upper bounds of the buckets in which waiting times are counted.
var waitBounds = [...]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// causes are those for which the scheduler parks.
var causes = [...]event.Cause{
	event.CauseQueueFull, event.CauseBreakerOpen, event.CauseRateLimited, event.CauseRetryAfter,
}

// stats counts what core did.
type stats struct {
	breakers int
	parked   [len(causes)]uint64
	dropped  uint64
	started  uint64
	waits    [len(waitBounds) + 1]uint64
	waited   int64
}

func (s *stats) start(waited int64) {
	s.started++
	s.waited += waited
	s.waits[sort.Search(len(waitBounds), func(i int) bool { return waited <= int64(waitBounds[i]) })]++
}

func (s *stats) park(cause event.Cause) {
	for i := range causes {
		if causes[i] == cause {
			s.parked[i]++
		}
	}
}
