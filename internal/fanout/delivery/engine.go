package delivery

import (
	"net/http"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/http1"
)

// engine is a transport with what its owner needs of it beside requests.
type engine struct {
	http.RoundTripper
	close func()
	stats func() (open, idle int)
}

// newEngine returns the transport that c asks for.
func newEngine(c Config, dialer *dial.Dialer) (*engine, error) {
	if c.Engine == EngineNetHTTP {
		n := newNetHTTP(c, dialer)
		return &engine{n, n.transport.CloseIdleConnections, func() (int, int) { return 0, 0 }}, nil
	}
	t, err := http1.New(http1.Config{
		Dial: dialer.Dial, MaxHeadBytes: maxTakenHead, MaxConns: c.MaxConns,
		MaxIdle: c.MaxIdle, MaxIdlePerHost: c.MaxIdlePerHost, IdleTimeout: c.IdleTimeout,
	})
	if err != nil {
		return nil, err
	}
	return &engine{t, t.Close, t.Stats}, nil
}
