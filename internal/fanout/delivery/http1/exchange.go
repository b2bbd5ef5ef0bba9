package http1

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Exchange is a request's body that takes part in the exchange. A caller who makes many requests implements it to
// save what http.Request and http.Response cost: header maps on both ways, copies of the body, a timer.
//
// All methods are called from the goroutine that called RoundTrip, before RoundTrip returns.
type Exchange interface {
	io.ReadCloser
	// Deadline is when the exchange must have ended, to the last byte of the answer that is read. Zero: none. The
	// deadline of the request's context is not asked.
	Deadline() time.Time
	// Payload returns the body. It must not change before the response's body is closed; Read is not called.
	Payload() []byte
	// AppendHeader appends the header lines, each ending in CRLF, without Host and Content-Length. It is called at
	// most once, when a connection stands. The request's Header is not sent.
	AppendHeader(dst []byte) []byte
	// AddField is called for each header field of the final response, in order. The response's Header stays nil.
	AddField(name, value string)
	// SetTimes says where the time went. It is called once, also when RoundTrip fails.
	SetTimes(Times)
}

// Times says where an exchange's time went. What did not happen is zero.
type Times struct {
	DNS, Connect, TLS time.Duration
	// Wrote is when the request had been handed to the connection; the answer's time counts from then. With a large
	// body it is when writing began.
	Wrote time.Time
	// Reused says that the connection had served a request before.
	Reused bool
}

// plain is the Exchange of an ordinary request.
type plain struct {
	req     *http.Request
	payload []byte
	fields  http.Header
}

// exchangeOf returns req's body if it is an Exchange, and else reads the body whole.
func exchangeOf(req *http.Request) (Exchange, error) {
	if ex, ok := req.Body.(Exchange); ok {
		return ex, nil
	}
	p := &plain{req: req, fields: http.Header{}}
	if req.Body == nil {
		return p, nil
	}
	defer req.Body.Close()
	var err error
	if p.payload, err = io.ReadAll(req.Body); err != nil {
		return nil, fmt.Errorf("read the request's body: %w", err)
	}
	return p, nil
}

func (p *plain) Read([]byte) (int, error) { return 0, io.EOF }
func (p *plain) Close() error             { return nil }
func (p *plain) SetTimes(Times)           {}
func (p *plain) Payload() []byte          { return p.payload }

func (p *plain) Deadline() time.Time {
	deadline, _ := p.req.Context().Deadline()
	return deadline
}

func (p *plain) AppendHeader(dst []byte) []byte {
	for name, values := range p.req.Header {
		for _, value := range values {
			if validName(name) && validValue(value) && !strings.EqualFold(name, "Content-Length") {
				dst = append(append(dst, name...), ": "...)
				dst = append(append(dst, value...), "\r\n"...)
			}
		}
	}
	return dst
}

func (p *plain) AddField(name, value string) { p.fields.Add(name, value) }
