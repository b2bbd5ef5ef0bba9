package compact

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ticket counts what it is told.
type ticket struct {
	mu              sync.Mutex
	done, abandoned int
	lost            bool
}

func (t *ticket) Done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
}

func (t *ticket) Abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.abandoned++
}

func (t *ticket) Abandoned() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

func (t *ticket) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = true
}

// told is what became of the ticket: "done", "abandoned", or "" while it is open.
func (t *ticket) told() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.done+t.abandoned > 1:
		return fmt.Sprintf("done %d times, abandoned %d times", t.done, t.abandoned)
	case t.done == 1:
		return "done"
	case t.abandoned == 1:
		return "abandoned"
	}
	return ""
}

// folder is a database that fails as the test wants.
type folder struct {
	mu      sync.Mutex
	batches [][]store.Record
	fault   func(records []store.Record) error
	tries   atomic.Int64
}

func (f *folder) Fold(ctx context.Context, records []store.Record) error {
	f.tries.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		if err := f.fault(records); err != nil {
			return err
		}
	}
	f.batches = append(f.batches, records)
	return nil
}

func (f *folder) fail(fault func([]store.Record) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// sizes are the sizes of the batches that were folded.
func (f *folder) sizes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sizes []int
	for _, b := range f.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

func occurrence(i int) event.Occurrence {
	return event.Meta{Topic: "t", Offset: int64(i), Time: time.UnixMilli(1_800_000_000_000)}.Occurrence("ws")
}

// record is a Kafka record of the history topic that says rec.
func record(rec event.Record) *Record {
	return &Record{
		Source: event.Source{Topic: "history", Offset: 7}, Time: time.Now(), Key: []byte(rec.Key()), Value: rec.AppendJSON(nil),
		Headers: []Header{{event.HeaderRecordType, []byte(rec.RecordType())}}, Ticket: &ticket{},
	}
}

func delivery(i int) *Record {
	o := occurrence(i)
	return record(&event.DeliveryRecord{
		DeliveryID: o.DeliveryID("wh_1"), WebhookID: "wh_1", WorkspaceID: "ws", EventID: fmt.Sprintf("evt_%d", i), Occurrence: o,
		Chain: 1, Status: event.Pending, Cause: event.CauseQueueFull, At: time.UnixMilli(1_800_000_000_000),
	})
}

func deliveries(from, n int) []*Record {
	records := make([]*Record, n)
	for i := range records {
		records[i] = delivery(from + i)
	}
	return records
}

// outcomes counts what became of records' tickets.
func outcomes(records []*Record) map[string]int {
	n := map[string]int{}
	for _, r := range records {
		n[r.Ticket.(*ticket).told()]++
	}
	return n
}

func wantAll(t *testing.T, records []*Record, outcome string) {
	t.Helper()
	if got := outcomes(records); got[outcome] != len(records) {
		t.Errorf("tickets: %v, want all %d %q", got, len(records), outcome)
	}
}

// exposed is what reg shows a scraper, without histograms and explanations.
func exposed(reg *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var kept []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_seconds") && !strings.Contains(line, "batch_records") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// failedFolds reads the counter of transactions that failed.
func failedFolds(t *testing.T, reg *prometheus.Registry) (n int) {
	t.Helper()
	for line := range strings.Lines(exposed(reg)) {
		if _, err := fmt.Sscanf(line, "dispatcher_history_fold_errors_total %d", &n); err == nil {
			return n
		}
	}
	t.Fatal("no counter of failed folds")
	return 0
}

// start runs a compactor until the test ends.
func start(t *testing.T, cfg Config, f Folder) (c *Compactor, reg *prometheus.Registry, stop func()) {
	t.Helper()
	reg = prometheus.NewPedanticRegistry()
	c, err := New(cfg, f, NewMetrics(reg), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return c, reg, stop
}

func handle(t *testing.T, c *Compactor, records []*Record) {
	t.Helper()
	if err := c.Handle(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}
