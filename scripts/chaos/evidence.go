package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// The topics and groups that are read.
var sourceTopics = [2]string{prefix + ".conversation.events", prefix + ".session.events"}

const (
	historyTopic = prefix + ".webhook.history"
	retryTopic   = prefix + ".webhook.retry."
)

// evidence is all that there is to be read about a round.
type evidence struct {
	tenants      []workspace
	acked        []published
	requests     []request
	deliveries   []deliveryRow
	attempts     []attemptRow
	held         map[string]int     // events by id, as the source topics hold them
	recorded     map[attemptKey]int // attempts, as the history topic holds them
	disturbances []disturbance
	odd          []oddity
	unsettled    string // what had not ended when time was up; empty: nothing
}

type deliveryRow struct {
	id, event, hook, workspace, status string
}

type attemptRow struct {
	attemptKey
	status, deliveryStatus string
	httpStatus             int
}

// settle waits until all deliveries have ended in history and no group has lag; an error says what is left when time is up.
func (w *world) settle(ctx context.Context, tenants []workspace, deliveries int) error {
	return poll(ctx, w.opts.settle, "everything to end", func() error {
		return errors.Join(w.allEnded(ctx, tenants, deliveries), w.noLag(ctx))
	})
}

func (w *world) allEnded(ctx context.Context, tenants []workspace, want int) error {
	var ended, pending int
	err := w.db.QueryRow(ctx, `SELECT count(*) FILTER (WHERE status <> 'pending'), count(*) FILTER (WHERE status = 'pending')
		FROM history_deliveries WHERE workspace_id IN `+sqldb.List(len(tenants)), ids(tenants)...).Scan(&ended, &pending)
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	if ended < want || pending > 0 {
		return fmt.Errorf("%d of %d deliveries ended, %d pending", ended, want, pending)
	}
	return nil
}

// groups and the topics that each reads.
func groups() map[string][]string {
	ladder := []string{prefix + ".webhook.commands"}
	for _, rung := range []string{"1s", "5s", "30s", "2m", "5m", "30m", "2h", "5h", "10h"} {
		ladder = append(ladder, retryTopic+rung)
	}
	return map[string][]string{
		prefix + "-dispatcher":       sourceTopics[:],
		prefix + "-dispatcher-retry": ladder,
		prefix + "-history":          {historyTopic, prefix + ".webhook.payloads"},
	}
}

// noLag compares what each group committed with the ends of its topics.
func (w *world) noLag(ctx context.Context) error {
	for group, topics := range groups() {
		g, err := kafka.NewGroup(w.kafka, kafka.GroupConfig{Group: group, Topics: topics, Start: kafka.Earliest}, nil)
		if err != nil {
			return err
		}
		tps, err := w.partitions(ctx, topics)
		if err != nil {
			return err
		}
		ends, err := w.kafka.Offsets(ctx, kafka.Latest, tps...)
		if err != nil {
			return err
		}
		marks, err := g.Committed(ctx, tps...)
		if err != nil {
			return err
		}
		for _, m := range marks {
			if lag := ends[m.TopicPartition] - max(m.Offset, 0); lag != 0 {
				return fmt.Errorf("group %s lags by %d on %s/%d", group, lag, m.Topic, m.Partition)
			}
		}
	}
	return nil
}

func (w *world) partitions(ctx context.Context, topics []string) ([]kafka.TopicPartition, error) {
	counts, err := w.kafka.Partitions(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var tps []kafka.TopicPartition
	for topic, n := range counts {
		for p := range n {
			tps = append(tps, kafka.TopicPartition{Topic: topic, Partition: p})
		}
	}
	return tps, nil
}

// ends returns the ends of the topics that are read back after a round.
func (w *world) ends(ctx context.Context) (map[kafka.TopicPartition]int64, error) {
	tps, err := w.partitions(ctx, append([]string{historyTopic}, sourceTopics[:]...))
	if err != nil {
		return nil, err
	}
	return w.kafka.Offsets(ctx, kafka.Latest, tps...)
}

// readTopics reads what the round wrote to the source topics and to history.
func (w *world) readTopics(ctx context.Context, ev *evidence, from map[kafka.TopicPartition]int64) error {
	to, err := w.ends(ctx)
	if err != nil {
		return err
	}
	ev.held, ev.recorded = make(map[string]int), make(map[attemptKey]int)
	return w.readRecords(ctx, from, to, func(r *kafka.Record) error {
		if r.Topic != historyTopic {
			var e struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(r.Value, &e); err != nil {
				return fmt.Errorf("%s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			ev.held[e.ID]++
			return nil
		}
		if header(r, event.HeaderRecordType) != string(event.TypeAttempt) {
			return nil
		}
		var a struct {
			Delivery string `json:"delivery_id"`
			Attempt  int    `json:"attempt"`
		}
		if err := json.Unmarshal(r.Value, &a); err != nil {
			return fmt.Errorf("%s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		ev.recorded[attemptKey{a.Delivery, a.Attempt}]++
		return nil
	})
}

func header(r *kafka.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// reading is a partition that is read from one offset to another; it implements kafka.Sink.
type reading struct {
	cursor chan *kafka.Cursor
	to     int64
	each   func(*kafka.Record)
	done   func()
}

// readRecords gives each record of the ranges to each, one at a time.
func (w *world) readRecords(ctx context.Context, from, to map[kafka.TopicPartition]int64, each func(*kafka.Record) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	f := kafka.NewFetcher(w.kafka, kafka.FetcherConfig{Name: prefix}, nil)
	var mu sync.Mutex
	var fault error
	var left sync.WaitGroup
	for tp, begin := range from {
		if begin >= to[tp] {
			continue
		}
		left.Add(1)
		r := &reading{cursor: make(chan *kafka.Cursor, 1), to: to[tp], done: sync.OnceFunc(left.Done), each: func(rec *kafka.Record) {
			mu.Lock()
			defer mu.Unlock()
			fault = errors.Join(fault, each(rec))
		}}
		cursor, err := f.Add(tp, begin, 1<<20, r)
		if err != nil {
			return err
		}
		r.cursor <- cursor
	}
	var running sync.WaitGroup
	running.Go(func() { _ = f.Run(ctx) })
	all := make(chan struct{})
	go func() {
		left.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
		return fmt.Errorf("read the topics: %w", ctx.Err())
	}
	cancel()
	running.Wait()
	return fault
}

// Fetched takes a batch.
func (r *reading) Fetched(b kafka.Batch) {
	for i := range b.Records {
		if b.Records[i].Offset < r.to {
			r.each(&b.Records[i])
		}
	}
	if b.Next >= r.to {
		r.done()
		return
	}
	cursor := <-r.cursor
	r.cursor <- cursor
	cursor.Resume()
}

// OutOfRange cannot happen: nothing is deleted within a round. The reader would notice by its deadline.
func (r *reading) OutOfRange(int64) {}

// readStore reads the round's rows.
func (w *world) readStore(ctx context.Context, ev *evidence) error {
	among := ` WHERE workspace_id IN ` + sqldb.List(len(ev.tenants))
	rows, err := w.db.Query(ctx, `SELECT id, event_id, webhook_id, workspace_id, status FROM history_deliveries`+among, ids(ev.tenants)...)
	if err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	defer func() { _ = rows.Close() }()
	ev.deliveries = nil
	for rows.Next() {
		var d deliveryRow
		if err := rows.Scan(&d.id, &d.event, &d.hook, &d.workspace, &d.status); err != nil {
			return fmt.Errorf("read deliveries: %w", err)
		}
		ev.deliveries = append(ev.deliveries, d)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	return w.readAttempts(ctx, ev, among)
}

func (w *world) readAttempts(ctx context.Context, ev *evidence, among string) error {
	rows, err := w.db.Query(ctx, `SELECT delivery_id, attempt, status, delivery_status, http_status FROM history_attempts`+among,
		ids(ev.tenants)...)
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	ev.attempts = nil
	for rows.Next() {
		var a attemptRow
		if err := rows.Scan(&a.delivery, &a.number, &a.status, &a.deliveryStatus, &a.httpStatus); err != nil {
			return fmt.Errorf("read attempts: %w", err)
		}
		ev.attempts = append(ev.attempts, a)
	}
	return rows.Err()
}
