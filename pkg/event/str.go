package event

import (
	"bytes"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string from behind its opening quote to behind its closing one, eight bytes at a
// time while there is nothing special in them.
func (s *scanner) str(i int) int {
	b := s.b
	for {
		for i+8 <= len(b) {
			m := special(load64(b, i))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return s.fail(len(b), "string without an end")
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			i = s.escape(i)
		case c < ' ':
			return s.fail(i, "control character in a string")
		case c < utf8.RuneSelf:
			i++ // among the last seven bytes
		default:
			i = s.wide(i)
		}
		if i < 0 {
			return -1
		}
	}
}

// wide reads characters beyond ASCII, and single ASCII letters and spaces between them: in most
// scripts a space stands between runs of such characters.
func (s *scanner) wide(i int) int {
	b := s.b
	for i < len(b) {
		c := b[i]
		if c < utf8.RuneSelf {
			if c == ' ' && i+1 < len(b) && b[i+1] >= utf8.RuneSelf {
				i++
				continue
			}
			return i
		}
		if c-0xC2 <= 0xDF-0xC2 && i+1 < len(b) && b[i+1]&0xC0 == 0x80 {
			i += 2
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return s.fail(i, "invalid UTF-8")
		}
		i += size
	}
	return i
}

// escape reads one escape from its backslash on.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.b) {
		return s.fail(len(s.b), "string without an end")
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+6 > len(s.b) {
			return s.fail(i, "broken escape in a string")
		}
		if _, ok := hex4(s.b[i+2 : i+6]); ok {
			return i + 6
		}
	}
	return s.fail(i, "broken escape in a string")
}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape returns the text of a string that str has checked, without its quotes. Half a surrogate
// pair becomes U+FFFD. Without escapes the result is raw itself.
func unescape(raw []byte) []byte {
	next := bytes.IndexByte(raw, '\\')
	if next < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for next >= 0 {
		out = append(out, raw[:next]...)
		raw = raw[next:]
		c := raw[1]
		if c == 'u' {
			var r rune
			r, raw = unescapeRune(raw)
			out = utf8.AppendRune(out, r)
		} else {
			out = append(out, shortEscape(c))
			raw = raw[2:]
		}
		next = bytes.IndexByte(raw, '\\')
	}
	return append(out, raw...)
}

// unescapeRune reads \uXXXX, and a second one when both are a surrogate pair.
func unescapeRune(raw []byte) (rune, []byte) {
	r, _ := hex4(raw[2:6])
	raw = raw[6:]
	if !utf16.IsSurrogate(r) {
		return r, raw
	}
	if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
		low, _ := hex4(raw[2:6])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, raw[6:]
		}
	}
	return utf8.RuneError, raw
}

func shortEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
