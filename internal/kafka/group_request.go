package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// The versions are the last ones before the flexible encoding; Kafka 2.4 to 4.x speak them.
const (
	joinVersion         = 5
	syncVersion         = 3
	heartbeatVersion    = 3
	leaveVersion        = 2
	offsetCommitVersion = 7
	offsetFetchVersion  = 5
)

func (g *Group) call(ctx context.Context, key protocol.ApiKey, version int16, w *writer, wait time.Duration, decode func(r *reader)) error {
	req := &groupCall{group: g.cfg.Group, call: *g.client.newCall(key, version, w, decode)}
	return g.client.do(ctx, req, wait)
}

// joined is the coordinator's answer to a join.
type joined struct {
	generation int32
	leader     bool
	members    []member
}

// member is one member of the group as its leader sees it.
type member struct {
	id     string
	topics []string
}

// joinGroup joins and keeps the member id that the coordinator gave.
func (g *Group) joinGroup(ctx context.Context) (joined, error) {
	w := newBody(false, 256)
	w.string(g.cfg.Group)
	w.int32(int32(g.cfg.SessionTimeout / time.Millisecond))
	w.int32(int32(g.cfg.RebalanceTimeout / time.Millisecond))
	w.string(g.member)
	w.null() // instance id: dynamic members only
	w.string("consumer")
	w.int32(1)
	w.string(rangeProtocol)
	w.bytes(encodeSubscription(g.cfg.Topics))
	var out joined
	var fault error
	id := ""
	err := g.call(ctx, keyJoinGroup, joinVersion, w, g.cfg.RebalanceTimeout, func(r *reader) {
		r.int32() // throttle time
		fault = brokerError(r.int16())
		out.generation = r.int32()
		r.string() // protocol
		leader := r.string()
		id = r.string()
		out.leader = leader == id
		for range r.array() {
			m := member{id: r.string()}
			r.string() // instance id
			m.topics = decodeSubscription(r.bytes())
			out.members = append(out.members, m)
		}
	})
	if err != nil {
		return joined{}, fmt.Errorf("join group %s: %w", g.cfg.Group, err)
	}
	if fault == nil || errors.Is(fault, kafkago.MemberIDRequired) {
		g.member = id
	}
	if fault != nil {
		return joined{}, fmt.Errorf("join group %s: %w", g.cfg.Group, fault)
	}
	return out, nil
}

const rangeProtocol = "range"

func encodeSubscription(topics []string) []byte {
	var w writer
	w.int16(0) // version
	w.int32(int32(len(topics)))
	for _, t := range topics {
		w.string(t)
	}
	w.int32(-1) // user data
	return w.b
}

func decodeSubscription(b []byte) []string {
	r := reader{b: b}
	r.int16()
	var topics []string
	for range r.array() {
		topics = append(topics, r.string())
	}
	return topics
}

// assignment is what the leader gives to a member.
type assignment struct {
	partitions map[string][]int
	// starts are the offsets at which topics begin that the group never committed; see GroupConfig.Start.
	starts map[string][]int64
}

func (a assignment) encode() []byte {
	var w writer
	w.int16(0) // version
	w.int32(int32(len(a.partitions)))
	for _, topic := range slices.Sorted(maps.Keys(a.partitions)) {
		w.string(topic)
		w.int32(int32(len(a.partitions[topic])))
		for _, p := range a.partitions[topic] {
			w.int32(int32(p))
		}
	}
	if len(a.starts) == 0 {
		w.int32(-1)
		return w.b
	}
	data, _ := json.Marshal(a.starts) // a map of numbers: cannot fail
	w.bytes(data)
	return w.b
}

func decodeAssignment(b []byte) (assignment, error) {
	a := assignment{partitions: make(map[string][]int)}
	if len(b) == 0 {
		return a, nil
	}
	r := reader{b: b}
	r.int16()
	for range r.array() {
		topic := r.string()
		for range r.array() {
			a.partitions[topic] = append(a.partitions[topic], int(r.int32()))
		}
	}
	data := r.bytes()
	if r.err != nil {
		return a, fmt.Errorf("decode assignment: %w", r.err)
	}
	if len(data) > 0 && json.Unmarshal(data, &a.starts) != nil {
		a.starts = nil // the leader is another kind of client
	}
	return a, nil
}

// syncGroup hands over the leader's assignments and returns ours.
func (g *Group) syncGroup(ctx context.Context, generation int32, all map[string]assignment) (assignment, error) {
	w := newBody(false, 1024)
	w.string(g.cfg.Group)
	w.int32(generation)
	w.string(g.member)
	w.null()
	w.int32(int32(len(all)))
	for id, a := range all {
		w.string(id)
		w.bytes(a.encode())
	}
	var fault error
	var data []byte
	err := g.call(ctx, keySyncGroup, syncVersion, w, g.cfg.RebalanceTimeout, func(r *reader) {
		r.int32()
		fault = brokerError(r.int16())
		data = r.bytes()
	})
	if err == nil {
		err = fault
	}
	if err != nil {
		return assignment{}, fmt.Errorf("sync group %s: %w", g.cfg.Group, err)
	}
	return decodeAssignment(data)
}

func (g *Group) heartbeat(ctx context.Context, generation int32, id string) error {
	w := newBody(false, 128)
	w.string(g.cfg.Group)
	w.int32(generation)
	w.string(id)
	w.null()
	var fault error
	err := g.call(ctx, keyHeartbeat, heartbeatVersion, w, 0, func(r *reader) {
		r.int32()
		fault = brokerError(r.int16())
	})
	if err == nil {
		err = fault
	}
	return err
}

func (g *Group) leaveGroup(ctx context.Context) error {
	w := newBody(false, 128)
	w.string(g.cfg.Group)
	w.string(g.member)
	var fault error
	err := g.call(ctx, keyLeaveGroup, leaveVersion, w, 0, func(r *reader) {
		r.int32()
		fault = brokerError(r.int16())
	})
	if err == nil {
		err = fault
	}
	return err
}

// Mark is a group's place in one partition: the offset of the next record, and what the group keeps beside it.
type Mark struct {
	TopicPartition
	// Offset is -1 where nothing was ever committed.
	Offset   int64
	Metadata string
}

func (g *Group) commit(ctx context.Context, generation int32, id string, marks []Mark) (map[TopicPartition]error, error) {
	w := newBody(false, 64*len(marks))
	w.string(g.cfg.Group)
	w.int32(generation)
	w.string(id)
	w.null()
	byTopic(w, marks, func(m Mark) {
		w.int32(int32(m.Partition))
		w.int64(m.Offset)
		w.int32(-1) // leader epoch
		w.string(m.Metadata)
	})
	faults := make(map[TopicPartition]error)
	err := g.call(ctx, keyOffsetCommit, offsetCommitVersion, w, 0, func(r *reader) {
		r.int32()
		for range r.array() {
			topic := r.string()
			for range r.array() {
				p := int(r.int32())
				if err := brokerError(r.int16()); err != nil {
					faults[TopicPartition{topic, p}] = err
				}
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("commit offsets of group %s: %w", g.cfg.Group, err)
	}
	return faults, nil
}

// Committed reads the group's marks, one for each partition asked for, in any order.
func (g *Group) Committed(ctx context.Context, partitions ...TopicPartition) ([]Mark, error) {
	marks := make([]Mark, len(partitions))
	for i, tp := range partitions {
		marks[i].TopicPartition = tp
	}
	w := newBody(false, 64*len(marks))
	w.string(g.cfg.Group)
	byTopic(w, marks, func(m Mark) { w.int32(int32(m.Partition)) })
	out := make([]Mark, 0, len(marks))
	var fault error
	err := g.call(ctx, keyOffsetFetch, offsetFetchVersion, w, 0, func(r *reader) {
		r.int32()
		for range r.array() {
			topic := r.string()
			for range r.array() {
				m := Mark{TopicPartition: TopicPartition{topic, int(r.int32())}, Offset: r.int64()}
				r.int32() // leader epoch
				m.Metadata = r.string()
				if err := brokerError(r.int16()); err != nil {
					fault = partitionError("committed offset of", topic, int32(m.Partition), err)
				}
				out = append(out, m)
			}
		}
		if err := brokerError(r.int16()); err != nil {
			fault = err
		}
	})
	if err == nil {
		err = fault
	}
	if err == nil && len(out) != len(marks) {
		err = fmt.Errorf("%d of %d partitions answered", len(out), len(marks))
	}
	if err != nil {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", g.cfg.Group, err)
	}
	return out, nil
}

// byTopic writes marks as an array of topics, each with its array of partitions.
func byTopic(w *writer, marks []Mark, one func(Mark)) {
	sorted := slices.SortedStableFunc(slices.Values(marks), func(a, b Mark) int {
		switch {
		case a.Topic < b.Topic:
			return -1
		case a.Topic > b.Topic:
			return 1
		}
		return a.Partition - b.Partition
	})
	groups := make(map[string]int)
	for _, m := range sorted {
		groups[m.Topic]++
	}
	w.int32(int32(len(groups)))
	topic := ""
	for i, m := range sorted {
		if i == 0 || m.Topic != topic {
			topic = m.Topic
			w.string(topic)
			w.int32(int32(groups[topic]))
		}
		one(m)
	}
}
