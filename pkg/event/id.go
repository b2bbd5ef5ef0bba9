package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Occurrence identifies one record of a source topic: 48 bits of Unix milliseconds of the
// record's timestamp, then 80 bits of SHA-256 over workspace, topic, partition, offset and
// timestamp. The same record always has the same occurrence, however often it is read; an event
// that was published twice has two. It sorts by time.
type Occurrence [16]byte

// Prefixes of ids.
const (
	PrefixEvent    = "evt_"
	PrefixTest     = "evt_test_"
	PrefixDelivery = "dlv_"
	PrefixAttempt  = "att_"
	PrefixWebhook  = "wh_"
	PrefixKey      = "key_"
	PrefixNotice   = "ntc_"
	PrefixErasure  = "era_"
)

const (
	encodedLen = 26
	maxMillis  = 1<<48 - 1
)

// A tag stands first in each hash input, so that ids of different kinds never share an input.
const (
	tagOccurrence byte = 1 + iota
	tagEvent
	tagDelivery
	tagAttempt
	tagNotice
)

// Occurrence returns the identity of the record at m, which belongs to workspaceID.
func (m Meta) Occurrence(workspaceID string) Occurrence {
	var buf [512]byte
	b := appendString(append(buf[:0], tagOccurrence), workspaceID)
	return identify(m.Time, m.appendTo(b))
}

// EventID returns the id of an event whose producer gave none: `evt_` and 26 characters that
// follow from topic, partition, offset and record timestamp, so that a record that is read again
// has the same id.
func (m Meta) EventID() string {
	var buf [512]byte
	return encode(PrefixEvent, identify(m.Time, m.appendTo(append(buf[:0], tagEvent))))
}

func (m Meta) appendTo(b []byte) []byte {
	b = appendString(b, m.Topic)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Partition))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Offset))
	return binary.BigEndian.AppendUint64(b, uint64(m.Time.UnixMilli()))
}

// DeliveryID returns `dlv_` and 26 characters: the record's time and a hash of the occurrence and
// the webhook. Whoever knows both computes the same id, so nothing is counted twice.
func (o Occurrence) DeliveryID(webhookID string) string {
	var buf [256]byte
	b := append(append(buf[:0], tagDelivery), o[:]...)
	return encode(PrefixDelivery, o.derive(append(b, webhookID...)))
}

// AttemptID returns `att_` and 26 characters: the record's time and a hash of the occurrence, the
// webhook, the chain and the 1-based attempt number.
func (o Occurrence) AttemptID(webhookID string, chain, attempt int) string {
	var buf [256]byte
	b := append(append(buf[:0], tagAttempt), o[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(chain))
	b = binary.BigEndian.AppendUint64(b, uint64(attempt))
	return encode(PrefixAttempt, o.derive(append(b, webhookID...)))
}

// derive keeps o's time and puts the hash of input behind it.
func (o Occurrence) derive(input []byte) Occurrence {
	sum := sha256.Sum256(input)
	copy(o[6:], sum[:])
	return o
}

// identify puts t and the hash of input together.
func identify(t time.Time, input []byte) Occurrence {
	return timed(t).derive(input)
}

// timed returns an id of which only the time is set. Times that 48 bits cannot hold (before 1970,
// after the year 10889) become the nearest that they can.
func timed(t time.Time) Occurrence {
	ms := uint64(min(max(t.UnixMilli(), 0), maxMillis))
	var o Occurrence
	binary.BigEndian.PutUint64(o[:8], ms<<16)
	return o
}

// appendString puts the length before the text: without it ("ab","c") and ("a","bc") would hash
// alike.
func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// Time is the record's timestamp, in UTC with milliseconds.
func (o Occurrence) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(o[:8]) >> 16)).UTC()
}

// String returns 26 upper-case characters of Crockford's base32. They sort as the bytes do.
func (o Occurrence) String() string { return encode("", o) }

// IsZero tells whether o was never set.
func (o Occurrence) IsZero() bool { return o == Occurrence{} }

// AppendText implements encoding.TextAppender.
func (o Occurrence) AppendText(dst []byte) ([]byte, error) { return o.append(dst), nil }

// MarshalText implements encoding.TextMarshaler.
func (o Occurrence) MarshalText() ([]byte, error) { return o.append(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it takes what String returns, nothing else.
func (o *Occurrence) UnmarshalText(text []byte) (err error) {
	*o, err = ParseOccurrence(string(text))
	return err
}

var errOccurrence = errors.New("not an occurrence: want 26 characters of upper-case base32")

// ParseOccurrence is the inverse of String.
func ParseOccurrence(s string) (Occurrence, error) {
	o, ok := decodeID(s)
	if !ok {
		return Occurrence{}, errOccurrence
	}
	return o, nil
}

// NewOccurrence returns a random occurrence at time t, for what has no record of its own, such as
// a test event.
func NewOccurrence(t time.Time) Occurrence {
	o := timed(t)
	rand.Read(o[6:]) // never returns an error: it would end the program
	return o
}

// NewID returns a random id: prefix, then 26 characters that sort by t (milliseconds) and hold 80
// random bits. The prefix includes its underscore.
func NewID(prefix string, t time.Time) string { return encode(prefix, NewOccurrence(t)) }

// IDTime reads the time out of an id that this package made: an occurrence, a delivery, attempt
// or derived event id, or one of NewID. It is false for anything else.
func IDTime(id string) (time.Time, bool) {
	if len(id) < encodedLen {
		return time.Time{}, false
	}
	cut := len(id) - encodedLen
	if cut > 0 && id[cut-1] != '_' {
		return time.Time{}, false
	}
	o, ok := decodeID(id[cut:])
	if !ok {
		return time.Time{}, false
	}
	return o.Time(), true
}
