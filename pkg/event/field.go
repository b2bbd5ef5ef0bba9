package event

import (
	"strconv"
	"time"
)

// reservedKeys are the envelope's keys by index.
var reservedKeys = [keyCount]string{
	keyID: "id", keyEvent: "event", keyWorkspace: "workspace_id", keyTimestamp: "timestamp", keyData: "data",
}

// Longest fields, in bytes.
const (
	maxID        = 128
	maxType      = 128
	maxWorkspace = 64
	maxTimestamp = 64
)

// fieldRules returns the longest text of a field and the characters that it may have.
func fieldRules(k int) (limit int, allowed charset) {
	digits := span64('0', '9')
	letters := span64('A', 'Z') | span64('a', 'z')
	id := charset{digits | span64('-', '-'), letters | span64('_', '_')}
	switch k {
	case keyEvent:
		id[0] |= span64('.', '.')
		return maxType, id
	case keyWorkspace:
		return maxWorkspace, id
	case keyTimestamp:
		return maxTimestamp, charset{
			digits | span64('+', '+') | span64('-', '.') | span64(':', ':'),
			span64('T', 'T') | span64('Z', 'Z') | span64('t', 't') | span64('z', 'z'),
		}
	}
	return maxID, id
}

// charset is a set of ASCII characters, one bit for each.
type charset [2]uint64

// span64 has the bits of the characters from first to last, which share a word.
func span64(first, last byte) uint64 {
	return (1<<(last%64-first%64+1) - 1) << (first % 64)
}

func (s charset) has(c byte) bool { return c < 128 && s[c>>6]>>(c&63)&1 != 0 }

func tooLarge(size, limit int) *Invalid {
	return &Invalid{TooLarge, strconv.Itoa(size) + " bytes, at most " + strconv.Itoa(limit) + " are allowed"}
}

func tooLong(k, size, limit int) *Invalid {
	return &Invalid{BadField, reservedKeys[k] + ": " + strconv.Itoa(size) + " bytes, at most " + strconv.Itoa(limit) + " are allowed"}
}

func badCharacter(k, i int) *Invalid {
	return &Invalid{BadField, reservedKeys[k] + ": character at " + strconv.Itoa(i) + " is not allowed"}
}

// parseTime reads an RFC 3339 time: every form that the RFC allows with a T, which is more than
// package time takes (a leap second, lower-case t and z), and nothing beyond it (package time
// also takes a decimal comma). A leap second is the first moment of the next minute. In UTC, too, the
// year has to be one of four digits.
func parseTime(s string) (time.Time, bool) {
	const date = len("2006-01-02T15:04:05")
	if len(s) <= date || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	year, month, day := number(s[0:4], 0, 9999), number(s[5:7], 1, 12), number(s[8:10], 1, 31)
	hour, minute, sec := number(s[11:13], 0, 23), number(s[14:16], 0, 59), number(s[17:19], 0, 60)
	if min(year, month, day, hour, minute, sec) < 0 || day > daysIn(year, month) {
		return time.Time{}, false
	}
	nanos, rest, ok := fraction(s[date:])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := zone(rest)
	if !ok {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, nanos, time.UTC).Add(-offset)
	return t, t.Year() >= 0 && t.Year() <= 9999
}

// number reads decimal digits, -1 when there is anything else or the result is out of bounds.
func number(s string, low, high int) int {
	n := 0
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	if n < low || n > high {
		return -1
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// fraction reads an optional fraction of a second of any length; digits beyond nanoseconds are
// dropped.
func fraction(s string) (nanos int, rest string, ok bool) {
	if s[0] != '.' {
		return 0, s, true
	}
	i, unit := 1, int(time.Second)
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		unit /= 10
		nanos += unit * int(s[i]-'0')
	}
	return nanos, s[i:], i > 1
}

// zone reads Z or ±hh:mm.
func zone(s string) (time.Duration, bool) {
	if len(s) == 1 {
		return 0, s[0]|0x20 == 'z'
	}
	if len(s) != len("+00:00") || s[3] != ':' || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	hours, minutes := number(s[1:3], 0, 23), number(s[4:6], 0, 59)
	if min(hours, minutes) < 0 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}
