package main

import (
	"context"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/notice"
	"github.com/voxagent/dispatcher/pkg/event"
)

// noticed returns what a consumer of source topics does with a loss: it writes a notice and waits until Kafka has it.
func noticed(notices *notice.Writer) onLoss {
	return func(ctx context.Context, topic string, partition int, from, to int64) error {
		ack := make(ackChan, 1) // a place, so that an answer after ctx ended waits for nobody
		notices.Notice(notice.Lost(event.Source{Topic: topic, Partition: partition, Offset: from}, to, time.Now()), ack)
		return ack.wait(ctx)
	}
}

// wait returns what became of the one record that was written with c.
func (c ackChan) wait(ctx context.Context) error {
	select {
	case err := <-c:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
