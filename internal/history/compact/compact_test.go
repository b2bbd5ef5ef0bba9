package compact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &folder{}
		c, _, stop := start(t, Config{}, f)
		defer stop()
		begun := time.Now()
		first := deliveries(0, 3)
		handle(t, c, first)
		time.Sleep(49 * time.Millisecond)
		synctest.Wait()
		if got := f.sizes(); len(got) != 0 {
			t.Fatalf("folded %v after %s", got, time.Since(begun))
		}
		more := deliveries(3, 2)
		handle(t, c, more)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := f.sizes(); !slices.Equal(got, []int{5}) {
			t.Fatalf("folded %v after %s, want one batch of 5", got, time.Since(begun))
		}
		wantAll(t, append(first, more...), "done")
	})
}

func TestFullBatchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &folder{}
		c, _, stop := start(t, Config{Fill: 10, MaxBatch: 15}, f)
		defer stop()
		handle(t, c, deliveries(0, 10))
		synctest.Wait() // no time has passed
		if got := f.sizes(); !slices.Equal(got, []int{10}) {
			t.Errorf("folded %v, want one batch of 10", got)
		}
	})
}

// TestBehind lets records pile up behind a slow batch: the next one is as large as allowed.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &folder{fault: func([]store.Record) error { <-release; return nil }}
		c, _, stop := start(t, Config{Fill: 10, MaxBatch: 50}, f)
		defer stop()
		records := deliveries(0, 10)
		handle(t, c, records)
		synctest.Wait()
		more := deliveries(10, 70)
		handle(t, c, more)
		close(release)
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if got := f.sizes(); !slices.Equal(got, []int{10, 50, 20}) {
			t.Errorf("folded %v, want 10, 50, 20", got)
		}
		wantAll(t, append(records, more...), "done")
	})
}

var errAway = errors.New("database is away")

// TestOutage: nothing is skipped while the database is away, Handle blocks when enough is held, and all is folded after.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &folder{fault: func([]store.Record) error { return errAway }}
		one := delivery(0)
		fact := store.Record{History: &event.DeliveryRecord{}}
		cfg := Config{MaxBytes: 5 * weigh(one, &fact)}
		c, reg, stop := start(t, cfg, f)
		defer stop()
		records := deliveries(0, 20)
		handled := make(chan error, 1)
		go func() { handled <- c.Handle(t.Context(), records) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case err := <-handled:
			t.Fatalf("Handle returned %v while the database was away", err)
		default:
		}
		wantAll(t, records, "")
		if held := c.queue.held(); held > cfg.MaxBytes || held == 0 {
			t.Errorf("%d bytes held, want at most %d", held, cfg.MaxBytes)
		}
		if n := f.tries.Load(); n < 3600/6 || n > 3600/4+20 {
			t.Errorf("%d tries in an hour, want one in about 5 s", n)
		}
		if got, want := exposed(reg), fmt.Sprintf("dispatcher_history_fold_errors_total %d\n", f.tries.Load()); !strings.Contains(got, want) {
			t.Errorf("metrics lack %q:\n%s", want, got)
		}
		f.fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := <-handled; err != nil {
			t.Fatal(err)
		}
		wantAll(t, records, "done")
	})
}

// TestHangingDatabase: a transaction without an answer is given up and tried again.
func TestHangingDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hanging
		c, _, stop := start(t, Config{}, &h)
		defer stop()
		records := deliveries(0, 2)
		handle(t, c, records)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		wantAll(t, records, "done")
	})
}

// hanging does not answer the first time.
type hanging struct{ asked bool }

func (h *hanging) Fold(ctx context.Context, _ []store.Record) error {
	if h.asked {
		return nil
	}
	h.asked = true
	<-ctx.Done()
	return ctx.Err()
}

// TestRefusedRecord: the database refuses one of many; the others are folded, it alone is skipped.
func TestRefusedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := occurrence(37)
		folds := 0
		f := &folder{fault: func(records []store.Record) error {
			folds++
			for _, r := range records {
				if r.History.(*event.DeliveryRecord).Occurrence == bad {
					return fmt.Errorf("fold: %w", &pgconn.PgError{Code: "54000"})
				}
			}
			return nil
		}}
		c, reg, stop := start(t, Config{}, f)
		defer stop()
		records := deliveries(0, 100)
		handle(t, c, records)
		time.Sleep(time.Second)
		synctest.Wait()
		wantAll(t, records, "done")
		total := 0
		for _, n := range f.sizes() {
			total += n
		}
		if total != 99 || folds > 16 {
			t.Errorf("%d records in %d transactions, want 99 in at most 16", total, folds)
		}
		if got, want := exposed(reg), `dispatcher_history_skipped_total{reason="refused"} 1`; !strings.Contains(got, want) {
			t.Errorf("metrics lack %q:\n%s", want, got)
		}
	})
}

func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &folder{}
		c, reg, stop := start(t, Config{PayloadTopic: "payloads"}, f)
		defer stop()
		o := occurrence(1)
		payloadOf := func(key, value string) *Record {
			return &Record{Source: event.Source{Topic: "payloads"}, Key: []byte(key), Value: []byte(value), Ticket: &ticket{}}
		}
		changed := func(change func(r *Record)) *Record {
			r := delivery(1)
			change(r)
			return r
		}
		bad := []*Record{
			changed(func(r *Record) { r.Headers = nil }),
			changed(func(r *Record) { r.Headers[0].Value = []byte("future") }),
			changed(func(r *Record) { r.Value = nil }),
			changed(func(r *Record) { r.Value = []byte(`{"delivery_id":`) }),
			changed(func(r *Record) { r.Value = []byte(`[]`) }),
			changed(func(r *Record) { r.Value = []byte(`{}`) }),
			changed(func(r *Record) { r.Value = []byte("\x00\xff") }),
			record(&event.DeliveryRecord{DeliveryID: "dlv_x", WebhookID: "w", WorkspaceID: "ws", EventID: "e", Occurrence: o, At: time.Now()}),
			record(&event.AttemptRecord{ID: "att_1", WorkspaceID: "ws"}),
			record(&event.EventRecord{EventID: "e", WorkspaceID: "ws"}),
			record(&event.EventRecord{EventID: "e", WorkspaceID: "ws", Occurrence: o, Matched: []event.Match{{WebhookID: "w"}}}),
			record(&event.ErasureRecord{WorkspaceID: "ws", At: time.Now()}),
			record(&event.WebhookRecord{WorkspaceID: "ws", WebhookID: "w", At: time.Now()}),
			payloadOf("not an occurrence", "{}"),
			payloadOf(o.String(), ""),
		}
		good := []*Record{payloadOf(o.String(), "{}"), delivery(2)}
		handle(t, c, append(bad, good...))
		wantAll(t, bad, "done") // at once: they do not wait for the store
		time.Sleep(time.Second)
		synctest.Wait()
		wantAll(t, good, "done")
		if got := f.sizes(); !slices.Equal(got, []int{2}) {
			t.Errorf("folded %v, want the two good ones", got)
		}
		want := `dispatcher_history_fold_errors_total 0
dispatcher_history_folded_total{type="delivery"} 1
dispatcher_history_folded_total{type="payload"} 1
dispatcher_history_held_bytes 0
dispatcher_history_skipped_total{reason="bad_key"} 1
dispatcher_history_skipped_total{reason="bad_value"} 12
dispatcher_history_skipped_total{reason="unknown_type"} 2
`
		if got := exposed(reg); got != want {
			t.Errorf("metrics are:\n%s\nwant:\n%s", got, want)
		}
	})
}

// TestLostPartition: what another process owns by now is not folded.
func TestLostPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &folder{}
		c, _, stop := start(t, Config{}, f)
		defer stop()
		lost, kept := deliveries(0, 4), deliveries(4, 4)
		handle(t, c, lost)
		handle(t, c, kept)
		for _, r := range lost {
			r.Ticket.(*ticket).lose()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantAll(t, lost, "abandoned")
		wantAll(t, kept, "done")
		if got := f.sizes(); !slices.Equal(got, []int{4}) {
			t.Errorf("folded %v", got)
		}
	})
}

// TestStop: what was not folded is abandoned, also what a blocked Handle had not taken yet.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &folder{fault: func([]store.Record) error { return errAway }}
		c, _, stop := start(t, Config{MaxBytes: 1}, f)
		ctx, cancel := context.WithCancel(t.Context())
		records := deliveries(0, 5)
		handled := make(chan error, 1)
		go func() { handled <- c.Handle(ctx, records) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-handled; !errors.Is(err, context.Canceled) {
			t.Errorf("Handle returned %v", err)
		}
		stop()
		wantAll(t, records, "abandoned")
	})
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{Fill: -1}, {Fill: 10, MaxBatch: 5}, {Linger: -1}, {MaxBytes: -1}, {Timeout: -1}} {
		if _, err := New(cfg, &folder{}, NewMetrics(nil), zap.NewNop()); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
