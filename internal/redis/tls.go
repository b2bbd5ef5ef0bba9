package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// files are what TLS needs besides rediss://. Empty fields are the defaults.
type files struct {
	ca, cert, key string // names of PEM files
	serverName    string
}

// apply completes c, which is nil where there is no TLS. The files are read now; a change of them needs a restart.
func (f *files) apply(c *tls.Config) error {
	if c == nil {
		return nil
	}
	c.MinVersion = tls.VersionTLS12
	// Empty: the address that is dialled, which with Sentinel and Cluster is another one each time.
	c.ServerName = f.serverName
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca: no certificate in %s", f.ca)
		}
	}
	if f.cert == "" && f.key == "" {
		return nil
	}
	if f.cert == "" || f.key == "" {
		return errors.New("cert and key need each other")
	}
	own, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("cert: %w", err)
	}
	c.Certificates = []tls.Certificate{own}
	return nil
}
