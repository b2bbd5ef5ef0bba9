package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// webhookFlags say what a webhook may be. Whoever takes webhooks in has them, by API or by import.
type webhookFlags struct {
	AllowedNetworks []string `placeholder:"CIDR" help:"Networks that webhooks may reach although they are not public."`
	AllowedPorts    []string `default:"80,443,1024-65535" placeholder:"PORTS" help:"Ports that webhooks may reach; ranges with a dash."`
	HTTPSOnly       bool     `name:"https-only" help:"Refuse webhooks whose URL is not https."`
	SignatureHeader string   `default:"X-Voxagent-Signature" help:"Name of the header with the signature of the body."`
	EventTypes      string   `placeholder:"FILE" help:"The catalogue of event types. Default: ConversationComplete and SessionStarted."`
	MaxEventTypes   int      `default:"100" help:"Event types, and patterns of them, that one webhook may choose."`
	MaxURLBytes     int      `name:"max-url-bytes" default:"2048" help:"Length of a webhook's URL."`
}

// validate joins all that is wrong with the flags by themselves.
func (f *webhookFlags) validate() error {
	_, netErr := f.networks()
	_, portErr := f.ports()
	errs := []error{netErr, portErr}
	if f.MaxEventTypes < 1 {
		errs = append(errs, fmt.Errorf("--max-event-types: %d: want 1 or more", f.MaxEventTypes))
	}
	if f.MaxURLBytes < 1 || f.MaxURLBytes > dial.MaxURL {
		errs = append(errs, fmt.Errorf("--max-url-bytes: %d: want 1 to %d", f.MaxURLBytes, dial.MaxURL))
	}
	return errors.Join(errs...)
}

// rules is what of a delivery's configuration a webhook is judged by. The flags were validated.
func (f *webhookFlags) rules() delivery.Config {
	networks, _ := f.networks()
	ports, _ := f.ports()
	return delivery.Config{AllowedNetworks: networks, Ports: ports, HTTPSOnly: f.HTTPSOnly, SignatureHeader: f.SignatureHeader}
}

// networks returns the allowed networks.
func (f *webhookFlags) networks() ([]netip.Prefix, error) {
	return parseNetworks("--allowed-networks", f.AllowedNetworks)
}

// parseNetworks reads what a flag says.
func parseNetworks(flag string, cidrs []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	var errs []error
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not a CIDR such as 10.0.0.0/8", flag, cidr))
			continue
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, errors.Join(errs...)
}

// ports returns the allowed ports.
func (f *webhookFlags) ports() ([]dial.PortRange, error) {
	var ranges []dial.PortRange
	var errs []error
	for _, text := range f.AllowedPorts {
		r, err := dial.ParsePorts(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--allowed-ports: %w", err))
			continue
		}
		ranges = append(ranges, r)
	}
	return ranges, errors.Join(errs...)
}

// catalogue reads the event types.
func (f *webhookFlags) catalogue() (*catalogue.Catalogue, error) {
	if f.EventTypes == "" {
		return catalogue.Default(), nil
	}
	content, err := os.ReadFile(f.EventTypes)
	if err != nil {
		return nil, fmt.Errorf("--event-types: %w", err)
	}
	types, err := catalogue.Parse(content)
	if err != nil {
		return nil, fmt.Errorf("--event-types: %s: %w", f.EventTypes, err)
	}
	return types, nil
}
