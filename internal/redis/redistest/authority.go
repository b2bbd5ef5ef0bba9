package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority issues certificates that nobody else trusts.
type Authority struct {
	// File has its own certificate, in PEM.
	File string

	dir                   string
	cert                  *x509.Certificate
	key                   *ecdsa.PrivateKey
	pool                  *x509.CertPool
	pair                  tls.Certificate // a client's
	clientCert, clientKey string          // its files
}

// NewAuthority makes an authority and a client's certificate.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{dir: tb.TempDir(), pool: x509.NewCertPool()}
	a.File = filepath.Join(a.dir, "ca.pem")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign(tb, template, a.File)
	a.pool.AddCert(a.cert)
	a.clientCert, a.clientKey = a.Issue(tb, "a client")
	var err error
	if a.pair, err = tls.LoadX509KeyPair(a.clientCert, a.clientKey); err != nil {
		tb.Fatal(err)
	}
	return a
}

// Issue makes a certificate for a host, a name or an address, and returns its files in PEM.
func (a *Authority) Issue(tb testing.TB, host string) (certFile, keyFile string) {
	tb.Helper()
	dir := tb.TempDir()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		// A server of a cluster or with replicas is a client too.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, key := a.sign(tb, template, certFile)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, keyFile, "EC PRIVATE KEY", der)
	return certFile, keyFile
}

// sign signs the template, by itself where there is no authority yet, and writes the certificate.
func (a *Authority) sign(tb testing.TB, template *x509.Certificate, file string) (*x509.Certificate, *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, file, "CERTIFICATE", der)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert, key
}

func write(tb testing.TB, file, kind string, der []byte) {
	tb.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
}
