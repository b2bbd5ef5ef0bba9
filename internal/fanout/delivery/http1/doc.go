// Package http1 is an HTTP/1.1 transport for many small requests that must not be sent twice.
//
// net/http's transport keeps two goroutines for each connection and hands every request over to them; it resends what
// it believes was not processed; and its limits have gaps (a 101's body ignores the deadline). Here, one goroutine does
// an exchange from start to end:
//
//	take an idle connection (the newest) or dial ─▶ peek: is it still open? ─▶ one write: head and body
//	      ▲                                                                          │
//	      └── put it back if nothing is left over ◀── read the body ◀── read the head, skipping 1xx
//
// Buffers belong to the exchange and not to the connection, so an idle connection costs little more than its socket.
// Only for a body that may not fit the socket's buffers a second goroutine writes while the first one reads: the
// receiver may answer without reading to the end.
//
// # Invariants
//
//	once       what was handed to a connection is never sent again, whatever happens to the connection.
//	deadline   everything ends at the exchange's deadline, and at once when the context ends.
//	bounded    heads of an answer, 1xx included, are at most Config.MaxHeadBytes; connections are at most Config.MaxConns.
//	clean      a connection is used again only if the answer ended where it said it would, nothing came after it, and
//	           the request was written whole.
//
// It does not do redirects, cookies, compression, proxies, HTTP/2, Expect, Upgrade or trailers.
//
// The smallest use:
//
//	t, err := http1.New(http1.Config{Dial: dialer.Dial})
//	defer t.Close()
//	resp, err := t.RoundTrip(req)
package http1
