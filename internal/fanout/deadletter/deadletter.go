// Package deadletter keeps records that are not events: their bytes untouched in a topic of their own, with the reason and
// where they stood, so that an operator can look at them and send them again.
package deadletter

import (
	"errors"
	"strconv"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Names of the headers that a dead letter has besides the record's own.
const (
	HeaderReason    = "reason"
	HeaderDetail    = "detail"
	HeaderTopic     = "source-topic"
	HeaderPartition = "source-partition"
	HeaderOffset    = "source-offset"
)

// Writer implements fanout.DeadLetters.
type Writer struct {
	producer fanout.Producer
	topic    string
	tooLarge error
}

// New returns a writer to topic. tooLarge is the error by which the producer says that a record exceeds what the topic
// takes.
func New(p fanout.Producer, topic string, tooLarge error) *Writer { return &Writer{p, topic, tooLarge} }

// DeadLetter implements fanout.DeadLetters. A record that is too large even for the dead-letter topic is kept without its
// value: its coordinates tell where it stands.
func (w *Writer) DeadLetter(r *fanout.Record, reason event.Reason, detail string, ack fanout.Ack) {
	headers := make([]fanout.RecordHeader, 0, len(r.Headers)+5)
	headers = append(headers, r.Headers...)
	for _, h := range [...][2]string{
		{HeaderReason, string(reason)}, {HeaderDetail, detail}, {HeaderTopic, r.Source.Topic},
		{HeaderPartition, strconv.Itoa(r.Source.Partition)}, {HeaderOffset, strconv.FormatInt(r.Source.Offset, 10)},
	} {
		headers = append(headers, fanout.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	w.producer.Produce(w.topic, r.Key, r.Value, headers, &letter{w, r.Key, headers, ack})
}

// letter is a dead letter on its way.
type letter struct {
	writer  *Writer
	key     []byte
	headers []fanout.RecordHeader
	ack     fanout.Ack
}

// Acked implements fanout.Ack.
func (l *letter) Acked(err error) {
	if err == nil || !errors.Is(err, l.writer.tooLarge) {
		l.ack.Acked(err)
		return
	}
	for i := range l.headers {
		if l.headers[i].Key == HeaderReason {
			l.headers[i].Value = []byte(event.TooLarge)
		}
	}
	l.writer.producer.Produce(l.writer.topic, l.key, nil, l.headers, l.ack)
}
