package http1

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// answer is an exchange from its connection to the last byte of the response's body. It is also that response and its
// body: one allocation for all three.
type answer struct {
	http.Response
	transport *Transport
	deadline  time.Time
	times     Times

	conn    *conn
	scratch *scratch
	stop    func() bool   // ends the watch over the context
	writer  chan struct{} // closed when the writing goroutine has ended; nil without one
	unsent  bool          // the request was not written whole
	closed  bool
	frame   frame
}

// exchange writes the request and reads the head of the answer.
func (a *answer) exchange(req *http.Request, ex Exchange) error {
	a.scratch.out = appendHead(a.scratch.out[:0], req, ex)
	if err := a.write(ex.Payload()); err != nil {
		return err
	}
	budget := a.transport.maxHead
	for {
		head, err := a.scratch.readHead(budget)
		if err != nil {
			return err
		}
		budget -= len(head)
		line, fields, err := split(head)
		if err != nil {
			return err
		}
		if line.code >= 200 || line.code == http.StatusSwitchingProtocols {
			return a.begin(req, ex, line, fields)
		}
		if err := checkFields(fields); err != nil {
			return err
		}
	}
}

// split takes a head apart into its status line and its header lines, as text of their own.
func split(head []byte) (status, string, error) {
	unfold(head)
	line, fields := nextLine(string(head))
	parsed, err := parseStatus(line)
	return parsed, fields, err
}

func checkFields(fields string) error {
	for fields != "" {
		var line string
		line, fields = nextLine(fields)
		if _, _, err := parseField(line); err != nil {
			return err
		}
	}
	return nil
}

// begin takes the final head: nothing is told to ex before all of it has proved sound.
func (a *answer) begin(req *http.Request, ex Exchange, line status, fields string) error {
	f := framing{minor: line.minor, status: line.code, method: req.Method}
	for rest := fields; rest != ""; {
		var text string
		text, rest = nextLine(rest)
		name, value, err := parseField(text)
		if err != nil {
			return err
		}
		if err := f.note(name, value); err != nil {
			return err
		}
	}
	frame, err := f.frame()
	if err != nil {
		return err
	}
	for fields != "" {
		var text string
		text, fields = nextLine(fields)
		name, value, _ := parseField(text)
		ex.AddField(name, value)
	}
	a.frame, a.conn.maxIdle = frame, f.idle
	a.StatusCode, a.Status = line.code, line.text
	a.Proto, a.ProtoMajor, a.ProtoMinor = "HTTP/1.1", 1, line.minor
	if line.minor == 0 {
		a.Proto = "HTTP/1.0"
	}
	a.ContentLength = frame.length
	a.Body = (*body)(a)
	if line.code < 200 || line.code > 299 {
		// Nobody wants the rest of the request any more. A receiver that said 2xx may still be reading it.
		a.stopWriting()
	}
	return nil
}

// body is the answer as its own response's body.
type body answer

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.frame.read(b.scratch, p)
}

// Close implements io.Closer: it waits until the request is written, or can't be, and gives the connection back if it
// is clean.
func (b *body) Close() error {
	a := (*answer)(b)
	if a.closed {
		return nil
	}
	a.awaitWriter()
	clean := a.frame.done && a.frame.keep && !a.unsent && len(a.scratch.buffered()) == 0
	if !clean {
		a.drop()
		return nil
	}
	a.closed = true
	c := a.conn
	a.transport.putScratch(a.scratch)
	a.conn, a.scratch = nil, nil
	if !a.stop() {
		// The context ended just now: the connection's deadline is being set to the past.
		a.transport.pool.discard(c)
		return nil
	}
	a.transport.pool.put(c)
	return nil
}

// drop ends the exchange and its connection.
func (a *answer) drop() {
	a.closed = true
	a.stopWriting()
	a.stop()
	a.transport.pool.discard(a.conn)
	a.transport.putScratch(a.scratch)
	a.conn, a.scratch = nil, nil
}

// isTimeout says whether a connection's deadline passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
