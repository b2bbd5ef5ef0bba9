package http1

import (
	"io"
	"time"
)

// Exchange is a request's body that takes part in the exchange. A caller who makes many requests implements it to
// save what http.Request and http.Response cost: header maps on both ways, and copies of the body.
//
// All methods are called from the goroutine that called RoundTrip, before RoundTrip returns.
type Exchange interface {
	io.ReadCloser
	// Payload returns the body. It must not change before RoundTrip returns; Read is not called.
	Payload() []byte
	// AppendHeader appends the header lines, each ending in CRLF, without Host and Content-Length. It is called at
	// most once, when a connection stands. The request's Header is not sent.
	AppendHeader(dst []byte) []byte
	// AddField is called for each header field of the final response, in order. The response's Header stays empty.
	AddField(name, value string)
	// SetTimes says where the time went. It is called once, also when RoundTrip fails.
	SetTimes(Times)
}

// Times says where an exchange's time went. What did not happen is zero.
type Times struct {
	DNS, Connect, TLS time.Duration
	// Wrote is when the request had been handed to the connection; the answer's time counts from then.
	Wrote time.Time
	// Reused says that the connection had served a request before.
	Reused bool
}
