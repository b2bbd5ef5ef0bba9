package http1

import "time"

const (
	// copyLimit is the largest body that is copied behind the head to be written with it in one piece. Beyond it a
	// plain connection takes both pieces in one system call; TLS copies anyway.
	copyLimit = 8 << 10
	// waitLimit is the largest body that is written before reading begins. It fits a new connection's send buffer
	// (Linux starts at some 46 KB), so that writing does not wait for a receiver that answers without reading.
	waitLimit = 32 << 10
)

// write sends the head that stands in the scratch buffer, and payload. A large payload is still being sent by a
// goroutine when it returns.
func (a *answer) write(payload []byte) error {
	if len(payload) > waitLimit {
		a.writer = make(chan struct{})
		a.times.Wrote = time.Now()
		go func() {
			defer close(a.writer)
			// An error is no reason to stop reading: the receiver may have answered before it went away.
			a.unsent = a.conn.send(a.scratch, payload) != nil
		}()
		return nil
	}
	err := a.conn.send(a.scratch, payload)
	a.times.Wrote = time.Now()
	a.unsent = err != nil
	if isTimeout(err) {
		return err
	}
	return nil // whatever else went wrong, an answer may have come before it; if not, reading says what it was
}

// send writes the head in s.out and payload, in one system call where that is possible.
func (c *conn) send(s *scratch, payload []byte) error {
	if len(payload) <= copyLimit {
		s.out = append(s.out, payload...)
		_, err := c.Conn.Write(s.out)
		return err
	}
	if c.plainTCP() {
		c.parts = [2][]byte{s.out, payload}
		c.left = c.parts[:]
		_, err := c.left.WriteTo(c.Conn)
		c.parts = [2][]byte{}
		return err
	}
	// Full TLS records: the head goes with the beginning of the body.
	const record = 16 << 10
	first := min(max(record-len(s.out), 0), len(payload))
	s.out = append(s.out, payload[:first]...)
	if _, err := c.Conn.Write(s.out); err != nil {
		return err
	}
	_, err := c.Conn.Write(payload[first:])
	return err
}

// awaitWriter waits for the writing goroutine, which the deadline ends at the latest.
func (a *answer) awaitWriter() {
	if a.writer != nil {
		<-a.writer
		a.writer = nil
	}
}

// stopWriting ends the writing goroutine, if there is one.
func (a *answer) stopWriting() {
	if a.writer == nil {
		return
	}
	select {
	case <-a.writer:
	default:
		_ = a.conn.SetWriteDeadline(past) // fails on a closed connection only, where writing has ended
	}
	a.awaitWriter()
}
