package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// selfSigned returns a server's and a client's configuration for localhost.
func selfSigned(tb testing.TB) (server, client *tls.Config) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: pool}
}

func TestTLSAndSASL(t *testing.T) {
	server, client := selfSigned(t)
	for mechanism, kfakeName := range map[string]string{
		"plain": "PLAIN", "SCRAM-SHA-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512",
	} {
		t.Run(mechanism, func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"), kfake.TLS(server),
				kfake.EnableSASL(), kfake.Superuser(kfakeName, "me", "secret"))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			addrs := cluster.ListenAddrs()
			for i := range addrs {
				addrs[i] = strings.Replace(addrs[i], "127.0.0.1", "localhost", 1)
			}
			cfg := Config{Brokers: addrs, TLS: client, SASL: SASL{Mechanism: mechanism, Username: "me", Password: "secret"}}
			good, err := New(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer good.Close()
			if counts, err := good.Partitions(t.Context(), "t"); err != nil || counts["t"] != 2 {
				t.Errorf("partitions %v, %v", counts, err)
			}
			cfg.SASL.Password, cfg.RequestTimeout = "wrong-word", 300*time.Millisecond
			bad, err := New(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer bad.Close()
			_, err = bad.Partitions(t.Context(), "t")
			if err == nil || strings.Contains(err.Error(), "wrong-word") {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

func TestPasswordIsNeverShown(t *testing.T) {
	cfg := Config{SASL: SASL{Mechanism: "plain", Username: "me", Password: "secret-word"}}
	asJSON, err := json.Marshal(cfg.SASL)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v", cfg, cfg.SASL), string(asJSON)} {
		if strings.Contains(shown, "secret-word") {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestConfigIsValidated(t *testing.T) {
	err := Config{Brokers: []string{"nowhere"}, SASL: SASL{Mechanism: "magic"}, DialTimeout: -1}.Validate()
	for _, want := range []string{`"nowhere"`, `"magic"`, "dial timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
