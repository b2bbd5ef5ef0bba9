package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// item is a record that waits to be written, without its topic. It is kept until it is acknowledged.
type item struct {
	key, value []byte
	headers    []Header
	ack        Acker
	time       int64 // milliseconds
}

// size is about what the item takes in a batch, in bytes.
func (it *item) size() int {
	n := 24 + len(it.key) + len(it.value)
	for i := range it.headers {
		n += 8 + len(it.headers[i].Key) + len(it.headers[i].Value)
	}
	return n
}

// The layout of a record batch, magic 2: byte positions from its start.
const (
	batchLengthAt     = 8
	batchMagicAt      = 16
	batchCRCAt        = 17
	batchAttributesAt = 21
	batchLastDeltaAt  = 23
	batchHeader       = 61
)

// appendBatch appends items as one record batch.
func appendBatch(b []byte, items []item, codec Compression) ([]byte, error) {
	start := len(b)
	first, last := items[0].time, items[0].time
	for i := range items {
		last = max(last, items[i].time)
	}
	w := writer{b: b}
	w.int64(0)  // base offset: the broker's to set
	w.int32(0)  // length, below
	w.int32(-1) // leader epoch
	w.int8(2)   // magic
	w.int32(0)  // checksum, below
	w.int16(int16(codec))
	w.int32(int32(len(items) - 1))
	w.int64(first)
	w.int64(last)
	w.int64(-1) // producer id
	w.int16(-1) // producer epoch
	w.int32(-1) // base sequence
	w.int32(int32(len(items)))
	b, err := appendRecords(w.b, items, first, codec)
	if err != nil {
		return nil, err
	}
	batch := b[start:]
	binary.BigEndian.PutUint32(batch[batchLengthAt:], uint32(len(batch)-batchLengthAt-4))
	binary.BigEndian.PutUint32(batch[batchCRCAt:], crc32.Checksum(batch[batchAttributesAt:], castagnoli))
	return b, nil
}

func appendRecords(b []byte, items []item, first int64, codec Compression) ([]byte, error) {
	if codec == None {
		for i := range items {
			b = appendRecord(b, &items[i], int64(i), first)
		}
		return b, nil
	}
	var plain []byte
	for i := range items {
		plain = appendRecord(plain, &items[i], int64(i), first)
	}
	out := bytes.NewBuffer(b)
	zw := compress.Compression(codec).Codec().NewWriter(out)
	_, err := zw.Write(plain)
	if closeErr := zw.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("compress batch: %w", err)
	}
	return out.Bytes(), nil
}

func appendRecord(b []byte, it *item, delta, first int64) []byte {
	length := 1 + varintSize(it.time-first) + varintSize(delta) + nullableSize(it.key) + nullableSize(it.value) +
		varintSize(int64(len(it.headers)))
	for i := range it.headers {
		h := &it.headers[i]
		length += varintSize(int64(len(h.Key))) + len(h.Key) + nullableSize(h.Value)
	}
	b = binary.AppendVarint(b, int64(length))
	b = append(b, 0) // attributes
	b = binary.AppendVarint(b, it.time-first)
	b = binary.AppendVarint(b, delta)
	b = appendNullable(b, it.key)
	b = appendNullable(b, it.value)
	b = binary.AppendVarint(b, int64(len(it.headers)))
	for i := range it.headers {
		h := &it.headers[i]
		b = binary.AppendVarint(b, int64(len(h.Key)))
		b = append(b, h.Key...)
		b = appendNullable(b, h.Value)
	}
	return b
}

func appendNullable(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	b = binary.AppendVarint(b, int64(len(v)))
	return append(b, v...)
}

func nullableSize(v []byte) int {
	if v == nil {
		return 1
	}
	return varintSize(int64(len(v))) + len(v)
}

func varintSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}

// decompress reads all of a batch's records, at most maxInflated bytes.
func decompress(data []byte, codec Compression) ([]byte, error) {
	if codec > Zstd {
		return nil, fmt.Errorf("kafka: unknown compression %d", codec)
	}
	if codec == Zstd {
		b, err := zstdDecoder.DecodeAll(data, nil)
		if err != nil {
			return nil, fmt.Errorf("decompress batch of %d bytes: %w", len(data), err)
		}
		return b, nil
	}
	zr := compress.Compression(codec).Codec().NewReader(bytes.NewReader(data))
	defer zr.Close()
	out := bytes.NewBuffer(make([]byte, 0, 4*len(data)))
	n, err := io.Copy(out, io.LimitReader(zr, maxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("decompress batch: %w", err)
	}
	if n > maxInflated {
		return nil, fmt.Errorf("kafka: a batch of %d bytes inflates beyond %d", len(data), maxInflated)
	}
	return out.Bytes(), nil
}

// zstdDecoder is made before any test's bubble: the pooled decoders of kafka-go hold channels, which cannot leave the
// bubble of the one who made them.
var zstdDecoder = newZstdDecoder()

func newZstdDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxInflated))
	if err != nil {
		panic(err) // an option is wrong
	}
	return d
}

// maxInflated bounds what one compressed batch may become in memory.
const maxInflated = 256 << 20
