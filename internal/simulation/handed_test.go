package simulation

import (
	"fmt"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/consumer"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
)

// handedEvent notes that a source record was handed out.
func (l *ledger) handedEvent(who *life, r *consumer.Record) {
	meta := event.Meta{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Time}
	e, err := event.Parse(r.Value, meta, 0)
	if err != nil {
		l.violate("lost", "", "an event that cannot be read: %v", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &handed{occurrence: meta.Occurrence(e.WorkspaceID), owner: who, at: time.Now()}
	l.note(h.occurrence.String(), "%s/%d@%d handed to %s in generation %d", r.Topic, r.Partition, r.Offset, who.name,
		r.Generation())
	before := l.hand(r, h)
	if before == nil {
		return
	}
	judged := make(map[string]bool)
	for _, ids := range l.event(h.occurrence).matched {
		for _, id := range ids {
			if !judged[id] {
				l.reread(id, first, before)
			}
			judged[id] = true
		}
	}
}

// handedRetry notes that a ladder's record was handed out.
func (l *ledger) handedRetry(who *life, r *consumer.Record) {
	h := &handed{delivery: string(r.Key), step: stepOf(r.Headers), owner: who, at: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(h.delivery, "%s/%d@%d with %v handed to %s in generation %d", r.Topic, r.Partition, r.Offset, h.step, who.name,
		r.Generation())
	f := l.delivery(h.delivery)
	before := l.hand(r, h)
	if before == nil {
		f.handed[h.step]++
		l.recopied(h)
	} else {
		l.reread(h.delivery, h.step, before)
	}
	f.holder[h.step] = h
	f.ladder[h.step] = max(f.ladder[h.step], f.handed[h.step]) // what is read is durable, whatever its writer was told
	f.move()
}

// hand keeps what was handed out, and returns what it was when it was handed out before.
func (l *ledger) hand(r *consumer.Record, h *handed) *handed {
	tp := kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}
	of, ok := l.records[tp]
	if !ok {
		of = make(map[int64]*handed)
		l.records[tp] = of
	}
	before := of[r.Offset]
	h.passed = before != nil && before.passed
	of[r.Offset] = h
	l.tops[tp] = max(l.tops[tp], r.Offset)
	return before
}

func stepOf(headers []kafka.Header) step {
	number := func(key string) int {
		n, _ := strconv.Atoi(header(headers, key))
		return n
	}
	return step{number("chain"), number("attempt"), number("parked")}
}

func header(headers []kafka.Header, key string) string {
	for _, h := range headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// watched is a record's ticket whose end is noted.
type watched struct {
	*consumer.Ticket
	ledger     *ledger
	life       *life
	key, where string
}

func (l *ledger) ticket(who *life, r *consumer.Record) watched {
	return watched{r.Ticket, l, who, string(r.Key), fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)}
}

// Done implements fanout.Ticket.
func (w watched) Done() {
	w.note("done with")
	w.Ticket.Done()
}

// Abandon implements fanout.Ticket.
func (w watched) Abandon() {
	w.note("gives back")
	w.Ticket.Abandon()
}

func (w watched) note(what string) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	w.ledger.note(w.key, "%s %s %s", w.life.name, what, w.where)
}
