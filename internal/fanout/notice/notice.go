// Package notice writes word to the platform that something needs attention. Each notice has an id that follows from what
// happened, so a reader can drop the copies that at-least-once brings.
package notice

import (
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Writer implements fanout.Notifier.
type Writer struct {
	producer fanout.Producer
	topic    string
}

// New returns a writer to topic.
func New(p fanout.Producer, topic string) *Writer { return &Writer{p, topic} }

// Notice implements fanout.Notifier.
func (w *Writer) Notice(n *event.Notice, ack fanout.Ack) {
	var key []byte
	if n.WorkspaceID != "" {
		key = []byte(n.Key())
	}
	w.producer.Produce(w.topic, key, n.AppendJSON(nil), nil, ack)
}
