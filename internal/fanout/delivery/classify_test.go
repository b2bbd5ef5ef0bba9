package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/http1"
	"github.com/voxagent/dispatcher/pkg/event"
)

// dialing wraps an errno as the net package does, with an address that no customer may see.
func dialing(err error) error {
	return &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 9, 8, 7), Port: 443}, Err: os.NewSyscallError("connect", err),
	}
}

func TestClassify(t *testing.T) {
	reading := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	shaking := func(err error) error { return &dial.HandshakeError{Err: err} }
	for _, test := range []struct {
		err    error
		want   event.ErrorCode
		detail string
	}{
		{&dial.BlockedError{Reason: "destination not allowed"}, event.ErrBlocked, "not allowed"},
		{&net.OpError{Op: "dial", Err: &dial.BlockedError{Reason: "port not allowed"}}, event.ErrBlocked, "port not allowed"},
		{&http1.RequestError{Reason: "x"}, event.ErrBlocked, "URL"},

		{context.DeadlineExceeded, event.ErrTimeout, "time limit"},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), event.ErrTimeout, "time limit"},
		{dialing(syscall.ETIMEDOUT), event.ErrTimeout, "time limit"},
		{shaking(os.ErrDeadlineExceeded), event.ErrTimeout, "time limit"},
		{&dial.ResolveError{Err: context.DeadlineExceeded}, event.ErrTimeout, "time limit"},

		{&dial.ResolveError{Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, event.ErrDNS, "resolved"},
		{&dial.ResolveError{Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, event.ErrDNS, "resolved"},
		{&dial.ResolveError{Err: errors.New("anything")}, event.ErrDNS, "resolved"},

		{dialing(syscall.ECONNREFUSED), event.ErrConnectionRefused, "refused"},
		{dialing(syscall.EHOSTUNREACH), event.ErrUnreachable, "reached"},
		{dialing(syscall.ENETUNREACH), event.ErrUnreachable, "reached"},
		{dialing(syscall.EHOSTDOWN), event.ErrUnreachable, "reached"},
		{dialing(syscall.EACCES), event.ErrUnreachable, "reached"},

		{io.EOF, event.ErrConnectionReset, "closed the connection"},
		{io.ErrUnexpectedEOF, event.ErrConnectionReset, "closed the connection"},
		{reading(syscall.ECONNRESET), event.ErrConnectionReset, "closed the connection"},
		{reading(syscall.EPIPE), event.ErrConnectionReset, "closed the connection"},
		{dialing(syscall.ECONNRESET), event.ErrConnectionReset, "closed the connection"},
		{shaking(io.EOF), event.ErrConnectionReset, "TLS handshake"},
		{shaking(reading(syscall.ECONNRESET)), event.ErrConnectionReset, "TLS handshake"},
		{errors.New("http: server closed idle connection"), event.ErrConnectionReset, "closed the connection"},

		{shaking(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}), event.ErrTLS, "name does not match"},
		{shaking(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), event.ErrTLS, "unknown authority"},
		{shaking(x509.CertificateInvalidError{Reason: x509.Expired}), event.ErrTLS, "expired"},
		{shaking(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}), event.ErrTLS, "not valid"},
		{shaking(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), event.ErrTLS, "does not speak TLS"},
		{shaking(errors.New("tls: server selected unsupported protocol version 301")), event.ErrTLS, "handshake failed"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, event.ErrTLS, "handshake failed"},

		{&http1.ProtocolError{Reason: "x"}, event.ErrProtocol, "not valid HTTP"},
		{errors.New("net/http: server response headers exceeded 65536 bytes; aborted"), event.ErrProtocol, "not valid HTTP"},
	} {
		got := Classify(test.err)
		if got.Own || got.Code != test.want || !strings.Contains(got.Detail, test.detail) {
			t.Errorf("%v: %+v, want %s and %q", test.err, got, test.want, test.detail)
		}
		if strings.Contains(got.Detail, "10.9.8.7") {
			t.Errorf("%v: the detail names an address: %q", test.err, got.Detail)
		}
	}
}

func TestClassifyOwnFaults(t *testing.T) {
	for _, err := range []error{
		dialing(syscall.EMFILE), dialing(syscall.ENFILE), dialing(syscall.ENOMEM), dialing(syscall.ENOBUFS),
		dialing(syscall.EADDRNOTAVAIL), fmt.Errorf("connect: %w", http1.ErrTooManyConns),
		&dial.ResolveError{Err: &net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files"}},
		&dial.ProxyError{Err: dialing(syscall.ECONNREFUSED)}, &dial.ProxyError{Err: context.DeadlineExceeded},
	} {
		if got := Classify(err); got != (Verdict{Own: true}) {
			t.Errorf("%v: %+v, want our own fault", err, got)
		}
	}
}
