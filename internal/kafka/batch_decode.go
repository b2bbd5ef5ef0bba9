package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
	"unsafe"

	"github.com/segmentio/kafka-go/protocol"
)

var errCorrupt = errors.New("kafka: corrupt record batch")

// recordSet is what a fetched partition's bytes hold.
type recordSet struct {
	records []Record
	// next is the offset after the last whole batch: it passes control batches, aborted ones and what compaction took.
	next int64
	// bytes is what the records hold in memory, after decompression.
	bytes int
	// whole counts the complete batches, of any kind.
	whole int
}

// abortedTxn is one aborted transaction that overlaps a fetched range.
type abortedTxn struct{ producer, first int64 }

// decodeRecords reads all complete batches of data from offset from on. Uncompressed records share data's memory.
func decodeRecords(tp TopicPartition, data []byte, from int64, aborted []abortedTxn) (recordSet, error) {
	d := batchDecoder{tp: tp, set: recordSet{next: from}, from: from, aborted: aborted}
	for len(data) > batchMagicAt {
		size := int(int32(binary.BigEndian.Uint32(data[batchLengthAt:]))) + batchLengthAt + 4
		if size <= batchMagicAt || size > len(data) {
			if size <= batchMagicAt {
				return d.set, fmt.Errorf("%w: length %d", errCorrupt, size)
			}
			break // the broker cut the last batch off
		}
		if err := d.batch(data[:size:size]); err != nil {
			return d.set, fmt.Errorf("batch at %s/%d offset %d: %w", tp.Topic, tp.Partition, d.set.next, err)
		}
		data = data[size:]
	}
	return d.set, nil
}

type batchDecoder struct {
	tp      TopicPartition
	set     recordSet
	from    int64
	aborted []abortedTxn
	// open holds the producers whose aborted transaction the current batch may belong to.
	open map[int64]bool
}

func (d *batchDecoder) batch(b []byte) error {
	switch magic := b[batchMagicAt]; {
	case magic < 2:
		return d.legacy(b)
	case magic > 2 || len(b) < batchHeader:
		return fmt.Errorf("%w: magic %d, %d bytes", errCorrupt, magic, len(b))
	}
	if crc32.Checksum(b[batchAttributesAt:], castagnoli) != binary.BigEndian.Uint32(b[batchCRCAt:]) {
		return fmt.Errorf("%w: checksum", errCorrupt)
	}
	r := &reader{b: b}
	base := r.int64()
	r.take(batchAttributesAt - 8)
	attributes := protocol.Attributes(r.int16())
	last := base + int64(r.int32())
	first, latest, producer := r.int64(), r.int64(), r.int64()
	r.take(6) // producer epoch, base sequence
	count := int(r.int32())
	if last < base || count < 0 {
		return fmt.Errorf("%w: %d records from %d to %d", errCorrupt, count, base, last)
	}
	defer func() { d.set.next, d.set.whole = max(d.set.next, last+1), d.set.whole+1 }()
	if last < d.from {
		return nil
	}
	if d.skips(attributes, producer, last, r.b) {
		return nil
	}
	data := r.b
	if codec := Compression(attributes & 7); codec != None {
		var err error
		if data, err = decompress(data, codec); err != nil {
			return err
		}
	}
	if attributes&logAppendTime != 0 {
		return d.records(data, count, base, latest, false)
	}
	return d.records(data, count, base, first, true)
}

// logAppendTime in the attributes says that the batch's latest timestamp, set by the broker, holds for each record.
const logAppendTime = 1 << 3

// skips says whether a batch holds no data for us: control records, or records of an aborted transaction.
func (d *batchDecoder) skips(attributes protocol.Attributes, producer, last int64, body []byte) bool {
	if !attributes.Transactional() {
		return attributes.Control()
	}
	for len(d.aborted) > 0 && d.aborted[0].first <= last {
		if d.open == nil {
			d.open = make(map[int64]bool)
		}
		d.open[d.aborted[0].producer] = true
		d.aborted = d.aborted[1:]
	}
	if attributes.Control() {
		if controlType(body) == controlAbort {
			delete(d.open, producer)
		}
		return true
	}
	return d.open[producer]
}

const controlAbort = 0

// controlType reads the type from the key of a control batch's first record; -1: not readable.
func controlType(body []byte) int16 {
	p := varints{b: body}
	p.int() // length
	p.take(1)
	p.int()
	p.int()
	if key := p.bytes(); len(key) >= 4 {
		return int16(binary.BigEndian.Uint16(key[2:]))
	}
	return -1
}

func (d *batchDecoder) records(data []byte, count int, base, first int64, deltas bool) error {
	// Seven bytes is the least that a record takes.
	if count > len(data)/7+1 {
		return fmt.Errorf("%w: %d records in %d bytes", errCorrupt, count, len(data))
	}
	if d.set.records == nil {
		d.set.records = make([]Record, 0, count)
	}
	p := varints{b: data}
	for range count {
		p.int() // length
		p.take(1)
		delta := p.int()
		if !deltas {
			delta = 0
		}
		offset := base + p.int()
		key, value := p.bytes(), p.bytes()
		headers := p.headers()
		if p.bad {
			return fmt.Errorf("%w: record after %d", errCorrupt, d.set.next)
		}
		if offset < d.from {
			continue
		}
		d.set.records = append(d.set.records, Record{
			Topic: d.tp.Topic, Partition: d.tp.Partition, Offset: offset, Time: time.UnixMilli(first + delta),
			Key: key, Value: value, Headers: headers,
		})
	}
	d.set.bytes += len(data)
	return nil
}

// legacy reads a message of the formats before Kafka 0.11, which old segments may still hold, through kafka-go.
func (d *batchDecoder) legacy(b []byte) error {
	framed := binary.BigEndian.AppendUint32(make([]byte, 0, len(b)+4), uint32(len(b)))
	var rs protocol.RecordSet
	if _, err := rs.ReadFrom(bytes.NewReader(append(framed, b...))); err != nil {
		return fmt.Errorf("%w: old format: %w", errCorrupt, err)
	}
	d.set.whole++
	d.set.next = max(d.set.next, int64(binary.BigEndian.Uint64(b))+1)
	if rs.Records == nil {
		return nil
	}
	for {
		rec, err := rs.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: old format: %w", errCorrupt, err)
		}
		key, keyErr := protocol.ReadAll(rec.Key)
		value, valueErr := protocol.ReadAll(rec.Value)
		if err := errors.Join(keyErr, valueErr); err != nil {
			return fmt.Errorf("%w: old format: %w", errCorrupt, err)
		}
		d.set.next = max(d.set.next, rec.Offset+1)
		if rec.Offset < d.from {
			continue
		}
		d.set.bytes += len(key) + len(value)
		d.set.records = append(d.set.records, Record{
			Topic: d.tp.Topic, Partition: d.tp.Partition, Offset: rec.Offset, Time: rec.Time, Key: key, Value: value,
		})
	}
}

// varints reads the body of a batch. After the first fault bad is set and everything is empty.
type varints struct {
	b   []byte
	bad bool
}

func (p *varints) int() int64 {
	// Most numbers here are one byte long.
	if len(p.b) > 0 && p.b[0] < 0x80 {
		u := uint64(p.b[0])
		p.b = p.b[1:]
		return int64(u>>1) ^ -int64(u&1)
	}
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.bad = true
		p.b = nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *varints) take(n int64) []byte {
	if n < 0 || n > int64(len(p.b)) {
		p.bad = true
		p.b = nil
		return nil
	}
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

// bytes reads a nullable byte string.
func (p *varints) bytes() []byte {
	n := p.int()
	if n == -1 || p.bad {
		return nil
	}
	return p.take(n)
}

func (p *varints) headers() []Header {
	n := p.int()
	if n == 0 {
		return nil
	}
	if n < 0 || n > int64(len(p.b)) {
		p.bad = true
		return nil
	}
	out := make([]Header, n)
	for i := range out {
		key := p.take(p.int())
		// The arena is not written while anybody looks at its records, so that the key may share its memory.
		out[i].Key = unsafe.String(unsafe.SliceData(key), len(key))
		out[i].Value = p.bytes()
	}
	return out
}
