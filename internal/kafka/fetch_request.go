package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// fetchVersion needs Kafka 2.4.
const fetchVersion = 11

// fetchPart is one partition of a fetch request and what came back for it.
type fetchPart struct {
	cursor   *Cursor
	offset   int64
	epoch    int
	maxBytes int

	answered  bool
	err       error
	stable    int64 // last stable offset: what a read-committed reader may see ends there
	watermark int64
	logStart  int64
	aborted   []abortedTxn
	data      []byte
}

// fetchCall reads its response as it comes: each partition's records go straight into memory of their own, so that a
// record that is kept for long keeps its partition's batch alive and nothing else.
type fetchCall struct {
	brokerCall
	parts map[partitionKey]*fetchPart
	slabs *slabs
}

// RawExchange writes the request and reads the response.
func (c *fetchCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := c.write(rw); err != nil {
		return nil, err
	}
	s := &stream{r: rw, left: 8}
	size := int(s.int32())
	if id := s.int32(); s.err == nil && (size < 4 || size > maxResponse || id != correlation) {
		return nil, fmt.Errorf("kafka: fetch response of %d bytes to request %d", size, id)
	}
	s.left = size - 4
	if err := c.read(s); err != nil {
		return nil, err
	}
	if s.left != 0 {
		return nil, fmt.Errorf("kafka: %d bytes behind a fetch response", s.left)
	}
	return c, nil
}

func (c *fetchCall) read(s *stream) error {
	s.int32() // throttle time
	if err := brokerError(s.int16()); err != nil {
		return err
	}
	s.int32() // session
	for range s.array() {
		topic := s.string()
		for range s.array() {
			c.partition(s, topic)
		}
	}
	return s.err
}

func (c *fetchCall) partition(s *stream, topic string) {
	p := c.parts[partitionKey{topic, s.int32()}]
	if p == nil {
		p = &fetchPart{} // not asked for
	}
	p.answered = true
	p.err = brokerError(s.int16())
	p.watermark, p.stable, p.logStart = s.int64(), s.int64(), s.int64()
	for range s.array() {
		p.aborted = append(p.aborted, abortedTxn{producer: s.int64(), first: s.int64()})
	}
	slices.SortFunc(p.aborted, func(a, b abortedTxn) int { return cmp.Compare(a.first, b.first) })
	s.int32() // preferred replica: only for clients that name their rack
	if n := int(s.int32()); n > 0 && s.has(n) {
		p.data = c.slabs.get(n)
		s.fill(p.data)
	}
}

// fetch asks one broker for the partitions, waiting up to wait for something to come.
func (f *Fetcher) fetch(ctx context.Context, broker int32, parts []*fetchPart, wait time.Duration) error {
	w := newBody(false, 64+48*len(parts))
	w.int32(-1) // replica: a consumer
	w.int32(int32(wait / time.Millisecond))
	w.int32(1) // at least so many bytes
	w.int32(int32(f.cfg.MaxBytes))
	w.int8(readCommitted)
	w.int32(0)  // no session
	w.int32(-1) // nor epoch
	call := &fetchCall{parts: make(map[partitionKey]*fetchPart, len(parts)), slabs: &f.slabs}
	for i := 0; i < len(parts); {
		n := i
		for n < len(parts) && parts[n].cursor.tp.Topic == parts[i].cursor.tp.Topic {
			n++
		}
		if i == 0 {
			w.int32(int32(countTopics(parts)))
		}
		w.string(parts[i].cursor.tp.Topic)
		w.int32(int32(n - i))
		for _, p := range parts[i:n] {
			tp := p.cursor.tp
			call.parts[partitionKey{tp.Topic, int32(tp.Partition)}] = p
			w.int32(int32(tp.Partition))
			w.int32(-1) // leader epoch: not checked
			w.int64(p.offset)
			w.int64(-1) // log start: for followers
			w.int32(int32(p.maxBytes))
		}
		i = n
	}
	w.int32(0)   // forgotten topics
	w.string("") // rack
	call.brokerCall = brokerCall{broker: broker, call: *f.client.newCall(keyFetch, fetchVersion, w, nil)}
	ctx, cancel := context.WithTimeout(ctx, wait+f.cfg.Grace)
	defer cancel()
	_, err := f.client.transport.RoundTrip(ctx, f.client.addr, call)
	if err != nil {
		return fmt.Errorf("fetch from broker %d: %w", broker, err)
	}
	return nil
}

// countTopics counts the runs of equal topics.
func countTopics(parts []*fetchPart) int {
	n := 0
	for i := range parts {
		if i == 0 || parts[i].cursor.tp.Topic != parts[i-1].cursor.tp.Topic {
			n++
		}
	}
	return n
}

// stream reads a response from the connection, never beyond left bytes.
type stream struct {
	r       io.Reader
	left    int
	scratch [8]byte
	err     error
}

func (s *stream) fixed(n int) []byte {
	b := s.scratch[:n]
	clear(b)
	s.fill(b)
	return b
}

func (s *stream) fill(b []byte) {
	if s.err != nil {
		return
	}
	if len(b) > s.left {
		s.err = errShort
		return
	}
	s.left -= len(b)
	_, s.err = io.ReadFull(s.r, b)
}

func (s *stream) int16() int16 { return int16(binary.BigEndian.Uint16(s.fixed(2))) }
func (s *stream) int32() int32 { return int32(binary.BigEndian.Uint32(s.fixed(4))) }
func (s *stream) int64() int64 { return int64(binary.BigEndian.Uint64(s.fixed(8))) }

// array reads the size of an array; after a fault it is empty, so that loops end.
func (s *stream) array() int {
	n := int(s.int32())
	if s.err != nil || n < 0 {
		return 0
	}
	if n > s.left {
		s.err = errShort
		return 0
	}
	return n
}

func (s *stream) string() string { return string(s.bytes(int(s.int16()))) }

// has says whether n bytes are left; else that is the fault.
func (s *stream) has(n int) bool {
	if s.err == nil && n > s.left {
		s.err = errShort
	}
	return s.err == nil
}

// bytes reads n bytes into fresh memory.
func (s *stream) bytes(n int) []byte {
	if n <= 0 || !s.has(n) {
		return nil
	}
	b := make([]byte, n)
	s.fill(b)
	return b
}
