package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/scripts/rig"
)

// target is a webhook that events are meant for.
type target struct {
	hook  rig.Webhook
	event string // the type that only this webhook of its workspace gets
}

// stream is events for targets in turn, at a steady rate.
type stream struct {
	targets   []target
	perSecond float64 // 0: as fast as Kafka takes them
	most      int     // events; 0: until the time is over
	sent      int
	start     time.Time
}

// due is when the next event is to be published; false: none any more.
func (s *stream) due() (time.Time, bool) {
	if s.most > 0 && s.sent >= s.most || len(s.targets) == 0 {
		return time.Time{}, false
	}
	if s.perSecond <= 0 {
		return time.Now(), true
	}
	return s.start.Add(time.Duration(float64(s.sent) / s.perSecond * float64(time.Second))), true
}

// publisher writes events to the conversation topic.
type publisher struct {
	topic    string
	client   *kafka.Client
	producer *kafka.Producer
	head     []byte // of data, up to its session
	tail     []byte
	number   int // of the next event
	refused  atomic.Int64
	ended    chan error
}

// sessions are what the events' keys are made of: enough to fill all partitions evenly.
const sessions = 997

// newPublisher connects; close ends it.
func newPublisher(ctx context.Context, i *rig.Installation, example string) (*publisher, error) {
	var doc struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(event.Example(example), &doc); err != nil {
		return nil, fmt.Errorf("example %q: %w", example, err)
	}
	head, tail, ok := bytes.Cut(doc.Data, []byte(`"session_id":"`))
	if !ok {
		return nil, fmt.Errorf("example %q has no session_id", example)
	}
	client, err := i.Client()
	if err != nil {
		return nil, err
	}
	p := &publisher{
		topic: i.Topic("conversation.events"), client: client, producer: kafka.NewProducer(client, kafka.ProducerConfig{}, nil),
		head: head, tail: tail, ended: make(chan error, 1), // 1: the result waits for close
	}
	go func() { p.ended <- p.producer.Run(context.WithoutCancel(ctx)) }()
	return p, nil
}

// close waits until Kafka has all events, and says if it did not take one.
func (p *publisher) close(ctx context.Context) error {
	err := errors.Join(p.producer.Close(ctx), <-p.ended)
	p.client.Close()
	if n := p.refused.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d events were not published", n))
	}
	return err
}

// tick is how often it is looked whether something is due: what a latency may be too long by.
const tick = time.Millisecond

// run publishes what is due of all streams until to, or until all have ended where to is zero. Times of streams begin
// now.
func (p *publisher) run(ctx context.Context, to time.Time, streams ...*stream) error {
	now := time.Now()
	for _, s := range streams {
		s.start, s.sent = now, 0
	}
	for {
		s, due := earliest(streams)
		if s == nil || !to.IsZero() && !due.Before(to) {
			return nil
		}
		if wait := time.Until(due); wait > 0 {
			if err := sleep(ctx, max(wait, tick)); err != nil {
				return err
			}
		}
		if err := p.publish(ctx, &s.targets[s.sent%len(s.targets)], due); err != nil {
			return err
		}
		s.sent++
	}
}

// earliest returns the stream whose next event is due first; nil when none has any.
func earliest(streams []*stream) (first *stream, at time.Time) {
	for _, s := range streams {
		if due, ok := s.due(); ok && (first == nil || due.Before(at)) {
			first, at = s, due
		}
	}
	return first, at
}

func (p *publisher) publish(ctx context.Context, t *target, due time.Time) error {
	session := fmt.Sprintf("session-%d", p.number%sessions)
	value := make([]byte, 0, len(p.head)+len(p.tail)+256)
	value = fmt.Appendf(value, `{"id":%q,"event":%q,"workspace_id":%q,"data":`, eventID(p.number, due), t.event, t.hook.Workspace)
	value = append(value, p.head...)
	value = fmt.Appendf(value, `"session_id":"%s-`, session)
	value = append(append(value, p.tail...), '}')
	p.number++
	return p.producer.ProduceWait(ctx, kafka.OutRecord{
		Topic: p.topic, Key: []byte(session), Value: value, Time: due,
		Ack: kafka.AckFunc(func(err error) {
			if err != nil {
				p.refused.Add(1)
			}
		}),
	})
}
