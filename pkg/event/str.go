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

// Masks and patterns of UTF-8 as a little-endian word has it: the lead byte is the lowest.
const (
	twoMask, twoBytes     = 0xC0E0, 0x80C0     // 110xxxxx 10xxxxxx
	threeMask, threeBytes = 0xC0C0F0, 0x8080E0 // 1110xxxx 10xxxxxx 10xxxxxx
	fourMask, fourTwos    = twoMask * 0x0001000100010001, twoBytes * 0x0001000100010001
	overlong, lanes       = 0x001E001E001E001E, 0x7FFF7FFF7FFF7FFF
)

// wide reads characters beyond ASCII, and one or two plain ASCII characters between them: in most
// scripts spaces and commas stand between runs of such characters. It returns where the text may
// go on otherwise.
func (s *scanner) wide(i int) int {
	b := s.b
	for i+8 <= len(b) {
		w := load64(b, i)
		switch {
		case w&fourMask == fourTwos && (w&overlong+lanes)&^lanes == ^uint64(lanes):
			i += 8
		case w&threeMask == threeBytes && validThree(w):
			i += 3
		case w&twoMask == twoBytes && w&0x1E != 0:
			i += 2
		case w&0x80 == 0:
			if w&0x808080 == 0 || special(w&0x7F|0x2020202020202000) != 0 {
				return i
			}
			i++
		default:
			if i = s.rune(i); i < 0 {
				return -1
			}
		}
	}
	for i < len(b) && b[i] >= utf8.RuneSelf {
		if i = s.rune(i); i < 0 {
			return -1
		}
	}
	return i
}

// validThree tells whether the three bytes at the low end of w, which have the right pattern, are
// neither longer than needed nor half a surrogate pair.
func validThree(w uint64) bool {
	high := w&0x0F<<6 | w>>8&0x3F // the upper 10 of 16 bits
	return high >= 0x800>>6 && high&^0x1F != 0xD800>>6
}

// rune reads one character beyond ASCII.
func (s *scanner) rune(i int) int {
	r, size := utf8.DecodeRune(s.b[i:])
	if r == utf8.RuneError && size == 1 {
		return s.fail(i, "invalid UTF-8")
	}
	return i + size
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
