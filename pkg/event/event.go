package event

import (
	"bytes"
	"strconv"
	"time"
)

// Event is one record of a source topic, checked and taken apart. It is a view: Data points into
// the bytes that were parsed.
type Event struct {
	// ID is unique in its workspace: 1–128 of A-Z a-z 0-9 _ -. Derived from the record's
	// coordinates ([Meta.EventID]) when the producer gave none.
	ID string
	// Derived tells that the producer gave no id.
	Derived bool
	// Type is the `event` field, such as ConversationComplete: 1–128 of A-Z a-z 0-9 . _ -.
	Type string
	// WorkspaceID is the tenant: 1–64 of A-Z a-z 0-9 _ -.
	WorkspaceID string
	// Timestamp is the producer's RFC 3339 text as given, or the record's time in UTC with
	// milliseconds and Z.
	Timestamp string
	// Time is Timestamp as a time.
	Time time.Time
	// Data is the `data` object, byte for byte as published. It aliases Parse's input.
	Data []byte
}

// Meta is where and when a record stands in Kafka.
type Meta struct {
	Topic     string
	Partition int
	Offset    int64
	// Time is the record's timestamp; milliseconds count, finer parts are dropped.
	Time time.Time
}

// Source returns the coordinates without the time.
func (m Meta) Source() Source {
	return Source{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
}

// Body returns the request body that every webhook gets for e in every attempt:
// {"id":…,"event":…,"timestamp":…,"data":…}, keys in this order, no spaces of ours, data verbatim.
// e must come from Parse or hold fields of the same character sets: nothing is escaped.
func Body(e *Event) []byte {
	var space [512]byte
	head := append(space[:0], `{"id":"`...)
	head = append(head, e.ID...)
	head = append(head, `","event":"`...)
	head = append(head, e.Type...)
	head = append(head, `","timestamp":"`...)
	head = append(head, e.Timestamp...)
	head = append(head, `","data":`...)
	// Join, since it does not clear the memory that it fills.
	return bytes.Join([][]byte{head, e.Data, []byte("}")}, nil)
}

// DataOf returns the data in a body that [Body] built, byte for byte as it was published. It aliases body.
func DataOf(body []byte) []byte {
	// The values in front of it hold no quotation mark, so this is its key.
	_, data, _ := bytes.Cut(body, []byte(`,"data":`))
	return data[:max(0, len(data)-len("}"))]
}

// appendTime appends t as every derived time is written: UTC, milliseconds, Z.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, timeLayout)
	}
	hour, minute, sec := t.Clock()
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst,
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':',
		digit(sec/10), digit(sec), '.', digit(ms/100), digit(ms/10), digit(ms), 'Z')
}

const timeLayout = "2006-01-02T15:04:05.000Z"

func digit(n int) byte { return '0' + byte(n%10) }

// FormatTime writes t as every derived time is written: RFC 3339, UTC, milliseconds, Z.
func FormatTime(t time.Time) string {
	var buf [len(timeLayout)]byte
	return string(appendTime(buf[:0], t))
}

func at(offset int, what string) string {
	return "byte " + strconv.Itoa(offset) + ": " + what
}
