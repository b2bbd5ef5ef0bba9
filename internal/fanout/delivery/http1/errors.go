package http1

import "errors"

// ErrTooManyConns says that all connections are in use and no more may be opened: a fault of the caller's, who has more
// requests in flight than Config.MaxConns.
var ErrTooManyConns = errors.New("http1: too many connections")

// ProtocolError says that an answer is not HTTP as this package takes it. The text holds nothing of the answer.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "http1: " + e.Reason }

// RequestError says that a request can't be sent as it is; nothing was.
type RequestError struct{ Reason string }

func (e *RequestError) Error() string { return "http1: " + e.Reason }

func malformed(reason string) error { return &ProtocolError{Reason: reason} }
