package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

// BenchmarkFold folds attempts as a busy dispatcher records them, in batches by one writer: for each attempt an event
// record beside it, one of ten failed, a response body of 200 bytes.
//
//	go test -run '^$' -bench Fold -benchtime 10s ./internal/history/store
func BenchmarkFold(b *testing.B) {
	for _, size := range []int{300, 2000} {
		b.Run(fmt.Sprintf("sqlite/%d", size), func(b *testing.B) { benchmarkFold(b, open(b, "sqlite::memory:"), size) })
		b.Run(fmt.Sprintf("postgres/%d", size), func(b *testing.B) { benchmarkFold(b, open(b, testenv.Postgres(b)), size) })
	}
}

func benchmarkFold(b *testing.B, s *Store, size int) {
	body := event.Text(fmt.Sprintf("%0200d", 7))
	offset, attempts := 0, 0
	for b.Loop() {
		b.StopTimer()
		records := make([]Record, 0, size)
		for len(records) < size {
			offset++
			st := story{
				workspace: fmt.Sprint("ws_", offset%100), eventID: fmt.Sprint("evt_", offset), session: fmt.Sprint("session-", offset/7),
				offset: offset, at: now.Add(time.Duration(offset) * time.Millisecond),
			}
			webhook := fmt.Sprint("wh_", offset%100)
			status := 200
			if offset%10 == 0 {
				status = 500
			}
			r := st.attempt(webhook, 1, status, 20*time.Millisecond)
			r.Response.Body = body
			records = append(records, history(st.event(1, webhook)), history(r))
		}
		attempts += size / 2
		b.StartTimer()
		fold(b, s, records...)
	}
	b.ReportMetric(float64(attempts)/b.Elapsed().Seconds(), "attempts/s")
}
