package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/http1"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Verdict is what an attempt without an answer came to.
type Verdict struct {
	Code event.ErrorCode
	// Detail is a sentence for the customer: no address that was resolved, no credential.
	Detail string
	// Own says that the fault is this machine's: nothing was proved about the receiver. Code and Detail are empty.
	Own bool
}

// Classify judges why a request got no complete header section. It is pure. The order matters: an error that wraps
// several causes is judged by the one that explains it best.
func Classify(err error) Verdict {
	if isOwnFault(err) {
		return Verdict{Own: true}
	}
	if blocked, ok := errors.AsType[*dial.BlockedError](err); ok {
		return Verdict{Code: event.ErrBlocked, Detail: blocked.Reason}
	}
	if _, ok := errors.AsType[*http1.RequestError](err); ok {
		return Verdict{Code: event.ErrBlocked, Detail: "destination not allowed: the URL is not valid"}
	}
	if isTimeout(err) {
		return Verdict{Code: event.ErrTimeout, Detail: "no complete answer within the time limit"}
	}
	if _, ok := errors.AsType[*dial.ResolveError](err); ok {
		return Verdict{Code: event.ErrDNS, Detail: "the host name could not be resolved"}
	}
	shake, shaking := errors.AsType[*dial.HandshakeError](err)
	if shaking && !isClosed(shake.Err) || isAlert(err) {
		return Verdict{Code: event.ErrTLS, Detail: tlsDetail(err)}
	}
	return classifyConnection(err, shaking)
}

func classifyConnection(err error, shaking bool) Verdict {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Verdict{Code: event.ErrConnectionRefused, Detail: "your server refused the connection"}
	case isUnreachable(err):
		return Verdict{Code: event.ErrUnreachable, Detail: "your server can't be reached"}
	case isClosed(err) && shaking:
		return Verdict{Code: event.ErrConnectionReset, Detail: "your server closed the connection during the TLS handshake"}
	case isClosed(err):
		return Verdict{Code: event.ErrConnectionReset, Detail: "your server closed the connection before answering"}
	default:
		return Verdict{Code: event.ErrProtocol, Detail: "your server's answer is not valid HTTP"}
	}
}

// isOwnFault: no descriptors, no memory, no local port, no slot, no working forward proxy.
func isOwnFault(err error) bool {
	if err == nil || errors.Is(err, http1.ErrTooManyConns) {
		return true
	}
	if _, ok := errors.AsType[*dial.ProxyError](err); ok {
		return true
	}
	// The resolver of the net package keeps the text of its error and drops the error.
	text := ""
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		text = dns.Err
	}
	for _, own := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(err, own) || text != "" && strings.Contains(text, own.Error()) {
			return true
		}
	}
	return false
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT) {
		return true
	}
	if _, ok := errors.AsType[*dial.ResolveError](err); ok {
		return false // a name server's silence is dns_error, unless the attempt's own deadline ended it
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// isAlert says whether the receiver ended TLS by an alert, which TLS 1.3 allows after the handshake, or sent what is
// not TLS.
func isAlert(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}

// isUnreachable: no route, host or network down, or a filter on the way that says so.
func isUnreachable(err error) bool {
	for _, e := range [...]error{
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.EACCES, syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isClosed(err error) bool {
	for _, e := range [...]error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ENOTCONN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	// net/http has no name for what it says when an idle connection was closed under a request.
	return strings.HasSuffix(err.Error(), "server closed idle connection")
}

// tlsDetail tells the faults that people can mend apart.
func tlsDetail(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "certificate: the name does not match"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "certificate: signed by an unknown authority"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "certificate: expired or not yet valid"
		}
		return "certificate: not valid for a server"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "your server does not speak TLS on this port"
	}
	return "the TLS handshake failed"
}
