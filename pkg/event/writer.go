package event

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// writer appends JSON objects. Its names are constants of this package and are not escaped.
type writer struct{ b []byte }

func (w *writer) open(c byte)  { w.b = append(w.b, c) }
func (w *writer) close(c byte) { w.b = append(w.b, c) }
func (w *writer) raw(s string) { w.b = append(w.b, s...) }

// comma separates from what stands before; directly behind a bracket there is nothing.
func (w *writer) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

// item opens an element of an array.
func (w *writer) item(c byte) {
	w.comma()
	w.open(c)
}

func (w *writer) key(name string) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) text(name, s string) {
	w.key(name)
	w.b = appendQuoted(w.b, s)
}

// optional leaves an empty text out.
func (w *writer) optional(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

// nullable writes an empty text as null.
func (w *writer) nullable(name, s string) {
	if s == "" {
		w.key(name)
		w.raw("null")
		return
	}
	w.text(name, s)
}

func (w *writer) int(name string, n int64) {
	w.key(name)
	w.b = appendInt(w.b, n)
}

// status writes an HTTP status, 0 as null.
func (w *writer) status(name string, code int) {
	w.key(name)
	if code == 0 {
		w.raw("null")
		return
	}
	w.b = appendInt(w.b, int64(code))
}

func (w *writer) bool(name string, v bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, v)
}

// time writes a zero time as null.
func (w *writer) time(name string, t time.Time) {
	w.key(name)
	if t.IsZero() {
		w.raw("null")
		return
	}
	w.b = append(appendTime(append(w.b, '"'), t), '"')
}

func (w *writer) millis(name string, m Millis) {
	w.key(name)
	w.b = m.append(w.b)
}

func (w *writer) occurrence(name string, o Occurrence) {
	w.key(name)
	w.b = append(o.append(append(w.b, '"')), '"')
}

// digest leaves a digest that was not computed out.
func (w *writer) digest(name string, d Digest) {
	if d.IsZero() {
		return
	}
	w.key(name)
	w.b = append(w.b, '"')
	for _, c := range d {
		w.b = append(w.b, lowerHex[c>>4], lowerHex[c&15])
	}
	w.b = append(w.b, '"')
}

func (w *writer) source(name string, s Source) {
	w.key(name)
	w.open('{')
	w.text("topic", s.Topic)
	w.int("partition", int64(s.Partition))
	w.int("offset", s.Offset)
	w.close('}')
}

func (w *writer) headers(name string, headers []Header) {
	w.key(name)
	w.open('[')
	for _, h := range headers {
		w.item('[')
		w.b = append(appendQuoted(w.b, h[0]), ',')
		w.b = appendQuoted(w.b, h[1])
		w.close(']')
	}
	w.close(']')
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// append writes milliseconds with three decimals at most: 182.041, 5, 0.5.
func (m Millis) append(dst []byte) []byte {
	us := time.Duration(m).Microseconds()
	if us < 0 {
		dst, us = append(dst, '-'), -us
	}
	dst = appendInt(dst, us/1000)
	frac := int(us % 1000)
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.', digit(frac/100), digit(frac/10), digit(frac))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

const lowerHex = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Bytes that are not valid UTF-8 become U+FFFD, one each;
// control characters, U+2028 and U+2029 (which end a line in older JavaScript) are escaped.
func appendQuoted[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = appendEscape(append(dst, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[start:i]...), "\uFFFD"...)
			start = i + 1
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[start:i]...), `\u202`...)
			dst = append(dst, lowerHex[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
}
