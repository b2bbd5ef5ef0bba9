package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Record is one thing to fold: a record of the history topic, or (History nil) an occurrence's payload. What it points
// to must not change until Fold returns.
type Record struct {
	History    event.Record
	Occurrence event.Occurrence // of the payload
	Payload    []byte
}

// A session id is a Kafka key of any length, but an index entry is not: of a longer one the beginning is kept, and a hash
// that tells it from others.
const (
	maxSession  = 512
	sessionHead = 480
)

// clean makes s fit for SQL text: PostgreSQL has no character NUL, and takes valid UTF-8 only.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// cleanSession is clean for a session id, in at most maxSession bytes.
func cleanSession(s string) string {
	s = clean(s)
	if len(s) <= maxSession {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	cut := sessionHead
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "~" + hex.EncodeToString(sum[:8])
}

// millis is a time as rows hold it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant is the inverse of millis.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func originOf(timestamp string, s event.Source) origin {
	return origin{clean(timestamp), clean(s.Topic), int64(s.Partition), s.Offset}
}

func (o *origin) source() event.Source {
	return event.Source{Topic: o.topic, Partition: int(o.partition), Offset: o.offset}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
