package delivery

import (
	"net/http"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// newTransport returns the transport that c asks for and what closes its idle connections.
func newTransport(c Config, dialer *dial.Dialer) (http.RoundTripper, func()) {
	n := newNetHTTP(c, dialer)
	return n, n.transport.CloseIdleConnections
}
