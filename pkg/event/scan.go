package event

import "encoding/binary"

// maxDepth is how deep objects and arrays may nest, the outermost counted; encoding/json has the
// same limit.
const (
	maxDepth = 10_000
	tooDeep  = "nested deeper than 10000"
)

// scanner checks JSON (RFC 8259) in one pass. It keeps no tree and does not recurse: one bit for
// each open bracket says whether it is an object's.
//
// Its methods take the offset where they begin and return the offset behind what they read, or -1
// once fault is set.
type scanner struct {
	b     []byte
	depth int
	// fault and where describe what is wrong with b.
	fault string
	where int
	// objects has bit d set when the bracket at depth d is an object's.
	objects [maxDepth/64 + 1]uint64
}

func (s *scanner) fail(i int, fault string) int {
	s.where, s.fault = i, fault
	return -1
}

// space skips white space.
func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\t' || s.b[i] == '\r') {
		i++
	}
	return i
}

// peek skips white space and returns the byte behind it, 0 at the end. No token begins with 0.
func (s *scanner) peek(i int) (byte, int) {
	if i < len(s.b) && s.b[i] > ' ' {
		return s.b[i], i
	}
	i = s.space(i)
	if i >= len(s.b) {
		return 0, i
	}
	return s.b[i], i
}

// value reads one value of any kind.
func (s *scanner) value(i int) int {
	floor := s.depth
	for {
		var c byte
		c, i = s.peek(i)
		switch {
		case c == '"':
			i = s.str(i + 1)
		case c == '{' || c == '[':
			var empty bool
			if i, empty = s.enter(i, c); i >= 0 && !empty {
				continue
			}
		case c == '-' || c-'0' <= 9:
			i = s.number(i)
		default:
			i = s.literal(i, c)
		}
		if i < 0 {
			return -1
		}
		if i = s.advance(i, floor); i < 0 || s.depth == floor {
			return i
		}
	}
}

// enter enters an object or array and, in an object, reads the first key. An empty one is left at
// once.
func (s *scanner) enter(i int, bracket byte) (end int, empty bool) {
	c, j := s.peek(i + 1)
	if s.depth == maxDepth {
		return s.fail(i, tooDeep), false
	}
	if c == bracket+2 { // in ASCII ']' and '}' stand two behind '[' and '{'
		return j + 1, true
	}
	s.push(bracket == '{')
	if bracket == '{' {
		return s.skipKey(j), false
	}
	return j, false
}

func (s *scanner) push(object bool) {
	word, bit := s.depth/64, uint64(1)<<(s.depth%64)
	if object {
		s.objects[word] |= bit
	} else {
		s.objects[word] &^= bit
	}
	s.depth++
}

// inObject tells whether the innermost open bracket is an object's.
func (s *scanner) inObject() bool {
	d := s.depth - 1
	return s.objects[d/64]>>(d%64)&1 != 0
}

// advance goes from behind a value to where the next one begins, leaving what is closed in between.
// It stops behind the bracket that brings depth down to floor.
func (s *scanner) advance(i, floor int) int {
	for s.depth > floor {
		object := s.inObject()
		var c byte
		c, i = s.peek(i)
		switch {
		case c == ',' && object:
			return s.skipKey(i + 1)
		case c == ',':
			return i + 1
		case c == '}' && object, c == ']' && !object:
			s.depth--
			i++
		default:
			return s.fail(i, expected(object))
		}
	}
	return i
}

// expected is the fault of an object or array that goes on wrongly.
func expected(object bool) string {
	if object {
		return "expected a comma or a closing brace"
	}
	return "expected a comma or a closing bracket"
}

// skipKey reads a key and its colon.
func (s *scanner) skipKey(i int) int {
	c, i := s.peek(i)
	if c != '"' {
		return s.fail(i, "expected a key")
	}
	if i = s.str(i + 1); i < 0 {
		return -1
	}
	return s.colon(i)
}

func (s *scanner) colon(i int) int {
	c, i := s.peek(i)
	if c != ':' {
		return s.fail(i, "expected a colon")
	}
	return i + 1
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number(i int) int {
	if s.b[i] == '-' {
		i++
	}
	if i < len(s.b) && s.b[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return -1
	}
	if i < len(s.b) && s.b[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits reads one digit or more.
func (s *scanner) digits(i int) int {
	start := i
	for i < len(s.b) && s.b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return s.fail(i, "expected a digit")
	}
	return i
}

func (s *scanner) literal(i int, first byte) int {
	var word string
	switch first {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return s.fail(i, "expected a value")
	}
	if len(s.b)-i < len(word) || string(s.b[i:i+len(word)]) != word {
		return s.fail(i, "expected a value")
	}
	return i + len(word)
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// special returns a word in which the top bit of the first byte of w that a string cannot just
// take is set (below the first one all top bits are clear; above it they mean nothing): a quote, a
// backslash, a control character, or the lead of a character beyond ASCII.
//
// Subtracting borrows out of a byte only when that byte is itself one of these.
func special(w uint64) uint64 {
	quote := (w ^ '"'*lowBits) - lowBits
	slash := (w ^ '\\'*lowBits) - lowBits
	control := w - ' '*lowBits
	return (quote | slash | control | w) & highBits
}

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i : i+8]) }
