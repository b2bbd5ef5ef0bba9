package event

import (
	"bytes"
	"iter"
	"strings"
	"time"
)

// confluentFrame is the length of what Confluent's serializers put before the JSON: a zero byte
// and a schema id of four bytes.
const confluentFrame = 5

// The reserved keys, as indexes into envelope.
const (
	keyID = iota
	keyEvent
	keyWorkspace
	keyTimestamp
	keyData
	keyCount
)

// span is where the value of a reserved key stands; present once end is set.
type span struct{ start, end int }

// envelope is the top-level object, taken apart.
type envelope struct {
	fields [keyCount]span
	// repeated is the first reserved key that came twice or in another spelling, at byte
	// repeatedAt; nothing when empty.
	repeated   string
	repeatedAt int
}

// Parse checks the value of a source record and takes it apart. A Confluent frame in front of the
// JSON is skipped. maxBytes limits the length without that frame; 0 means no limit. The error, if
// any, is an [*Invalid]. Event.Data aliases value.
//
// A nil value (a tombstone) is for the caller to skip; here it is bad JSON.
func Parse(value []byte, rec Meta, maxBytes int) (Event, error) {
	e, bad := parse(value, rec, maxBytes)
	if bad == nil && strings.HasPrefix(e.ID, PrefixTest) {
		bad = &Invalid{BadField, "id: begins with " + PrefixTest + ", which is kept for test events"}
	}
	if bad != nil {
		return Event{}, bad
	}
	return e, nil
}

// ParseTest is Parse for our own test events: their ids, and only theirs, begin with [PrefixTest].
func ParseTest(value []byte, rec Meta, maxBytes int) (Event, error) {
	e, bad := parse(value, rec, maxBytes)
	if bad == nil && !strings.HasPrefix(e.ID, PrefixTest) {
		bad = &Invalid{BadField, "id: does not begin with " + PrefixTest}
	}
	if bad != nil {
		return Event{}, bad
	}
	return e, nil
}

func parse(value []byte, rec Meta, maxBytes int) (Event, *Invalid) {
	start := 0
	if len(value) >= confluentFrame && value[0] == 0 {
		start = confluentFrame
	}
	if maxBytes > 0 && len(value)-start > maxBytes {
		return Event{}, tooLarge(len(value)-start, maxBytes)
	}
	d := reader{scanner: scanner{b: value}, i: start}
	env := d.envelope()
	if d.fault != "" {
		return Event{}, &Invalid{BadJSON, at(d.where, d.fault)}
	}
	if env.repeated != "" {
		return Event{}, &Invalid{DuplicateKey, at(env.repeatedAt, "key "+env.repeated+" again, or in another spelling")}
	}
	return env.event(value, rec)
}

// envelope reads the whole value and notes where the reserved keys' values stand.
func (d *reader) envelope() (env envelope) {
	if bytes.HasPrefix(d.b[d.i:], []byte("\xEF\xBB\xBF")) {
		d.fail(d.i, "byte-order mark")
		return env
	}
	if c, i := d.peek(d.i); i >= len(d.b) {
		d.fail(i, "empty value")
		return env
	} else if c != '{' {
		d.fail(i, "not an object")
		return env
	}
	for d.open('{'); d.next('}'); {
		field := env.field(d.key, d.keyAt)
		if field == nil {
			d.skip()
			continue
		}
		*field = d.span()
	}
	d.end()
	return env
}

// field returns where to note the value of the key name, nil when the key is not a reserved one.
func (env *envelope) field(name []byte, where int) *span {
	k, exact := reserved(name)
	if k < 0 {
		return nil
	}
	if (!exact || env.fields[k].end != 0) && env.repeated == "" {
		env.repeated, env.repeatedAt = reservedKeys[k], where
	}
	return &env.fields[k]
}

// reserved returns which reserved key name is, -1 if none, and whether it is spelled exactly so.
// Another case, and the letters beyond ASCII that fold to one (ſ to s, the Kelvin sign to k), are
// the same key to some parsers and another one to others.
func reserved(name []byte) (k int, exact bool) {
	switch string(name) {
	case "id":
		return keyID, true
	case "event":
		return keyEvent, true
	case "workspace_id":
		return keyWorkspace, true
	case "timestamp":
		return keyTimestamp, true
	case "data":
		return keyData, true
	}
	if len(name) > 2*len("workspace_id") {
		return -1, false
	}
	for k, want := range reservedKeys {
		if bytes.EqualFold(name, []byte(want)) {
			return k, false
		}
	}
	return -1, false
}

// event judges the reserved fields.
func (env *envelope) event(value []byte, rec Meta) (Event, *Invalid) {
	for _, k := range [...]int{keyEvent, keyWorkspace, keyData} {
		if env.fields[k].end == 0 {
			return Event{}, &Invalid{MissingField, reservedKeys[k] + ": absent"}
		}
	}
	data := env.fields[keyData]
	if value[data.start] != '{' {
		return Event{}, &Invalid{BadField, "data: not an object"}
	}
	e := Event{
		Data:    value[data.start:data.end:data.end],
		Derived: env.absent(value, keyID),
	}
	bad := env.texts(value, &e)
	if bad != nil {
		return Event{}, bad
	}
	if e.Derived {
		e.ID = rec.EventID()
	}
	if e.Timestamp == "" {
		e.Time = time.UnixMilli(rec.Time.UnixMilli()).UTC()
		e.Timestamp = FormatTime(e.Time)
		return e, nil
	}
	var ok bool
	if e.Time, ok = parseTime(e.Timestamp); !ok {
		return Event{}, &Invalid{BadField, "timestamp: not an RFC 3339 time"}
	}
	return e, nil
}

// texts sets the fields that are strings. They share one allocation.
func (env *envelope) texts(value []byte, e *Event) (bad *Invalid) {
	var buf [maxID + maxType + maxWorkspace + maxTimestamp]byte
	all := buf[:0]
	var ends [keyCount]int
	for k := range keyData {
		if k != keyID && k != keyTimestamp || !env.absent(value, k) {
			if all, bad = env.text(all, value, k); bad != nil {
				return bad
			}
		}
		ends[k] = len(all)
	}
	text := string(all)
	e.ID = text[:ends[keyID]]
	e.Type = text[ends[keyID]:ends[keyEvent]]
	e.WorkspaceID = text[ends[keyEvent]:ends[keyWorkspace]]
	e.Timestamp = text[ends[keyWorkspace]:]
	return nil
}

// absent tells whether an optional field is missing or null.
func (env *envelope) absent(value []byte, k int) bool {
	f := env.fields[k]
	return f.end == 0 || value[f.start] == 'n'
}

// text appends the text of a field that must be a string of allowed characters.
func (env *envelope) text(dst, value []byte, k int) ([]byte, *Invalid) {
	raw := value[env.fields[k].start:env.fields[k].end]
	if raw[0] != '"' {
		return nil, &Invalid{BadField, reservedKeys[k] + ": not a string"}
	}
	text := unescape(raw[1 : len(raw)-1])
	limit, allowed := fieldRules(k)
	if len(text) == 0 {
		return nil, &Invalid{BadField, reservedKeys[k] + ": empty"}
	}
	if len(text) > limit {
		return nil, tooLong(k, len(text), limit)
	}
	for i, c := range text {
		if !allowed.has(c) {
			return nil, badCharacter(k, i)
		}
	}
	return append(dst, text...), nil
}

// Members goes over the members of a JSON object as they come, each with its name and its value's JSON; a name that comes
// twice comes twice. It ends early where the object is broken, which one that [Parse] accepted is not.
func Members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		d := reader{scanner: scanner{b: object}}
		for d.open('{'); d.next('}'); {
			name := string(d.key)
			value := d.span()
			if d.i < 0 || !yield(name, object[value.start:value.end]) {
				return
			}
		}
	}
}
