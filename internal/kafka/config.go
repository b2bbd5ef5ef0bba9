package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// DialFunc opens a connection to a broker; network is always "tcp".
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Config says how to reach the cluster. The zero value of every optional field is a good one.
type Config struct {
	// Brokers are the bootstrap addresses, host:port; at least one.
	Brokers []string
	// ClientID names this process in the broker's logs and quotas; default "dispatcher".
	ClientID string
	// Topics are the topics whose metadata is kept fresh; calls about others work, but cost a lookup of their own.
	Topics []string
	// TLS is used for every connection when it is set; the server name is filled in for each broker.
	TLS *tls.Config
	// SASL is used when its Mechanism is set.
	SASL SASL
	// Dial replaces the network dialer, for tests on a virtual network. Default: a net.Dialer.
	Dial DialFunc
	// DialTimeout bounds a connection's setup including TLS and SASL; default 5 s.
	DialTimeout time.Duration
	// RequestTimeout bounds each request that the broker answers at once; default 10 s. Long polls and joins add the
	// time that they ask the broker to wait.
	RequestTimeout time.Duration
	// IdleTimeout closes connections that were not used for so long; default 5 min.
	IdleTimeout time.Duration
	// MetadataTTL is how old what is known of leaders may become, and so about how long a leader that moved goes unnoticed;
	// default 1 s.
	MetadataTTL time.Duration
}

// SASL holds a user's credentials.
type SASL struct {
	// Mechanism is "plain", "scram-sha-256" or "scram-sha-512", in any case; empty: no authentication.
	Mechanism string
	Username  string
	Password  string
}

// String hides the password, so that a logged configuration does not leak it.
func (s SASL) String() string {
	if s.Mechanism == "" {
		return "none"
	}
	return fmt.Sprintf("%s(%s, ***)", s.Mechanism, s.Username)
}

// GoString is String, for %#v.
func (s SASL) GoString() string { return s.String() }

// MarshalJSON writes String, never the password.
func (s SASL) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", s.String()), nil }

// Validate joins everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("kafka brokers: at least one host:port is needed"))
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			errs = append(errs, fmt.Errorf("kafka broker %q: not a host:port", b))
		}
	}
	for name, d := range map[string]time.Duration{
		"dial timeout": c.DialTimeout, "request timeout": c.RequestTimeout, "idle timeout": c.IdleTimeout,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("kafka %s: negative", name))
		}
	}
	if _, err := c.SASL.mechanism(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.ClientID == "" {
		c.ClientID = "dispatcher"
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 5 * time.Second
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 10 * time.Second
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 5 * time.Minute
	}
	if c.MetadataTTL == 0 {
		c.MetadataTTL = time.Second
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	return c
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch strings.ToLower(s.Mechanism) {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password)
	}
	return nil, fmt.Errorf("kafka sasl mechanism %q: want plain, scram-sha-256 or scram-sha-512", s.Mechanism)
}
