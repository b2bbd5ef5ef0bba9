package http1

import (
	"io"
	"net"
	"strconv"
)

// script is a connection that says data in pieces of at most step bytes and then ends.
type script struct {
	net.Conn
	data []byte
	step int
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(s.data), max(s.step, 1))
	copy(p, s.data[:n])
	s.data = s.data[n:]
	return n, nil
}

func itoa(n int) string { return strconv.Itoa(n) }

func hex(n int) string { return strconv.FormatInt(int64(n), 16) }
