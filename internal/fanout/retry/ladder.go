package retry

import (
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// Ladder writes deliveries to the rungs and implements fanout.Ladder.
type Ladder struct {
	producer fanout.Producer
	topics   []string
	recent   *recent
	now      func() time.Time
}

const (
	// recentSpan and recentMost: what makes two records of one stands in the log for seconds or for as long as a crash
	// and its rebalance take, but the later one may wait behind others. Two generations of 16 bytes an entry and the
	// room that maps leave come to some 16 MiB: a million pending retries must not cost more than a few.
	recentSpan = time.Hour
	recentMost = 250_000
)

// NewLadder returns a ladder whose topics begin with prefix.
func NewLadder(prefix string, p fanout.Producer) *Ladder {
	topics := Topics(prefix)
	return &Ladder{producer: p, topics: topics, recent: newRecent(recentSpan, recentMost, topics), now: time.Now}
}

// Park implements fanout.Ladder: d goes to the largest rung that fits into what remains until d.DueAt.
func (l *Ladder) Park(d *fanout.Delivery, ack fanout.Ack) {
	topic := l.topics[rungFor(d.DueAt.Sub(l.now()))]
	l.producer.Produce(topic, []byte(d.ID), d.Event.Body, encode(d), &landed{l, l.recent.chainOf(d), stepOf(d), ack})
}

// landed is the ack of a record on the ladder: once it is durable, the delivery has come as far as that.
type landed struct {
	ladder *Ladder
	chain  uint64
	at     step
	ack    fanout.Ack
}

// Acked implements fanout.Ack.
func (p *landed) Acked(err error) {
	if err == nil {
		p.ladder.recent.exists(p.chain, p.at, p.ladder.now())
	}
	p.ack.Acked(err)
}

// Order writes a delivery that is to be tried at once to the commands topic.
func Order(p fanout.Producer, topic string, d *fanout.Delivery, ack fanout.Ack) {
	p.Produce(topic, []byte(d.ID), d.Event.Body, encode(d), ack)
}
