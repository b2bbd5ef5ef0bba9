package http1

import "errors"

// ErrTooManyConns says that all connections are in use and no more may be opened: a fault of the caller's, who has more
// requests in flight than Config.MaxConns.
var ErrTooManyConns = errors.New("http1: too many connections")
