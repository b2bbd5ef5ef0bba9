package kafka

import "time"

// Record is one record as it was read from a partition. Its bytes belong to an arena that is shared by the records of
// one fetched batch: unless the batch is released they may be kept, at the price of keeping all of it in memory.
// They must not be changed.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	// Time is the record's timestamp, with milliseconds.
	Time    time.Time
	Key     []byte // nil: no key
	Value   []byte // nil: no value
	Headers []Header
}

// Size is what the record weighs in memory, in bytes: key, value and headers.
func (r *Record) Size() int {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// Header is one header of a record. A key may occur more than once.
type Header struct {
	Key   string
	Value []byte
}

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int
}

// Acker is told once what became of a record: nil once all in-sync replicas have it. See Producer for the errors.
type Acker interface{ Acked(err error) }

// AckFunc makes an Acker of a function.
type AckFunc func(err error)

// Acked calls f.
func (f AckFunc) Acked(err error) { f(err) }

// OutRecord is one record to be written. Key, Value and Headers must not change until Ack was told.
type OutRecord struct {
	Topic string
	// Key chooses the partition, as the Java client does; without a key the record goes to any partition.
	Key     []byte
	Value   []byte
	Headers []Header
	// Time is the record's timestamp; zero: the moment at which it was handed over.
	Time time.Time
	// Partition is used when Explicit is set; otherwise the key decides.
	Partition int
	Explicit  bool
	// Ack may be nil.
	Ack Acker
}

// Compression is the codec of a topic's batches.
type Compression uint8

// The codecs. None is the default.
const (
	None Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)
