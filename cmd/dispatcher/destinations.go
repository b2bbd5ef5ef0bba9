package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"

	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// deliveryConfig says how requests are made and where they may go; own returns the addresses that this process listens
// on. The flags were validated.
func (s *settings) deliveryConfig(own func() []netip.AddrPort) (cfg delivery.Config, err error) {
	cfg = s.rules()
	cfg.RequestTimeout, cfg.OwnListeners = s.RequestTimeout, own
	cfg.MaxConns, cfg.MaxIdle = s.MaxInFlight+idleConns, idleConns
	cfg.UserAgent = "Voxagent-Webhooks/" + version
	cfg.ForwardProxy, _ = s.proxy()
	cfg.ExtraCAs, err = s.receiverCAs()
	return cfg, err
}

// proxy returns the forward proxy, nil for none. No error repeats the URL, which may carry a password.
func (s *settings) proxy() (*url.URL, error) {
	if s.ForwardProxy == "" {
		return nil, nil //nolint:nilnil // no proxy and no error
	}
	u, err := url.Parse(string(s.ForwardProxy))
	if err != nil {
		return nil, errors.New("--forward-proxy: is not a URL such as http://user:password@proxy:3128")
	}
	if err := dial.CheckProxy(u); err != nil {
		return nil, fmt.Errorf("--forward-proxy: %w", err)
	}
	return u, nil
}

// receiverCAs returns the certificates that are trusted for receivers besides the system's, in PEM; nil for none.
func (s *settings) receiverCAs() ([]byte, error) {
	if s.ReceiverCA == "" {
		return nil, nil
	}
	bundle, err := os.ReadFile(s.ReceiverCA)
	if err != nil {
		return nil, fmt.Errorf("--receiver-ca: %w", err)
	}
	if err := delivery.CheckCAs(bundle); err != nil {
		return nil, fmt.Errorf("--receiver-ca: %s: %w", s.ReceiverCA, err)
	}
	return bundle, nil
}
