package delivery

import (
	"net/http"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/http1"
)

// newTransport returns the transport that c asks for and what closes its idle connections.
func newTransport(c Config, dialer *dial.Dialer) (http.RoundTripper, func(), error) {
	if c.Engine == EngineNetHTTP {
		n := newNetHTTP(c, dialer)
		return n, n.transport.CloseIdleConnections, nil
	}
	t, err := http1.New(http1.Config{
		Dial: dialer.Dial, MaxHeadBytes: maxTakenHead, MaxConns: c.MaxConns,
		MaxIdle: c.MaxIdle, MaxIdlePerHost: c.MaxIdlePerHost, IdleTimeout: c.IdleTimeout,
	})
	if err != nil {
		return nil, nil, err
	}
	return t, t.Close, nil
}
