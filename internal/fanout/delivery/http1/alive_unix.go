//go:build unix

package http1

import "syscall"

func (c *conn) preparePeek() {
	socket, err := c.raw.SyscallConn()
	if err != nil {
		return // alive will say no
	}
	c.socket = socket
	var one [1]byte
	c.peek = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		c.open = err == syscall.EAGAIN || err == syscall.EINTR
		return true // don't wait until it is readable
	}
}

// alive says whether an idle connection can carry a request: still open, and silent. An end of the stream, an error, or
// bytes that nobody asked for (an answer to nothing, or a farewell of TLS) rule it out.
func (c *conn) alive() bool {
	c.open = false
	return c.socket != nil && c.socket.Read(c.peek) == nil && c.open
}
