package retry

import (
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// Ladder writes deliveries to the rungs and implements fanout.Ladder.
type Ladder struct {
	producer fanout.Producer
	topics   []string
	now      func() time.Time
}

// NewLadder returns a ladder whose topics begin with prefix.
func NewLadder(prefix string, p fanout.Producer) *Ladder {
	return &Ladder{producer: p, topics: Topics(prefix), now: time.Now}
}

// Park implements fanout.Ladder: d goes to the largest rung that fits into what remains until d.DueAt.
func (l *Ladder) Park(d *fanout.Delivery, ack fanout.Ack) {
	topic := l.topics[rungFor(d.DueAt.Sub(l.now()))]
	l.producer.Produce(topic, []byte(d.ID), d.Event.Body, encode(d), ack)
}

// Order writes a delivery that is to be tried at once to the commands topic.
func Order(p fanout.Producer, topic string, d *fanout.Delivery, ack fanout.Ack) {
	p.Produce(topic, []byte(d.ID), d.Event.Body, encode(d), ack)
}
