//go:build !unix

package http1

func (c *conn) preparePeek() {}

// alive can't be told without a peek at the socket. A connection that has died then costs an attempt; the request is
// not sent again.
func (c *conn) alive() bool { return true }
