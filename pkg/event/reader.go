package event

import (
	"bytes"
	"strconv"
	"time"
)

// reader takes JSON apart in the order in which it comes:
//
//	for d.open('{'); d.next('}'); {
//		switch string(d.key) { … d.text() … default: d.skip() }
//	}
//
// Each turn has to read its one value. After a fault all calls do nothing, next says false, and
// fault tells of it.
type reader struct {
	scanner
	i     int    // where the next token begins, -1 after a fault
	first bool   // directly behind an opening bracket
	key   []byte // the member's name, unescaped
	keyAt int
}

// open enters an object or array, given its bracket.
func (d *reader) open(bracket byte) {
	if d.i < 0 {
		return
	}
	c, i := d.peek(d.i)
	switch {
	case c != bracket && bracket == '{':
		d.i = d.fail(i, "expected an object")
	case c != bracket:
		d.i = d.fail(i, "expected an array")
	case d.depth == maxDepth:
		d.i = d.fail(i, tooDeep)
	default:
		d.push(bracket == '{')
		d.i, d.first = i+1, true
	}
}

// next goes to the next member of an object or element of an array, given its closing bracket; it
// leaves it and says false when there is none.
func (d *reader) next(closing byte) bool {
	if d.i < 0 {
		return false
	}
	c, i := d.peek(d.i)
	first := d.first
	d.first = false
	if c == closing {
		d.depth--
		d.i = i + 1
		return false
	}
	if !first {
		if c != ',' {
			d.i = d.fail(i, expected(closing == '}'))
			return false
		}
		i++
	}
	if closing == '}' {
		return d.member(i)
	}
	d.i = i
	return true
}

// member reads a key and its colon.
func (d *reader) member(i int) bool {
	c, i := d.peek(i)
	if c != '"' {
		d.i = d.fail(i, "expected a key")
		return false
	}
	end := d.str(i + 1)
	if end < 0 {
		d.i = -1
		return false
	}
	d.keyAt, d.key = i, d.b[i+1:end-1]
	if bytes.IndexByte(d.key, '\\') >= 0 {
		d.key = unescape(d.key)
	}
	d.i = d.colon(end)
	return d.i >= 0
}

// skip reads a value of any kind.
func (d *reader) skip() {
	if d.i >= 0 {
		d.i = d.value(d.i)
	}
}

// span reads a value of any kind and returns where it stands.
func (d *reader) span() span {
	if d.i < 0 {
		return span{}
	}
	_, start := d.peek(d.i)
	d.i = d.value(start)
	return span{start, d.i}
}

// end reads what stands behind the outermost value, which must be white space.
func (d *reader) end() {
	if d.i < 0 {
		return
	}
	if i := d.space(d.i); i < len(d.b) {
		d.i = d.fail(i, "more bytes behind the object")
	}
}

// null reads a null and says true, or leaves another value alone.
func (d *reader) null() bool {
	if d.i < 0 {
		return true
	}
	c, i := d.peek(d.i)
	if c != 'n' {
		return false
	}
	d.i = d.literal(i, c)
	return true
}

// raw reads a scalar that begins as first wants it. Nil is a fault, or a null.
func (d *reader) raw(what string, first func(byte) bool) []byte {
	if d.null() {
		return nil
	}
	c, i := d.peek(d.i)
	if !first(c) {
		d.i = d.fail(i, what)
		return nil
	}
	if d.i = d.value(i); d.i < 0 {
		return nil
	}
	return d.b[i:d.i]
}

// bytes reads a string without its quotes, unescaped. It may be a part of the input.
func (d *reader) bytes() []byte {
	raw := d.raw("expected a string", func(c byte) bool { return c == '"' })
	if raw == nil {
		return nil
	}
	return unescape(raw[1 : len(raw)-1])
}

func (d *reader) text() string { return string(d.bytes()) }

// set reads a string with a parser of its own.
func (d *reader) set(what string, parse func([]byte) error) {
	start := d.i
	if b := d.bytes(); b != nil && parse(b) != nil {
		d.i = d.fail(start, what)
	}
}

func isNumberStart(c byte) bool { return c == '-' || c-'0' <= 9 }

func (d *reader) int64() int64 {
	raw := d.raw("expected a whole number", isNumberStart)
	if raw == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		d.i = d.fail(d.i-len(raw), "expected a whole number")
	}
	return n
}

func (d *reader) int() int { return int(d.int64()) }

func (d *reader) millis() (m Millis) {
	raw := d.raw("expected a number of milliseconds", isNumberStart)
	if raw == nil {
		return 0
	}
	if m.UnmarshalJSON(raw) != nil {
		d.i = d.fail(d.i-len(raw), "expected a number of milliseconds")
	}
	return m
}

func (d *reader) bool() bool {
	raw := d.raw("expected true or false", func(c byte) bool { return c == 't' || c == 'f' })
	return len(raw) > 0 && raw[0] == 't'
}

func (d *reader) time() time.Time {
	start := d.i
	b := d.bytes()
	if b == nil {
		return time.Time{}
	}
	t, ok := parseTime(string(b))
	if !ok {
		d.i = d.fail(start, "expected an RFC 3339 time")
	}
	return t
}

func (d *reader) occurrence() (o Occurrence) {
	d.set("expected an occurrence", o.UnmarshalText)
	return o
}

func (d *reader) digest() (sum Digest) {
	d.set("expected a SHA-256 sum", sum.UnmarshalText)
	return sum
}

func (d *reader) source() (s Source) {
	if d.null() {
		return s
	}
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "topic":
			s.Topic = d.text()
		case "partition":
			s.Partition = d.int()
		case "offset":
			s.Offset = d.int64()
		default:
			d.skip()
		}
	}
	return s
}

// headers reads an array of pairs; more than two in one is a fault.
func (d *reader) headers() []Header {
	if d.null() {
		return nil
	}
	list := []Header{}
	for d.open('['); d.next(']'); {
		var h Header
		n := 0
		for d.open('['); d.next(']'); n++ {
			if n == len(h) {
				d.i = d.fail(d.i, "expected a name and a value")
				break
			}
			h[n] = d.text()
		}
		list = append(list, h)
	}
	return list
}
