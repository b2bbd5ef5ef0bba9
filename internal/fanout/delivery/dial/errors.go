package dial

import (
	"errors"
	"syscall"
)

// BlockedError says that the policy forbids a destination. Its text is a sentence for customers.
type BlockedError struct{ Reason string }

func (e *BlockedError) Error() string { return e.Reason }

// errBlocked is what the customer learns about a refused address: nothing about the address.
func errBlocked() error { return &BlockedError{Reason: "destination not allowed"} }

func errPort() error { return &BlockedError{Reason: "port not allowed"} }

// ResolveError says that a name could not be resolved.
type ResolveError struct{ Err error }

func (e *ResolveError) Error() string { return "resolve: " + e.Err.Error() }

// Unwrap returns the resolver's error.
func (e *ResolveError) Unwrap() error { return e.Err }

// HandshakeError says that the connection stood but TLS could not be agreed on.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return "tls handshake: " + e.Err.Error() }

// Unwrap returns the error of crypto/tls, or of the connection below it.
func (e *HandshakeError) Unwrap() error { return e.Err }

// ProxyError says that the forward proxy itself could not be used: a fault of our own side, not of the destination.
type ProxyError struct{ Err error }

func (e *ProxyError) Error() string { return "forward proxy: " + e.Err.Error() }

// Unwrap returns why.
func (e *ProxyError) Unwrap() error { return e.Err }

// errProxyUnreachable is a proxy that tried and could not reach the destination.
var errProxyUnreachable = &unreachableError{}

type unreachableError struct{}

func (*unreachableError) Error() string { return "the forward proxy could not reach the destination" }

// Is makes it an unreachable host for whoever classifies errors.
func (*unreachableError) Is(target error) bool { return errors.Is(syscall.EHOSTUNREACH, target) }
