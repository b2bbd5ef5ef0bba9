package retry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// world is what surrounds Returns: Kafka, the engine and the database.
type world struct {
	t *testing.T
	*Returns
	ladder *Ladder

	mu        sync.Mutex
	offset    int64
	topics    map[string][]*fanout.Record // what was produced
	refuse    error                       // what producing comes to
	admitted  map[string]time.Time
	cancelled map[string]event.Cause
	full      bool // Admit and room wait until ctx ends
	asked     [][]string
	lowest    map[string]int
	noSQL     bool
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, topics: map[string][]*fanout.Record{}, admitted: map[string]time.Time{}, cancelled: map[string]event.Cause{},
		lowest: map[string]int{},
	}
	w.ladder = NewLadder(prefix, w)
	w.Returns = NewReturns(Config{Prefix: prefix}, Parts{Ladder: w.ladder, Admission: w, Overrides: w, Room: w.room},
		NewMetrics(prometheus.NewPedanticRegistry()), zap.NewNop())
	return w
}

func (w *world) Produce(topic string, key, value []byte, headers []fanout.RecordHeader, ack fanout.Ack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse == nil {
		w.offset++
		w.topics[topic] = append(w.topics[topic], &fanout.Record{
			Source: event.Source{Topic: topic, Offset: w.offset}, Time: time.Now().Truncate(time.Millisecond),
			Key: key, Value: value, Headers: headers, Ticket: &ticket{},
		})
	}
	ack.Acked(w.refuse)
}

func (w *world) Admit(ctx context.Context, d *fanout.Delivery, t fanout.Ticket) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		<-ctx.Done()
		t.Abandon()
		return ctx.Err()
	}
	w.admitted[d.ID] = time.Now()
	t.Done()
	return nil
}

func (w *world) room(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (w *world) Cancel(_ context.Context, d *fanout.Delivery, t fanout.Ticket, why event.Cause) error {
	w.cancelled[d.ID] = why
	t.Done()
	return nil
}

func (w *world) Lookup(ctx context.Context, ids []string) (map[string]int, error) {
	w.asked = append(w.asked, ids)
	if w.noSQL {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.lowest, nil
}

type noAck struct{}

func (noAck) Acked(error) {}

// put parks a delivery and returns its record.
func (w *world) put(id string, due time.Time) *fanout.Record {
	w.t.Helper()
	topic := Topics(prefix)[rungFor(time.Until(due))]
	d := delivery(id, due)
	w.ladder.Park(d, noAck{})
	of := w.topics[topic]
	return of[len(of)-1]
}

func (w *world) handle(records ...*fanout.Record) {
	w.t.Helper()
	if err := w.Handle(w.t.Context(), records); err != nil {
		w.t.Fatal(err)
	}
}

func settled(t *testing.T, done bool, records ...*fanout.Record) {
	t.Helper()
	for _, r := range records {
		got := *r.Ticket.(*ticket)
		if want := (ticket{done: 1}); done && got != want {
			t.Errorf("%s at %d: %+v, want it done", r.Key, r.Source.Offset, got)
		}
		if want := (ticket{abandoned: 1}); !done && got != want {
			t.Errorf("%s at %d: %+v, want it abandoned", r.Key, r.Source.Offset, got)
		}
	}
}

// TestHeldToDue: records are admitted at their due times, in order, those that are due together with one look-up.
func TestHeldToDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		due := time.Now().Add(5 * time.Second)
		a, b := w.put("dlv_a", due), w.put("dlv_b", due)
		c := w.put("dlv_c", due.Add(400*time.Millisecond))
		w.handle(a, b, c)
		for id, want := range map[string]time.Time{"dlv_a": due, "dlv_b": due, "dlv_c": due.Add(400 * time.Millisecond)} {
			if got := w.admitted[id]; !got.Equal(want) {
				t.Errorf("%s admitted at %v, due at %v", id, got, want)
			}
		}
		if want := [][]string{{"dlv_a", "dlv_b"}, {"dlv_c"}}; !slices.EqualFunc(w.asked, want, slices.Equal[[]string]) {
			t.Errorf("looked up %q, want %q", w.asked, want)
		}
		settled(t, true, a, b, c)
	})
}

// climb handles what is on the ladder, one rung after the other as they fall due, until nothing is left.
func (w *world) climb() (hops int) {
	for {
		var of []*fanout.Record
		for topic, records := range w.topics {
			if len(records) > 0 {
				of = records
				w.topics[topic] = nil
				break
			}
		}
		if of == nil {
			return hops
		}
		w.handle(of...)
		settled(w.t, true, of...)
		hops++
	}
}

// TestLongDelay goes down the ladder, keeps its body and arrives on time.
func TestLongDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		due := time.Now().Add(26*time.Hour + 7*time.Minute + 3*time.Second)
		w.put("dlv_a", due)
		hops := w.climb()
		if got := w.admitted["dlv_a"]; got.Before(due) || got.Sub(due) > time.Second {
			t.Fatalf("admitted at %v after %d rungs, due at %v", got, hops, due)
		}
		if hops < 3 || hops > 12 {
			t.Errorf("%d rungs", hops)
		}
	})
}

// TestRestarts: a reader that ends while it holds a record abandons it, and the next one admits it at the same time.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		due := time.Now().Add(5 * time.Minute)
		rec := w.put("dlv_a", due)
		behind := w.put("dlv_b", due.Add(10*time.Second))
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			if err := w.Handle(ctx, []*fanout.Record{rec, behind}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			settled(t, false, rec, behind)
			rec.Ticket, behind.Ticket = &ticket{}, &ticket{}
		}
		w.handle(rec, behind)
		if got := w.admitted["dlv_a"]; !got.Equal(due) {
			t.Fatalf("admitted at %v, due at %v", got, due)
		}
	})
}

// TestFullHouse: a reader that ends while it waits for room abandons each of its records once.
func TestFullHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.full = true
		a, b, c := w.put("dlv_a", time.Now()), w.put("dlv_b", time.Now()), w.put("dlv_c", time.Now().Add(time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Handle(ctx, []*fanout.Record{a, b, c}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		settled(t, false, a, b, c)
	})
}

// TestFullProducer: no record goes to another rung while the producer is full.
func TestFullProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.full = true
		a, b := w.put("dlv_a", time.Now().Add(20*time.Second)), w.put("dlv_b", time.Now().Add(20*time.Second))
		written := w.offset
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Handle(ctx, []*fanout.Record{a, b}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		settled(t, false, a, b)
		if w.offset != written {
			t.Error("written all the same")
		}
	})
}

func TestOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lowest = map[string]int{"dlv_cancelled": fanout.MaxChain, "dlv_old": 3, "dlv_new": 2}
		now := time.Now()
		records := []*fanout.Record{w.put("dlv_cancelled", now), w.put("dlv_old", now), w.put("dlv_new", now)} // chain 2
		w.handle(records...)
		settled(t, true, records...)
		if _, ok := w.admitted["dlv_new"]; !ok || len(w.admitted) != 1 {
			t.Errorf("admitted %v, want the valid chain only", w.admitted)
		}
		if w.cancelled["dlv_cancelled"] != event.CauseByUser || len(w.cancelled) != 1 {
			t.Errorf("cancelled %v", w.cancelled)
		}
	})
}

// TestWithoutSQL: retries go on, a look-up's time later.
func TestWithoutSQL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.noSQL = true
		due := time.Now().Add(5 * time.Second)
		w.handle(w.put("dlv_a", due))
		if got := w.admitted["dlv_a"]; got.Before(due) || got.Sub(due) > time.Second {
			t.Fatalf("admitted at %v, due at %v", got, due)
		}
	})
}

// TestCopies: two records of one attempt become one request; both are done.
func TestCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.put("dlv_a", time.Now()), w.put("dlv_a", time.Now())
		w.handle(a)
		delete(w.admitted, "dlv_a")
		w.handle(b)
		settled(t, true, a, b)
		if len(w.admitted) != 0 {
			t.Error("a copy was admitted")
		}
	})
}

// TestCopiesOfABatch: of two records of a step that are read together, the second is dropped before the first is due, and
// the first goes back to its partition when that is lost.
func TestCopiesOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.put("dlv_a", time.Now().Add(time.Hour)), w.put("dlv_a", time.Now().Add(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Handle(ctx, []*fanout.Record{first, second}); err == nil {
			t.Fatal("a record was admitted before it was due")
		}
		settled(t, false, first)
		settled(t, true, second)
		if len(w.admitted) != 0 {
			t.Errorf("admitted %v", w.admitted)
		}
	})
}

// TestLeftBehind: records that a crash left of a delivery which has gone on become no request, and are done.
func TestLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		left := w.put("dlv_a", time.Now())
		next := delivery("dlv_a", time.Now().Add(time.Hour))
		next.Parked++
		w.ladder.Park(next, noAck{})
		w.handle(left)
		settled(t, true, left)
		if len(w.admitted) != 0 {
			t.Error("a delivery that was parked since was admitted")
		}
		b := w.put("dlv_b", time.Now())
		w.handle(b)
		later := delivery("dlv_b", time.Now())
		later.Parked++
		w.ladder.Park(later, noAck{})
		delete(w.admitted, "dlv_b")
		w.handle(w.topics[prefix+".1s"][len(w.topics[prefix+".1s"])-1])
		if len(w.admitted) != 0 {
			t.Error("an attempt was repeated that was settled")
		}
	})
}

// TestCommand: what Order writes is due at once, whatever its due time.
func TestCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		Order(w, "voxagent.webhook.commands", delivery("dlv_a", time.Time{}), noAck{})
		now := time.Now()
		w.handle(w.topics["voxagent.webhook.commands"]...)
		if got := w.admitted["dlv_a"]; !got.Equal(now) {
			t.Fatalf("admitted at %v, ordered at %v", got, now)
		}
	})
}

// TestHopThatIsRefused is not done: the record stays for the next reader.
func TestHopThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec := w.put("dlv_a", time.Now().Add(20*time.Second))
		w.refuse = errors.New("closed")
		w.handle(rec)
		settled(t, false, rec)
	})
}

// TestPoison is passed, counted, and does not keep others.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bad := &fanout.Record{Source: event.Source{Topic: prefix + ".5s"}, Key: []byte("x"), Ticket: &ticket{}}
		good := w.put("dlv_a", time.Now())
		w.handle(bad, good)
		settled(t, true, bad, good)
		if len(w.admitted) != 1 {
			t.Error("the record behind was not admitted")
		}
	})
}
