package http1

import (
	"bytes"
	"io"
	"net"
)

const (
	startRead  = 4 << 10
	startWrite = 4 << 10
	// keepWrite is the largest write buffer that goes back to the pool.
	keepWrite = 64 << 10
)

// scratch is the buffers of one exchange. What was read and not yet used stands in in[r:w].
type scratch struct {
	src  net.Conn
	in   []byte
	r, w int
	out  []byte
}

// takeScratch returns buffers for an exchange over src.
func (t *Transport) takeScratch(src net.Conn) *scratch {
	s, ok := t.scratches.Get().(*scratch)
	if !ok {
		s = &scratch{in: make([]byte, startRead), out: make([]byte, 0, startWrite)}
	}
	s.src = src
	return s
}

// putScratch gives s back. Nothing may refer to its buffers any more.
func (t *Transport) putScratch(s *scratch) {
	s.src, s.r, s.w = nil, 0, 0
	if len(s.in) > startRead {
		s.in = make([]byte, startRead)
	}
	if cap(s.out) > keepWrite {
		s.out = make([]byte, 0, startWrite)
	}
	s.out = s.out[:0]
	t.scratches.Put(s)
}

func (s *scratch) buffered() []byte { return s.in[s.r:s.w] }

// fill reads once, at least one byte or an error. It makes room by moving, and by growing up to limit bytes; a full
// buffer of that size is a ProtocolError.
func (s *scratch) fill(limit int) error {
	if s.r > 0 {
		copy(s.in, s.in[s.r:s.w])
		s.w -= s.r
		s.r = 0
	}
	if s.w == len(s.in) {
		if len(s.in) >= limit {
			return malformed("a part of the answer is too long")
		}
		grown := make([]byte, min(2*len(s.in), limit))
		copy(grown, s.in)
		s.in = grown
	}
	n, err := s.src.Read(s.in[s.w:])
	s.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// Read implements io.Reader: first what is buffered, then straight from the connection.
func (s *scratch) Read(p []byte) (int, error) {
	if s.r < s.w {
		n := copy(p, s.in[s.r:s.w])
		s.r += n
		return n, nil
	}
	return s.src.Read(p)
}

// readLine reads a line of at most limit bytes and returns it without its end; it is valid until the next read.
func (s *scratch) readLine(limit int) ([]byte, error) {
	for {
		b := s.buffered()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			s.r += i + 1
			return bytes.TrimSuffix(b[:i], []byte{'\r'}), nil
		}
		if len(b) >= limit {
			return nil, malformed("a line of the answer is too long")
		}
		if err := s.fill(limit); err != nil {
			return nil, err
		}
	}
}
