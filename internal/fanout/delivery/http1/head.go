package http1

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// readHead reads up to the end of a head and returns it without its blank line; the bytes are valid until the next
// read. limit is what the head may be long.
func (s *scratch) readHead(limit int) ([]byte, error) {
	scanned := 0
	for {
		b := s.buffered()
		if !mayBegin(b) {
			return nil, malformed("the answer does not begin with HTTP/1")
		}
		if end, size := headEnd(b, scanned); size > 0 {
			if size > limit {
				return nil, errHeadTooLong
			}
			s.r += size
			return b[:end], nil
		}
		if len(b) >= limit {
			return nil, errHeadTooLong
		}
		scanned = max(len(b)-2, 0)
		if err := s.fill(limit + startRead); err != nil {
			if errors.Is(err, io.EOF) && len(b) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

var errHeadTooLong = malformed("the head of the answer is too long")

const protocol = "HTTP/1."

// mayBegin says whether b can be the beginning of an answer, so that nonsense is not waited for.
func mayBegin(b []byte) bool {
	n := min(len(b), len(protocol))
	return string(b[:n]) == protocol[:n]
}

// headEnd finds the blank line in b, looking from offset from on: end is where the head's last line ends, size
// includes the blank line. Lines end in CRLF or in LF.
func headEnd(b []byte, from int) (end, size int) {
	for i := from; ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0, 0
		}
		i += j + 1
		if i < len(b) && b[i] == '\n' {
			return i, i + 1
		}
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i, i + 2
		}
	}
}

// status is a parsed status line.
type status struct {
	code  int
	minor int    // of HTTP/1
	text  string // "200 OK"
}

// parseStatus reads "HTTP/1.1 200 OK"; the reason may be missing.
func parseStatus(line string) (status, error) {
	rest, ok := strings.CutPrefix(line, protocol)
	if !ok || len(rest) < len("1 200") || rest[0] < '0' || rest[0] > '9' || rest[1] != ' ' {
		return status{}, malformed("the status line is not valid")
	}
	text := strings.TrimLeft(rest[2:], " ")
	code, _, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil || len(code) != 3 || n < 100 {
		return status{}, malformed("the status is not a number of three digits")
	}
	return status{code: int(n), minor: int(rest[0] - '0'), text: text}, nil
}

// unfold replaces line breaks before white space, an old way of writing long values, by spaces.
func unfold(head []byte) {
	for i := 0; ; {
		j := bytes.IndexByte(head[i:], '\n')
		if j < 0 || i+j+1 >= len(head) {
			return
		}
		i += j + 1
		if head[i] != ' ' && head[i] != '\t' {
			continue
		}
		head[i-1] = ' '
		if i >= 2 && head[i-2] == '\r' {
			head[i-2] = ' '
		}
	}
}

// nextLine cuts the first line off lines.
func nextLine(lines string) (line, rest string) {
	line, rest, _ = strings.Cut(lines, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// parseField reads "Name: value".
func parseField(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t") // wrong, but seen, and no reason to send an accepted event again
	if !ok || !validName(name) {
		return "", "", malformed("a header line of the answer is not valid")
	}
	if value = strings.Trim(value, " \t"); !validValue(value) {
		return "", "", malformed("a header value of the answer is not valid")
	}
	return name, value, nil
}

// validName says whether s is a token of RFC 9110.
func validName(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// validValue says whether s has no control characters but tabs. Bytes beyond ASCII are old but allowed.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenBytes marks the bytes of a token: every header line of every answer is held against it.
var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()
