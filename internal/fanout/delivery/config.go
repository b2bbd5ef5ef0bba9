package delivery

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// Engine is the transport that carries requests.
type Engine uint8

const (
	// EngineHTTP1 is our own transport, package http1.
	EngineHTTP1 Engine = iota
	// EngineNetHTTP is the one of the standard library: the reference, and a way out should the other misbehave. It
	// costs about twice the CPU, and prints bytes of receivers to the standard logger.
	EngineNetHTTP
)

// String returns the engine's name.
func (e Engine) String() string {
	switch e {
	case EngineHTTP1:
		return "http1"
	case EngineNetHTTP:
		return "net/http"
	default:
		return fmt.Sprintf("Engine(%d)", uint8(e))
	}
}

// Limits of what is kept of an answer, and of what is accepted, in bytes.
const (
	maxKeptBody  = 16 << 10
	maxKeptHead  = 16 << 10
	maxTakenHead = 64 << 10
)

// Config says how attempts are made. Its zero value is usable: it reaches public addresses only.
type Config struct {
	// RequestTimeout is the time from the start of an attempt to the last byte kept of the answer. 0: 5s.
	RequestTimeout time.Duration

	// AllowedNetworks may be reached although they are private or special. Empty: the public internet only.
	AllowedNetworks []netip.Prefix
	// Ports that may be reached. Empty: 80, 443 and 1024 to 65535 (dial.DefaultPorts).
	Ports []dial.PortRange
	// HTTPSOnly refuses http URLs.
	HTTPSOnly bool
	// OwnListeners returns the addresses this program listens on: never a destination, whatever AllowedNetworks says.
	// It is asked for every new connection. Nil: none.
	OwnListeners func() []netip.AddrPort
	// Resolver finds addresses. Nil: the machine's name servers.
	Resolver dial.Resolver
	// ForwardProxy carries all connections by CONNECT; names are still resolved and judged here. http or https, with
	// userinfo for its password. Nil: connect directly. The environment is never read.
	ForwardProxy *url.URL
	// ExtraCAs are certificates in PEM that are trusted besides the machine's own. Empty: none.
	ExtraCAs []byte

	// MaxConns bounds open connections, in use and idle. It must exceed the number of attempts in flight: beyond it
	// Send fails by a fault of our own. 0: 16384.
	MaxConns int
	// MaxIdle and MaxIdlePerHost bound the connections kept open between attempts. 0: 8192, and 256 for a host.
	MaxIdle, MaxIdlePerHost int
	// IdleTimeout is how long a connection is kept without use. 0: 60s.
	IdleTimeout time.Duration
	// Engine is the transport. The zero value is our own.
	Engine Engine

	// SignatureHeader is the name of the header with the plain signature. Empty: X-Voxagent-Signature.
	SignatureHeader string
	// UserAgent is sent as it stands. Empty: Voxagent-Webhooks/dev.
	UserAgent string
}

// withDefaults returns c with every zero value replaced by what it stands for.
func (c Config) withDefaults() Config {
	setDefault(&c.RequestTimeout, 5*time.Second)
	setDefault(&c.MaxConns, 16384)
	setDefault(&c.MaxIdle, 8192)
	setDefault(&c.MaxIdlePerHost, 256)
	setDefault(&c.IdleTimeout, time.Minute)
	setDefault(&c.SignatureHeader, webhook.HeaderSignature)
	setDefault(&c.UserAgent, "Voxagent-Webhooks/dev")
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate returns all that is wrong with c.
func (c Config) Validate() error {
	c = c.withDefaults()
	errs := []error{c.policy().Validate(), c.validateHead()}
	check := func(ok bool, complaint string) {
		if !ok {
			errs = append(errs, errors.New(complaint))
		}
	}
	check(c.RequestTimeout >= time.Millisecond, "request timeout: must be at least 1ms")
	check(c.IdleTimeout > 0, "idle timeout: must be positive")
	check(c.MaxConns > 0, "max connections: must be positive")
	check(c.MaxIdle > 0 && c.MaxIdlePerHost > 0, "max idle connections: must be positive")
	check(c.Engine <= EngineNetHTTP, "engine: unknown")
	if c.ForwardProxy != nil {
		if err := dial.CheckProxy(c.ForwardProxy); err != nil {
			errs = append(errs, fmt.Errorf("forward proxy: %w", err))
		}
	}
	if len(c.ExtraCAs) > 0 {
		if err := CheckCAs(c.ExtraCAs); err != nil {
			errs = append(errs, fmt.Errorf("extra CAs: %w", err))
		}
	}
	return errors.Join(errs...)
}

// CheckCAs says whether bundle holds certificates in PEM and nothing else, so that none of them is passed over.
func CheckCAs(bundle []byte) error {
	count := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		count++
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("block %d is a %s, not a CERTIFICATE", count, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d: %w", count, err)
		}
	}
	if count == 0 {
		return errors.New("no certificate in PEM form")
	}
	if begun := bytes.Count(bundle, []byte("-----BEGIN ")); begun != count {
		return fmt.Errorf("%d of %d blocks are not in PEM form", begun-count, begun)
	}
	return nil
}

func (c Config) validateHead() error {
	var errs []error
	if !isToken(c.SignatureHeader) {
		errs = append(errs, errors.New("signature header: is not a header name"))
	} else if c.SignatureHeader != webhook.HeaderSignature && reserved(c.SignatureHeader) {
		errs = append(errs, fmt.Errorf("signature header: %s has another meaning", c.SignatureHeader))
	}
	if !isFieldValue(c.UserAgent) {
		errs = append(errs, errors.New("user agent: must be printable ASCII"))
	}
	return errors.Join(errs...)
}

func (c Config) policy() dial.PolicyConfig {
	return dial.PolicyConfig{
		Allowed: c.AllowedNetworks, Ports: c.Ports, HTTPSOnly: c.HTTPSOnly, OwnListeners: c.OwnListeners,
	}
}

// dialer returns the dialer that c describes, for destinations that policy allows.
func (c Config) dialer(policy *dial.Policy) (*dial.Dialer, error) {
	d := dial.Config{Resolver: c.Resolver, Proxy: c.ForwardProxy, Sessions: c.MaxIdle}
	if len(c.ExtraCAs) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("extra CAs: read the machine's own: %w", err)
		}
		pool.AppendCertsFromPEM(c.ExtraCAs)
		d.Roots = pool
	}
	return dial.New(policy, d), nil
}
