package http1

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// framing collects what the header fields of an answer say about its body and its connection.
type framing struct {
	minor, status int
	method        string

	length    int64
	hasLength bool
	chunked   bool
	close     bool
	keepAlive bool
	idle      time.Duration // how long the receiver keeps an idle connection; 0: it did not say
}

// note takes one field into account.
func (f *framing) note(name, value string) error {
	switch len(name) {
	case len("Connection"):
		if strings.EqualFold(name, "Connection") {
			f.noteConnection(value)
		} else if strings.EqualFold(name, "Keep-Alive") {
			f.noteKeepAlive(value)
		}
	case len("Content-Length"):
		if strings.EqualFold(name, "Content-Length") {
			return f.noteLength(value)
		}
	case len("Transfer-Encoding"):
		if strings.EqualFold(name, "Transfer-Encoding") && f.minor > 0 {
			if f.chunked || !strings.EqualFold(value, "chunked") {
				return malformed("the answer's transfer encoding is not known")
			}
			f.chunked = true
		}
	}
	return nil
}

func (f *framing) noteConnection(value string) {
	for token := range strings.SplitSeq(value, ",") {
		token = strings.Trim(token, " \t")
		f.close = f.close || strings.EqualFold(token, "close")
		f.keepAlive = f.keepAlive || strings.EqualFold(token, "keep-alive")
	}
}

// noteKeepAlive reads "timeout=5, max=1000". Many receivers close after a few seconds, and a request that meets the
// closing half-way is lost. A limit that can't be read is none.
func (f *framing) noteKeepAlive(value string) {
	for param := range strings.SplitSeq(value, ",") {
		text, ok := strings.CutPrefix(strings.Trim(param, " \t"), "timeout=")
		if seconds, err := strconv.ParseUint(text, 10, 16); ok && err == nil {
			f.idle = max(time.Duration(seconds)*time.Second-keepAliveMargin, 1)
		}
	}
}

// keepAliveMargin is how much earlier than the receiver a connection is given up.
const keepAliveMargin = time.Second

// noteLength takes digits. Two lengths that differ are two answers to two readers.
func (f *framing) noteLength(value string) error {
	n, err := strconv.ParseUint(value, 10, 63)
	if err != nil || f.hasLength && f.length != int64(n) {
		return malformed("the answer's length is not valid")
	}
	f.length, f.hasLength = int64(n), true
	return nil
}

// frame says how the body is to be read.
func (f *framing) frame() (frame, error) {
	keep := !f.close && (f.minor > 0 || f.keepAlive)
	switch {
	case f.status == http.StatusSwitchingProtocols:
		return frame{done: true}, nil
	case f.method == http.MethodHead || f.status == http.StatusNoContent || f.status == http.StatusNotModified:
		return frame{done: true, keep: keep}, nil
	case f.chunked:
		// A length besides is a sign of confusion somewhere on the way: the connection is not trusted further.
		return frame{chunked: true, length: -1, keep: keep && !f.hasLength}, nil
	case f.hasLength:
		return frame{length: f.length, left: f.length, keep: keep, done: f.length == 0}, nil
	default:
		return frame{untilClose: true, length: -1}, nil
	}
}

// frame reads a body of one of the three framings. Its errors are io.EOF at the body's proper end,
// io.ErrUnexpectedEOF, a ProtocolError, or the connection's.
type frame struct {
	length     int64 // -1: not known
	left       int64 // of the body, or of the chunk
	chunked    bool
	untilClose bool
	keep       bool // the connection may be used again after the body
	done       bool
	inChunks   bool // the first chunk has begun
}

func (f *frame) read(s *scratch, p []byte) (int, error) {
	if f.done {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if f.untilClose {
		n, err := s.Read(p)
		f.done = errors.Is(err, io.EOF)
		return n, err
	}
	if f.chunked && f.left == 0 {
		if err := f.nextChunk(s); err != nil {
			return 0, cut(err)
		}
		if f.done {
			return 0, io.EOF
		}
	}
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n, err := s.Read(p)
	f.left -= int64(n)
	if f.left == 0 && !f.chunked {
		f.done = true
		return n, io.EOF
	}
	if n > 0 {
		return n, nil
	}
	return n, cut(err)
}

// cut tells a body that broke off from one that ended.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// maxChunkLine bounds a chunk's size with its extensions, and each trailer.
const maxChunkLine = 4 << 10

// maxTrailers bounds how many trailers are passed over.
const maxTrailers = 64

// nextChunk reads up to the data of the next chunk, or to the end of the body.
func (f *frame) nextChunk(s *scratch) error {
	if f.inChunks {
		line, err := s.readLine(maxChunkLine)
		if err != nil {
			return err
		}
		if len(line) != 0 {
			return malformed("a chunk is longer than it says")
		}
	}
	f.inChunks = true
	line, err := s.readLine(maxChunkLine)
	if err != nil {
		return err
	}
	if f.left, err = chunkSize(line); err != nil || f.left > 0 {
		return err
	}
	for range maxTrailers {
		if line, err = s.readLine(maxChunkLine); err != nil {
			return err
		}
		if len(line) == 0 {
			f.done = true
			return nil
		}
	}
	return malformed("the answer has too many trailers")
}

// chunkSize reads hexadecimal digits before an extension. Fifteen of them are 2^60 bytes: enough.
func chunkSize(line []byte) (int64, error) {
	text, _, _ := strings.Cut(string(line), ";")
	text = strings.TrimRight(text, " \t")
	n, err := strconv.ParseUint(text, 16, 60)
	if err != nil {
		return 0, malformed("a chunk's size is not valid")
	}
	return int64(n), nil
}
