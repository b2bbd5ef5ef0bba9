package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
)

type publishCmd struct {
	kafkaFlags
	File          string  `arg:"" optional:"" help:"File with events, one a line or whole documents; - for standard input."`
	Example       string  `placeholder:"TYPE" help:"Publish the example of this event type instead of a file."`
	Workspace     string  `help:"Workspace of the examples."`
	Count         int     `default:"1" help:"How many examples."`
	Rate          float64 `help:"Events a second; 0: as fast as Kafka takes them."`
	Topic         string  `help:"Topic for all events. Default: SessionStarted to the session topic, all else to the conversation topic."`
	MaxEventBytes int     `default:"1048576" help:"Largest event, in bytes."`
}

// Validate is called by kong.
func (c *publishCmd) Validate() error {
	errs := []error{c.validate()}
	if c.Example != "" && c.Workspace == "" {
		errs = append(errs, errors.New("--example needs --workspace"))
	}
	if c.Example != "" && c.File != "" {
		errs = append(errs, errors.New("--example and a file exclude each other"))
	}
	if c.Rate < 0 || c.Count < 1 {
		errs = append(errs, errors.New("--rate and --count must be positive"))
	}
	return errors.Join(errs...)
}

func (c *publishCmd) Run(ctx context.Context, s streams) error {
	c.names()
	client, err := c.client(nil)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := c.reachable(ctx, client); err != nil {
		return err
	}
	p := &publisher{
		cmd: c, producer: kafka.NewProducer(client, kafka.ProducerConfig{}, nil),
		progress: newProgress(s.err), errs: s.err,
	}
	return p.run(ctx, s.in)
}

// reachable checks within 10 s that the topics are there, since producing itself would wait for ever.
func (c *publishCmd) reachable(ctx context.Context, client *kafka.Client) error {
	topics := []string{c.KafkaConversationTopic, c.KafkaSessionTopic}
	if c.Topic != "" {
		topics = []string{c.Topic}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return c.checkTopics(ctx, client, topics...)
}

// publisher hands events to Kafka and counts what became of them.
type publisher struct {
	cmd      *publishCmd
	producer *kafka.Producer
	progress *progress
	errs     io.Writer
	accepted atomic.Int64
	refused  atomic.Int64
}

func (p *publisher) run(ctx context.Context, stdin io.Reader) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1) // 1: the result waits for us
	go func() { ended <- p.producer.Run(running) }()
	shown := p.progress.start(&p.accepted, &p.refused)
	var err error
	if p.cmd.Example != "" {
		err = p.examples(ctx)
	} else {
		err = p.file(ctx, stdin)
	}
	// What was handed over is waited for, also when the rest was interrupted, but then not for ever.
	flush, cancel := ctx, context.CancelFunc(func() {})
	if err != nil {
		flush, cancel = context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	}
	err = errors.Join(err, p.producer.Close(flush))
	cancel()
	err = errors.Join(err, <-ended)
	shown()
	good, bad := p.accepted.Load(), p.refused.Load()
	_, _ = fmt.Fprintf(p.errs, "%d published, %d refused\n", good, bad)
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d events were not accepted", bad, good+bad))
	}
	return err
}

// file publishes the documents of a file; what is no event is named and left out.
func (p *publisher) file(ctx context.Context, stdin io.Reader) error {
	in, err := openInput(p.cmd.File, stdin)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	pace := newPace(p.cmd.Rate)
	for doc, err := range documents(in) {
		if err != nil {
			return err
		}
		e, err := checkDocument(doc, p.cmd.MaxEventBytes)
		if err != nil {
			p.refuse(err)
			continue
		}
		if err := pace.wait(ctx); err != nil {
			return err
		}
		if err := p.send(ctx, &e, doc); err != nil {
			return err
		}
	}
	return nil
}

// examples publishes the example of a type, each time with an id, a session and a time of its own.
func (p *publisher) examples(ctx context.Context) error {
	template, err := newExample(p.cmd.Example, p.cmd.Workspace)
	if err != nil {
		return err
	}
	pace := newPace(p.cmd.Rate)
	for i := range p.cmd.Count {
		if err := pace.wait(ctx); err != nil {
			return err
		}
		doc := document{line: i + 1, value: template.event(time.Now())}
		e, err := checkDocument(doc, p.cmd.MaxEventBytes)
		if err != nil {
			return fmt.Errorf("example %s for workspace %q: %w", p.cmd.Example, p.cmd.Workspace, err)
		}
		if err := p.send(ctx, &e, doc); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) send(ctx context.Context, e *event.Event, doc document) error {
	return p.producer.ProduceWait(ctx, kafka.OutRecord{
		Topic: p.topic(e.Type), Key: sessionKey(e.Data), Value: doc.value,
		Ack: kafka.AckFunc(func(err error) {
			if err != nil {
				p.refuse(fmt.Errorf("line %d: %w", doc.line, err))
				return
			}
			p.accepted.Add(1)
		}),
	})
}

func (p *publisher) refuse(err error) {
	p.refused.Add(1)
	_, _ = fmt.Fprintln(p.errs, err)
}

func (p *publisher) topic(eventType string) string {
	switch {
	case p.cmd.Topic != "":
		return p.cmd.Topic
	case eventType == "SessionStarted":
		return p.cmd.KafkaSessionTopic
	}
	return p.cmd.KafkaConversationTopic
}

// sessionKey is data.session_id, by which Kafka keeps a session's events in order; nil when there is none.
func sessionKey(data []byte) []byte {
	var d struct {
		SessionID string `json:"session_id"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.SessionID == "" {
		return nil
	}
	return []byte(d.SessionID)
}
