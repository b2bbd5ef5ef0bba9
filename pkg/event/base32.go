package event

import "encoding/binary"

// Crockford's alphabet: no I, L, O, U. Its order is that of ASCII, so text sorts as bytes do.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// encode writes prefix and then o in 26 characters, most significant bits first.
func encode(prefix string, o Occurrence) string {
	var buf [48]byte
	return string(o.append(append(buf[:0], prefix...)))
}

// append writes o in 26 characters: 128 bits as the low end of 130.
func (o Occurrence) append(dst []byte) []byte {
	hi, lo := binary.BigEndian.Uint64(o[:8]), binary.BigEndian.Uint64(o[8:])
	var c [encodedLen]byte
	for i := encodedLen - 1; i >= 0; i-- {
		c[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return append(dst, c[:]...)
}

// decodeID reads 26 characters. Only the form that append writes is taken, so that an id has one
// spelling; a first character above 7 would be more than 128 bits.
func decodeID(s string) (Occurrence, bool) {
	if len(s) != encodedLen || s[0] > '7' {
		return Occurrence{}, false
	}
	var hi, lo uint64
	for i := range encodedLen {
		v := base32Value(s[i])
		if v > 31 {
			return Occurrence{}, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	var o Occurrence
	binary.BigEndian.PutUint64(o[:8], hi)
	binary.BigEndian.PutUint64(o[8:], lo)
	return o, true
}

// base32Value returns the value of one character, or 255. Letters skip I, L, O and U, so each of
// them that c has passed takes one off.
func base32Value(c byte) byte {
	if c >= '0' && c <= '9' {
		return c - '0'
	}
	if c < 'A' || c > 'Z' || c == 'I' || c == 'L' || c == 'O' || c == 'U' {
		return 255
	}
	v := c - 'A' + 10
	for _, gap := range [...]byte{'I', 'L', 'O', 'U'} {
		if c > gap {
			v--
		}
	}
	return v
}
