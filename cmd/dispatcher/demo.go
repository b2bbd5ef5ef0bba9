package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/ops"
)

// demoWorkspace is where the demo's webhook lives.
const demoWorkspace = "ws_demo"

// demo shows the dispatcher at work: a receiver that verifies what it gets, a webhook that leads to it, and an event
// every two seconds. It uses the API and Kafka as anyone would.
type demo struct {
	serve *serveCmd
	out   io.Writer
	do    func(*http.Request) (*http.Response, error)
	wg    sync.WaitGroup
	mu    sync.Mutex
	err   error
}

func newDemo(serve *serveCmd, s streams) *demo {
	return &demo{serve: serve, out: s.out, do: developerClient().Do}
}

// start runs the demo until ctx ends; a fault is told by wait.
func (d *demo) start(ctx context.Context, r running) {
	d.wg.Go(func() {
		if err := d.run(ctx, r); err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintln(d.out, "demo:", err)
			d.mu.Lock()
			d.err = fmt.Errorf("demo: %w", err)
			d.mu.Unlock()
		}
	})
}

// wait waits for the demo's end.
func (d *demo) wait() error {
	d.wg.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *demo) run(ctx context.Context, r running) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secret, err := d.webhook(ctx, r, "http://"+l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	served := make(chan error, 1) // 1: read after publishing ended
	rc := &receiver{secrets: []string{secret}, status: http.StatusOK, report: d.report}
	go func() { served <- ops.Serve(ctx, l, rc, time.Second) }()
	_, _ = fmt.Fprintf(d.out, "demo: workspace %s, a webhook and an event every two seconds\n", demoWorkspace)
	return errors.Join(d.publish(ctx), <-served)
}

// webhook makes the demo's webhook lead to url and returns its secret. One of an earlier run is replaced.
func (d *demo) webhook(ctx context.Context, r running, url string) (string, error) {
	base := fmt.Sprintf("http://%s/v1/workspaces/%s/webhooks", r.API, demoWorkspace)
	var known struct {
		Data []struct{ ID, Description string }
	}
	if err := d.call(ctx, http.MethodGet, base, nil, &known); err != nil {
		return "", err
	}
	const description = "Demo receiver"
	for _, w := range known.Data {
		if w.Description != description {
			continue
		}
		if err := d.call(ctx, http.MethodDelete, base+"/"+w.ID, nil, nil); err != nil {
			return "", err
		}
	}
	var made struct{ Secret string }
	err := d.call(ctx, http.MethodPost, base, map[string]any{
		"url": url, "description": description, "event_types": []string{"*"},
	}, &made)
	return made.Secret, err
}

// call makes an API call with the operator's key.
func (d *demo) call(ctx context.Context, method, url string, in, out any) error {
	operators, err := d.serve.operators()
	if err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if in == nil {
		body = nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+operators[0].Key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, req.URL.Path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// publish writes an example event now and then, until ctx ends.
func (d *demo) publish(ctx context.Context) error {
	k := d.serve.kafkaFlags
	client, err := k.client(nil)
	if err != nil {
		return err
	}
	defer client.Close()
	producer := kafka.NewProducer(client, kafka.ProducerConfig{}, nil)
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = producer.Run(running) }) // ends by stop
	defer wg.Wait()
	defer stop()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for i := 0; ; i++ {
		name, topic := "SessionStarted", k.KafkaSessionTopic
		if i%2 == 1 {
			name, topic = "ConversationComplete", k.KafkaConversationTopic
		}
		x, err := newExample(name, demoWorkspace)
		if err != nil {
			return err
		}
		value := x.event(time.Now())
		e, err := checkDocument(document{value: value}, d.serve.MaxEventBytes)
		if err != nil {
			return err
		}
		producer.Produce(kafka.OutRecord{Topic: topic, Key: sessionKey(e.Data), Value: value})
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (d *demo) report(got received) {
	verdict := "verified"
	if got.Verified != nil {
		verdict = "refused (" + got.Verified.Error() + ")"
	}
	_, _ = fmt.Fprintf(d.out, "%s %s %s\n", verdict, got.Header.Get("X-Voxagent-Delivery"), got.Header.Get("X-Voxagent-Event"))
}
