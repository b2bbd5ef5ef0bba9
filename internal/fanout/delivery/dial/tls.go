package dial

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
)

// handshake agrees on TLS with the server named host, and closes conn if that fails.
func handshake(ctx context.Context, conn net.Conn, base *tls.Config, host string) (net.Conn, error) {
	c := base.Clone()
	c.ServerName = strings.TrimSuffix(host, ".")
	secured := tls.Client(conn, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &HandshakeError{Err: err}
	}
	return secured, nil
}
