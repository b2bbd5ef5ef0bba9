package notice

import (
	"fmt"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Lost is the notice that records of a source topic were deleted before they were read: those from first up to (not
// including) next, which is negative when nobody knows, since the topic was made anew. Its id follows from these alone,
// not from the time: whoever finds the same gap again, after a crash, writes the same notice.
func Lost(first event.Source, next int64, now time.Time) *event.Notice {
	n := &event.Notice{
		ID: event.NoticeID(event.NoticeEventsLost, time.UnixMilli(0), first.Topic, strconv.Itoa(first.Partition),
			strconv.FormatInt(first.Offset, 10), strconv.FormatInt(next, 10)),
		Type: event.NoticeEventsLost, Timestamp: now, Source: first,
		Detail: "The topic was deleted and made again; what it held and was not read is lost.",
	}
	if next >= 0 {
		n.Count = next - first.Offset
		n.Detail = fmt.Sprintf("Kafka deleted %d records before they were read; reading goes on at offset %d.", n.Count, next)
	}
	return n
}
