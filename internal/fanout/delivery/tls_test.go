package delivery

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
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  []byte
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue returns a server's certificate for 127.0.0.1, as change leaves it.
func (a *authority) issue(change func(*x509.Certificate)) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "receiver"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"receiver.test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func unchanged(*x509.Certificate) {}

func tlsOf(a *authority) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.issue(unchanged)}}
}

// serveTLS is serve behind TLS.
func serveTLS(t *testing.T, c *tls.Config, script func(p *peer, n int64)) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveTLSOn(t, l, c, script)
}

func serveTLSOn(t *testing.T, l net.Listener, c *tls.Config, script func(p *peer, n int64)) *receiver {
	t.Helper()
	return serveOn(t, tls.NewListener(l, c), "https", script)
}

func answerAll(p *peer, _ int64) {
	for {
		if _, _, ok := p.request(); !ok || !p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") {
			return
		}
	}
}

func TestTLSRefusals(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	expired := ca.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	wrongName := ca.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.test"} })
	client := ca.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	for _, test := range []struct {
		name   string
		config *tls.Config
		detail string
	}{
		{"expired", &tls.Config{Certificates: []tls.Certificate{expired}}, "expired"},
		{"wrong name", &tls.Config{Certificates: []tls.Certificate{wrongName}}, "name does not match"},
		{"not a server's", &tls.Config{Certificates: []tls.Certificate{client}}, "not valid for a server"},
		{"unknown authority", &tls.Config{Certificates: []tls.Certificate{stranger.issue(unchanged)}}, "unknown authority"},
		{"old version", &tls.Config{Certificates: []tls.Certificate{ca.issue(unchanged)}, MaxVersion: tls.VersionTLS11}, "handshake"},
		{"wants a client certificate", &tls.Config{
			Certificates: []tls.Certificate{ca.issue(unchanged)}, ClientAuth: tls.RequireAnyClientCert,
		}, "handshake"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := serveTLS(t, test.config, answerAll)
				out := send(t, build(Config{RequestTimeout: patient, ExtraCAs: ca.PEM}), makeTarget(t, r.URL))
				check(t, out, "tls_error")
				if !strings.Contains(out.Detail, test.detail) {
					t.Errorf("Detail %q, want something of %q", out.Detail, test.detail)
				}
				if r.requests.Load() != 0 {
					t.Error("a request went out")
				}
			})
		})
	}
}

// What answers on a TLS port without speaking TLS.
func TestTLSNonsense(t *testing.T) {
	for name, test := range map[string]struct {
		script func(*peer)
		want   string
	}{
		"plain HTTP": {func(p *peer) { p.say("HTTP/1.1 400 Bad Request\r\n\r\n"); p.linger() }, "tls_error"},
		"garbage":    {func(p *peer) { p.say(strings.Repeat("\x16\x03\x03\x00\x05garbage", 20)); p.linger() }, "tls_error"},
		"alert":      {func(p *peer) { p.say("\x15\x03\x03\x00\x02\x02\x28"); p.linger() }, "tls_error"},
		"close":      {func(p *peer) { _, _ = p.r.Peek(5) }, "connection_reset"},
		"silence":    {func(p *peer) { p.linger() }, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := serve(t, func(p *peer, _ int64) { test.script(p) })
				out := send(t, build(Config{RequestTimeout: timeoutFor(test.want)}), makeTarget(t, "https"+strings.TrimPrefix(r.URL, "http")))
				check(t, out, test.want)
			})
		})
	}
}

func TestTLSCarriesRequests(t *testing.T) {
	ca := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			resumed := make(chan bool, 8) // one for each connection
			config := &tls.Config{Certificates: []tls.Certificate{ca.issue(unchanged)}, MaxVersion: version}
			r := serveTLS(t, config, func(p *peer, n int64) {
				for i := 0; ; i++ {
					if _, _, ok := p.request(); !ok {
						return
					}
					if i == 0 {
						resumed <- p.Conn.(*tls.Conn).ConnectionState().DidResume
					}
					if i == 2 { // the third ends the connection, so that the next one resumes the session
						p.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
						return
					}
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			s := build(Config{RequestTimeout: patient, ExtraCAs: ca.PEM})
			for i, size := range []int{1000, 30 << 10, 300 << 10, 1000} {
				out := sendBody(t, s, makeTarget(t, r.URL), size)
				check(t, out, "200")
				first := i == 0 || i == 3
				if out.Timing.Reused == first || (out.Timing.TLS > 0) != first {
					t.Errorf("attempt %d: timing %+v", i, out.Timing)
				}
			}
			if a, b := <-resumed, <-resumed; a || !b {
				t.Errorf("sessions resumed: %v, %v; want false, true", a, b)
			}
		})
	}
}

// The certificate is checked against the name, which also goes out as SNI, whatever address it has.
func TestTLSUsesTheName(t *testing.T) {
	ca := newAuthority(t)
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		names := make(chan string, 1)
		config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			names <- hello.ServerName
			cert := ca.issue(unchanged)
			return &cert, nil
		}}
		r := serveTLS(t, config, answerAll)
		s := build(Config{RequestTimeout: patient, ExtraCAs: ca.PEM, Resolver: always("127.0.0.1")})
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.URL, "https://"))
		check(t, send(t, s, makeTarget(t, "https://receiver.test:"+port)), "200")
		if name := <-names; name != "receiver.test" {
			t.Errorf("SNI %q", name)
		}
	})
}

// A large body that a TLS receiver answers early is stopped like a plain one.
func TestTLSEarlyAnswer(t *testing.T) {
	ca := newAuthority(t)
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := serveTLS(t, tlsOf(ca), func(p *peer, _ int64) {
			p.head()
			p.say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(2 * quick)
		})
		out := sendBody(t, build(Config{RequestTimeout: patient, ExtraCAs: ca.PEM}), makeTarget(t, r.URL), 16<<20)
		check(t, out, "413")
		if out.Duration > patient/2 {
			t.Errorf("took %v", out.Duration)
		}
	})
}
