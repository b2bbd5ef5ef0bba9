package simulation

import (
	"bytes"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
)

// first is where every delivery begins.
var first = step{1, 1, 0}

// mark is a due time that was given to a delivery.
type mark struct {
	delivery string
	step     step
	due      int64 // Unix milliseconds
}

// handed is a record that was handed to an intake.
type handed struct {
	occurrence event.Occurrence // of a source record
	delivery   string           // of a ladder record
	step       step
	owner      *life
	at         time.Time
	passed     bool // somebody committed that it is done
}

// facts are what Kafka acknowledged about a delivery.
type facts struct {
	attempts map[[2]int]bool        // whether the attempt was the delivery's last
	moved    map[step]time.Time     // when what follows from the step was acknowledged
	written  map[step]bool          // given to a producer
	ladder   map[step]int           // copies acknowledged
	took     map[step]time.Duration // how long Kafka took for the slowest of them
	handed   map[step]int           // copies handed out, by distinct offsets
	holder   map[step]*handed       // the copy that was handed out last
	passed   map[step]int           // copies that were committed without progress: hops and dropped copies
	ended    bool
	final    bool
}

type eventFacts struct {
	matched [][]string // the deliveries that each event record named
	payload bool
}

func (l *ledger) delivery(id string) *facts {
	f, ok := l.deliveries[id]
	if !ok {
		f = &facts{
			attempts: make(map[[2]int]bool), moved: make(map[step]time.Time), written: make(map[step]bool), ladder: make(map[step]int),
			took: make(map[step]time.Duration), handed: make(map[step]int), holder: make(map[step]*handed), passed: make(map[step]int),
		}
		l.deliveries[id] = f
	}
	return f
}

// move notes the steps from which what follows is durable by now.
func (f *facts) move() {
	f.moveFrom(first)
	for at := range f.handed {
		f.moveFrom(at)
	}
}

func (f *facts) moveFrom(at step) {
	if _, ok := f.moved[at]; !ok && f.progress(at) {
		f.moved[at] = time.Now()
	}
}

func (l *ledger) event(o event.Occurrence) *eventFacts {
	e, ok := l.events[o]
	if !ok {
		e = new(eventFacts)
		l.events[o] = e
	}
	return e
}

// watch decorates a producer: what is acknowledged becomes a fact.
func (l *ledger) watch(who *life, next produce) produce {
	return func(topic string, key, value []byte, headers []kafka.Header, ack kafka.Acker) {
		apply := l.fact(who, topic, key, value, headers)
		next(topic, key, value, headers, kafka.AckFunc(func(err error) {
			if err == nil && apply != nil {
				l.mu.Lock()
				apply()
				l.mu.Unlock()
			}
			ack.Acked(err)
		}))
	}
}

// fact reads a record that is about to be produced and returns what is true once it is acknowledged.
func (l *ledger) fact(who *life, topic string, key, value []byte, headers []kafka.Header) func() {
	switch topic {
	case historyTopic:
		return l.historyFact(value, headers)
	case payloadTopic:
		o, err := event.ParseOccurrence(string(key))
		if err != nil {
			l.violate("lost", "", "payload with key %q", key)
			return nil
		}
		return func() { l.event(o).payload = true }
	case noticesTopic:
		return nil
	case deadTopic:
		l.violate("lost", "", "dead letter %q", value)
		return nil
	}
	id, at := string(key), stepOf(headers)
	due, _ := strconv.ParseInt(header(headers, "due-at"), 10, 64)
	written := time.Now()
	l.mu.Lock()
	if m := (mark{id, at, due}); l.marks[m].IsZero() {
		l.marks[m] = written
	}
	l.note(id, "%s writes %v to %s", who.name, at, topic)
	l.delivery(id).written[at] = true
	l.mu.Unlock()
	return func() {
		f := l.delivery(id)
		f.ladder[at]++
		f.took[at] = max(f.took[at], time.Since(written))
		f.move()
		l.note(id, "%v on %s acknowledged", at, topic)
	}
}

func (l *ledger) historyFact(value []byte, headers []kafka.Header) func() {
	rec, err := event.DecodeRecord(event.RecordType(header(headers, event.HeaderRecordType)), bytes.Clone(value))
	if err != nil {
		l.violate("unrecorded", "", "history record that cannot be read: %v", err)
		return nil
	}
	switch r := rec.(type) {
	case *event.EventRecord:
		ids := make([]string, len(r.Matched))
		for i, m := range r.Matched {
			ids[i] = m.DeliveryID
		}
		return func() { e := l.event(r.Occurrence); e.matched = append(e.matched, ids) }
	case *event.AttemptRecord:
		final := r.DeliveryStatus != event.Pending
		return func() {
			f, k := l.delivery(r.DeliveryID), [2]int{r.Chain, r.Attempt}
			f.attempts[k] = f.attempts[k] || final
			f.move()
			l.note(r.DeliveryID, "attempt %v acknowledged, %s", k, r.DeliveryStatus)
			l.finish(f, final)
		}
	case *event.DeliveryRecord:
		if r.Status == event.Pending {
			return nil
		}
		return func() {
			f := l.delivery(r.DeliveryID)
			f.ended = true
			f.move()
			l.note(r.DeliveryID, "%s acknowledged", r.Status)
			l.finish(f, true)
		}
	}
	return nil
}

func (l *ledger) finish(f *facts, final bool) {
	if final && !f.final {
		f.final = true
		l.finals++
	}
}
