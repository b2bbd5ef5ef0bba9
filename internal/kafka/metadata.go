package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// TopicID tells a topic from another of the same name that was made after the first was deleted. Zero: not known
// (brokers before 2.8).
type TopicID [16]byte

// Tag is a short form of the id, for places where sixteen bytes are too many; zero for an unknown id.
func (id TopicID) Tag() uint32 {
	return binary.BigEndian.Uint32(id[0:]) ^ binary.BigEndian.Uint32(id[4:]) ^
		binary.BigEndian.Uint32(id[8:]) ^ binary.BigEndian.Uint32(id[12:])
}

// TopicInfo is what the cluster says about a topic.
type TopicInfo struct {
	ID TopicID
	// Leaders holds the broker that leads each partition, by partition number; -1: none at the moment. Its length is
	// the number of partitions.
	Leaders []int32
	// Err is set when the topic cannot be described: ErrNoTopic, or that we may not see it.
	Err error
}

// ClusterInfo is one answer of the cluster about itself.
type ClusterInfo struct {
	// Brokers is the number of live brokers.
	Brokers int
	Topics  map[string]TopicInfo

	brokers []int32
}

// metadataPatience is how long one broker may take for a metadata answer before another is asked.
const metadataPatience = 2 * time.Second

// Metadata asks the cluster about topics, past every cache and without ever creating one. A broker that does not
// answer costs a short while: then the next one is asked, and last whichever bootstrap address works.
func (c *Client) Metadata(ctx context.Context, topics ...string) (*ClusterInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	brokers, turn := c.routes.live()
	var err error
	for try := range brokers {
		id := brokers[(turn+try)%len(brokers)]
		var info *ClusterInfo
		if info, err = c.metadataFrom(ctx, &id, topics); err == nil {
			c.routes.answered((turn+try)%len(brokers), info.brokers)
			return info, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(brokers) > 0 && ctx.Err() != nil {
		return nil, err
	}
	info, err := c.metadataFrom(ctx, nil, topics)
	if err == nil {
		c.routes.answered(0, info.brokers)
	}
	return info, err
}

// metadataFrom asks one broker, or whichever bootstrap address works if it is nil.
func (c *Client) metadataFrom(ctx context.Context, broker *int32, topics []string) (*ClusterInfo, error) {
	version, err := c.metadataVersion(ctx)
	if err != nil {
		return nil, err
	}
	info := &ClusterInfo{Topics: make(map[string]TopicInfo, len(topics))}
	w := newBody(version >= 9, 256)
	w.length(len(topics))
	for _, t := range topics {
		if version >= 10 {
			w.b = append(w.b, make([]byte, 16)...)
		}
		w.string(t)
		w.tags()
	}
	w.bool(false) // allow automatic creation
	if version >= 8 {
		w.bool(false)
		w.bool(false)
	}
	w.tags()
	one := c.newCall(keyMetadata, version, w, func(r *reader) { info.decode(r, version) })
	var req kafkago.Request = one
	if broker != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, metadataPatience)
		defer cancel()
		req = &brokerCall{call: *one, broker: *broker}
	}
	if err := c.do(ctx, req, 0); err != nil {
		return nil, fmt.Errorf("metadata of %d topics: %w", len(topics), err)
	}
	return info, nil
}

func (c *Client) newCall(key protocol.ApiKey, version int16, w *writer, decode func(r *reader)) *call {
	return &call{key: key, version: version, flexible: w.flexible, client: c.cfg.ClientID, body: w.b, decode: decode}
}

func (info *ClusterInfo) decode(r *reader, version int16) {
	r.int32() // throttle time
	for range r.array() {
		info.brokers = append(info.brokers, r.int32())
		r.string()
		r.int32()
		r.string()
		r.tags()
	}
	info.Brokers = len(info.brokers)
	r.string() // cluster id
	r.int32()  // controller
	for range r.array() {
		name, t := decodeTopic(r, version)
		info.Topics[name] = t
	}
}

func decodeTopic(r *reader, version int16) (string, TopicInfo) {
	var t TopicInfo
	code := r.int16()
	name := r.string()
	if version >= 10 {
		copy(t.ID[:], r.take(16))
	}
	r.bool() // internal
	n := r.array()
	t.Leaders = make([]int32, n)
	for i := range t.Leaders {
		t.Leaders[i] = -1
	}
	for range n {
		fault := r.int16()
		id, leader := r.int32(), r.int32()
		r.int32() // leader epoch
		r.int32s()
		r.int32s()
		r.int32s()
		r.tags()
		if id >= 0 && int(id) < n && (fault == 0 || fault == int16(kafkago.ReplicaNotAvailable)) {
			t.Leaders[id] = leader
		}
	}
	if version >= 8 {
		r.int32() // authorised operations
	}
	r.tags()
	switch {
	case code == int16(kafkago.UnknownTopicOrPartition):
		t.Err = ErrNoTopic
	case code != 0:
		t.Err = brokerError(code)
	}
	return name, t
}

// versionCache remembers which metadata version the cluster speaks.
type versionCache struct{ v atomic.Int32 }

// metadataVersion is 10, which brings topic ids, or 7 where the broker does not know it.
func (c *Client) metadataVersion(ctx context.Context) (int16, error) {
	if v := c.metaVersion.v.Load(); v != 0 {
		return int16(v), nil
	}
	version := int16(7)
	w := newBody(false, 0)
	req := c.newCall(keyApiVersions, 0, w, func(r *reader) {
		r.int16() // error
		for range r.array() {
			key, _, highest := r.int16(), r.int16(), r.int16()
			if key == int16(keyMetadata) && highest >= 10 {
				version = 10
			}
		}
	})
	if err := c.do(ctx, req, 0); err != nil {
		return 0, fmt.Errorf("api versions: %w", err)
	}
	c.metaVersion.v.Store(int32(version))
	return version, nil
}

// routes is the client's picture of who leads what. It is replaced as a whole; readers take a snapshot.
type routes struct {
	snapshot atomic.Pointer[routeMap]

	mu      sync.Mutex // one refresh at a time
	fetched time.Time
	topics  map[string]struct{}

	// brokers are those of the last answer; turn is the one that gave it.
	brokersMu sync.Mutex
	brokers   []int32
	turn      int
}

func (r *routes) live() (brokers []int32, turn int) {
	r.brokersMu.Lock()
	defer r.brokersMu.Unlock()
	return r.brokers, r.turn
}

func (r *routes) answered(turn int, brokers []int32) {
	r.brokersMu.Lock()
	defer r.brokersMu.Unlock()
	r.brokers, r.turn = brokers, turn
}

type routeMap struct{ topics map[string]TopicInfo }

// minRefresh keeps many partitions that fail at once from asking many times.
const minRefresh = 50 * time.Millisecond

// route returns what is known about a topic without asking.
func (c *Client) route(topic string) (TopicInfo, bool) {
	m := c.routes.snapshot.Load()
	if m == nil {
		return TopicInfo{}, false
	}
	t, ok := m.topics[topic]
	return t, ok
}

// refresh asks anew about the topics and all others that were asked for before, unless somebody did since the time
// given. A topic whose description fails keeps what was known of it, but for a missing one.
func (c *Client) refresh(ctx context.Context, since time.Time, topics ...string) error {
	r := &c.routes
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.topics == nil {
		r.topics = make(map[string]struct{})
	}
	fresh := true
	for _, t := range topics {
		if _, ok := r.topics[t]; !ok {
			r.topics[t] = struct{}{}
			fresh = false
		}
	}
	if fresh && (r.fetched.After(since) || time.Since(r.fetched) < minRefresh) {
		return nil
	}
	info, err := c.Metadata(ctx, slices.Sorted(maps.Keys(r.topics))...)
	if err != nil {
		return err
	}
	next := &routeMap{topics: info.Topics}
	if old := r.snapshot.Load(); old != nil {
		for name, t := range next.topics {
			if was, ok := old.topics[name]; ok && t.Err != nil && !errors.Is(t.Err, ErrNoTopic) {
				next.topics[name] = was
			}
		}
	}
	r.snapshot.Store(next)
	r.fetched = time.Now()
	return nil
}
