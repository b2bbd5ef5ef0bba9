package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/voxagent/dispatcher/internal/api"
	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/dashboard"
)

// pages builds what people and programs ask: the API and the dashboard, over the same stores and the same orders.
func (c *serveCmd) pages(b *base, orders *commander) (http.Handler, error) {
	operators, err := c.operators()
	if err != nil {
		return nil, err
	}
	keyring, err := auth.New(operators, b.webhooks)
	if err != nil {
		return nil, err
	}
	if c.OperatorKeys != "" {
		b.files = append(b.files, settingsFile{"--operator-keys", c.OperatorKeys, func(content []byte) error {
			operators, err := parseOperators(content)
			if err != nil {
				return err
			}
			return keyring.SetOperators(operators)
		}})
	}
	egress, err := c.egress()
	if err != nil {
		return nil, err
	}
	quotas := auth.NewQuotas(c.APIRate) // a key has one, whichever way it comes in
	types := b.catalogue.Load
	actions := command.New(b.webhooks, b.history, types, orders)
	handler, err := api.New(api.Config{
		Version: version, RetrySchedule: b.schedule, DeliveryTimeout: c.RequestTimeout,
		SignatureHeader: c.SignatureHeader, EgressIPs: egress,
	}, api.Deps{
		Keyring: keyring, Quotas: quotas, Webhooks: b.webhooks, Secrets: b.webhooks, Workspaces: b.webhooks, Keys: b.webhooks, Audit: b.webhooks,
		History: b.history, Actions: actions, Catalogue: types,
	}, b.log, b.registry)
	if err != nil {
		return nil, err
	}
	pages, err := dashboard.New(dashboard.Config{
		SessionKey: b.sessionKey, RetrySchedule: b.schedule, DeliveryTimeout: c.RequestTimeout, SignatureHeader: c.SignatureHeader,
	}, dashboard.Deps{
		Keyring: keyring, Quotas: quotas, Webhooks: b.webhooks, Workspaces: b.webhooks, History: b.history, Actions: actions, Catalogue: types,
	}, b.log)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	for _, path := range []string{"/v1/", "/openapi.json", "/docs", "/docs/"} {
		mux.Handle(path, handler)
	}
	front, err := c.inFront()
	return front.handler(mux), err
}

// egress are the addresses that requests come from.
func (s *settings) egress() ([]netip.Prefix, error) {
	var out []netip.Prefix
	var errs []error
	for _, text := range s.EgressIPs {
		p, err := parseEgress(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

// parseEgress reads an address or a network.
func parseEgress(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("--egress-ips: %q is neither an address nor a network", text)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}
