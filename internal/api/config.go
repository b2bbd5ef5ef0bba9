package api

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

// Config is what the API says of the installation, and its bounds.
type Config struct {
	// Version is the program's.
	Version string
	// RetrySchedule is the delays after the first attempt, as GET /v1/meta tells them.
	RetrySchedule []time.Duration
	// DeliveryTimeout is the deadline of one attempt, as GET /v1/meta tells it.
	DeliveryTimeout time.Duration
	// SignatureHeader is the name of the header with the hex signature; empty: X-Voxagent-Signature.
	SignatureHeader string
	// EgressIPs are the addresses that requests come from, for receivers' firewalls; may be empty.
	EgressIPs []netip.Prefix
	// CallTimeout bounds one API call; zero: 15 s.
	CallTimeout time.Duration
	// MaxBody bounds a request's body in bytes; zero: 256 KiB.
	MaxBody int64
}

func (c Config) withDefaults() Config {
	if c.CallTimeout == 0 {
		c.CallTimeout = 15 * time.Second
	}
	if c.MaxBody == 0 {
		c.MaxBody = 256 << 10
	}
	if c.SignatureHeader == "" {
		c.SignatureHeader = "X-Voxagent-Signature"
	}
	return c
}

// Validate names everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.CallTimeout < 0 {
		faults = append(faults, fmt.Errorf("call timeout %s is negative", c.CallTimeout))
	}
	if c.MaxBody < 0 {
		faults = append(faults, fmt.Errorf("largest body %d is negative", c.MaxBody))
	}
	return errors.Join(faults...)
}

// Deps is what the API stands on. All but Quotas are required.
type Deps struct {
	Keyring    *auth.Keyring
	Quotas     *auth.Quotas // nil: no bounds
	Webhooks   Webhooks
	Secrets    Secrets
	Workspaces Workspaces
	Keys       Keys
	Audit      Audit
	History    History
	Actions    Actions
	Catalogue  Catalogue
}

// Validate names every dependency that is missing.
func (d Deps) Validate() error {
	var faults []error
	for name, missing := range map[string]bool{
		"keyring": d.Keyring == nil, "webhooks": d.Webhooks == nil, "secrets": d.Secrets == nil,
		"workspaces": d.Workspaces == nil, "keys": d.Keys == nil, "audit": d.Audit == nil,
		"history": d.History == nil, "actions": d.Actions == nil, "catalogue": d.Catalogue == nil,
	} {
		if missing {
			faults = append(faults, errors.New("no "+name))
		}
	}
	return errors.Join(faults...)
}
