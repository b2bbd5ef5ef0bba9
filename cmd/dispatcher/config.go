package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// secret is a flag whose value must never be printed.
type secret string

func (secret) String() string { return "***" }

// span is a duration that may be given in days: 30d, 36h.
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	raw := string(text)
	if days, ok := strings.CutSuffix(raw, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 30d or 36h", raw)
		}
		*s = span(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(raw)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 30d or 36h", raw)
	}
	*s = span(d)
	return nil
}

// kafkaFlags say how to reach Kafka and what its topics are called. Commands that only produce need nothing else.
type kafkaFlags struct {
	KafkaBrokers       []string `placeholder:"HOST:PORT" help:"Kafka brokers to begin with."`
	KafkaPrefix        string   `default:"voxagent" help:"First part of the names of topics and groups."`
	KafkaTLS           bool     `name:"kafka-tls" help:"Speak TLS to Kafka."`
	KafkaTLSCA         string   `name:"kafka-tls-ca" placeholder:"FILE" help:"CA certificates to trust for Kafka, instead of the system's."`
	KafkaTLSCert       string   `name:"kafka-tls-cert" placeholder:"FILE" help:"Client certificate for Kafka."`
	KafkaTLSKey        string   `name:"kafka-tls-key" placeholder:"FILE" help:"Key of the client certificate."`
	KafkaSASLMechanism string   `name:"kafka-sasl-mechanism" enum:",plain,scram-sha-256,scram-sha-512" default:"" help:"How to sign in to Kafka: plain, scram-sha-256 or scram-sha-512."`
	KafkaSASLUsername  string   `name:"kafka-sasl-username" help:"User name for Kafka."`
	KafkaSASLPassword  secret   `name:"kafka-sasl-password" secret:"" help:"Password for Kafka."`

	KafkaSourceTopics      []string `placeholder:"TOPIC" help:"Topics that events are read from. Default: the conversation and the session topic."`
	KafkaConversationTopic string   `placeholder:"TOPIC" help:"Default: <prefix>.conversation.events."`
	KafkaSessionTopic      string   `placeholder:"TOPIC" help:"Default: <prefix>.session.events."`
	KafkaRetryTopic        string   `placeholder:"TOPIC" help:"First part of the ladder's topics. Default: <prefix>.webhook.retry."`
	KafkaHistoryTopic      string   `placeholder:"TOPIC" help:"Default: <prefix>.webhook.history."`
	KafkaPayloadsTopic     string   `placeholder:"TOPIC" help:"Default: <prefix>.webhook.payloads."`
	KafkaCommandsTopic     string   `placeholder:"TOPIC" help:"Default: <prefix>.webhook.commands."`
	KafkaNoticesTopic      string   `placeholder:"TOPIC" help:"Default: <prefix>.webhook.notices."`
	KafkaDeadLetterTopic   string   `placeholder:"TOPIC" help:"Default: <prefix>.webhook.dead-letter."`
}

// names fills in the topics that were not named.
func (k *kafkaFlags) names() {
	for _, t := range []struct {
		name   *string
		suffix string
	}{
		{&k.KafkaConversationTopic, ".conversation.events"}, {&k.KafkaSessionTopic, ".session.events"},
		{&k.KafkaRetryTopic, ".webhook.retry"}, {&k.KafkaHistoryTopic, ".webhook.history"},
		{&k.KafkaPayloadsTopic, ".webhook.payloads"}, {&k.KafkaCommandsTopic, ".webhook.commands"},
		{&k.KafkaNoticesTopic, ".webhook.notices"}, {&k.KafkaDeadLetterTopic, ".webhook.dead-letter"},
	} {
		if *t.name == "" {
			*t.name = k.KafkaPrefix + t.suffix
		}
	}
	if len(k.KafkaSourceTopics) == 0 {
		k.KafkaSourceTopics = []string{k.KafkaConversationTopic, k.KafkaSessionTopic}
	}
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// validate joins all that is wrong with the flags by themselves.
func (k *kafkaFlags) validate() error {
	var errs []error
	if len(k.KafkaBrokers) == 0 {
		errs = append(errs, errors.New("--kafka-brokers: missing; want host:port, several with commas"))
	}
	for _, b := range k.KafkaBrokers {
		if host, port, ok := strings.Cut(b, ":"); !ok || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("--kafka-brokers: %q is not host:port", b))
		}
	}
	if !topicName.MatchString(k.KafkaPrefix) {
		errs = append(errs, fmt.Errorf("--kafka-prefix: %q: want letters, digits, dots, dashes, underscores", k.KafkaPrefix))
	}
	if (k.KafkaSASLMechanism == "") != (k.KafkaSASLUsername == "") {
		errs = append(errs, errors.New("--kafka-sasl-mechanism and --kafka-sasl-username go together"))
	}
	if (k.KafkaTLSCert == "") != (k.KafkaTLSKey == "") {
		errs = append(errs, errors.New("--kafka-tls-cert and --kafka-tls-key go together"))
	}
	return errors.Join(errs...)
}

// tlsConfig returns how to speak TLS to Kafka, nil for not at all.
func (k *kafkaFlags) tlsConfig() (*tls.Config, error) {
	if !k.KafkaTLS {
		return nil, nil //nolint:nilnil // no TLS and no error
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.KafkaTLSCA != "" {
		pool, err := certificates(k.KafkaTLSCA)
		if err != nil {
			return nil, fmt.Errorf("--kafka-tls-ca: %w", err)
		}
		cfg.RootCAs = pool
	}
	if k.KafkaTLSCert != "" {
		cert, err := tls.LoadX509KeyPair(k.KafkaTLSCert, k.KafkaTLSKey)
		if err != nil {
			return nil, fmt.Errorf("--kafka-tls-cert: %w", err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}

func certificates(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// client connects to Kafka as the flags say; the topics' metadata is kept fresh.
func (k *kafkaFlags) client(log *zap.Logger, topics ...string) (*kafka.Client, error) {
	tlsConfig, err := k.tlsConfig()
	if err != nil {
		return nil, err
	}
	return kafka.New(kafka.Config{
		Brokers: k.KafkaBrokers, ClientID: k.KafkaPrefix + "-dispatcher", Topics: topics, TLS: tlsConfig,
		SASL: kafka.SASL{
			Mechanism: k.KafkaSASLMechanism, Username: k.KafkaSASLUsername, Password: string(k.KafkaSASLPassword),
		},
	}, log)
}

// groups of the three consumers.
func (k *kafkaFlags) groupEvents() string  { return k.KafkaPrefix + "-dispatcher" }
func (k *kafkaFlags) groupRetry() string   { return k.KafkaPrefix + "-dispatcher-retry" }
func (k *kafkaFlags) groupHistory() string { return k.KafkaPrefix + "-history" }

// keyFlags are the keys that seal what is secret at rest.
type keyFlags struct {
	EncryptionKey secret `secret:"" placeholder:"BASE64" help:"Key that seals secrets at rest: base64 of 32 bytes; several with commas, newest first."`
}

// settings are what dev and serve share: how to deliver, what to keep, who may ask.
type settings struct {
	keyFlags
	webhookFlags
	RedisPrefix  string `default:"voxagent" help:"First part of every Redis key."`
	OperatorKey  secret `secret:"" help:"Key for the operator's API access, 16 characters or more."`
	OperatorKeys string `placeholder:"FILE" help:"Several operator keys: a line each of name, scopes (read,write,replay) and key."`

	KafkaStart     string        `default:"latest" help:"Where a group that never committed begins: latest, earliest or an RFC 3339 time."`
	RetrySchedule  string        `default:"5s,5m,30m,2h,5h,10h,10h" help:"Delays between the attempts of a delivery."`
	RequestTimeout time.Duration `default:"5s" help:"Time for one attempt, from connecting to the last byte kept."`
	MaxInFlight    int           `default:"1024" help:"Requests on the wire at once."`
	ForwardProxy   secret        `secret:"" placeholder:"URL" help:"Proxy that carries all requests to receivers by CONNECT: http://user:password@proxy:3128."`
	ReceiverCA     string        `name:"receiver-ca" placeholder:"FILE" help:"CA certificates to trust for receivers besides the system's."`
	MaxEventBytes  int           `default:"1048576" help:"Largest event, in bytes."`
	DedupeWindow   time.Duration `default:"10m" help:"How long the same event id is not delivered again; 0: off."`
	MaxWebhooks    int           `default:"1000" help:"Webhooks of a workspace that has no limit of its own."`
	APIRate        float64       `name:"api-rate" default:"100" help:"API calls and pages a second that a workspace's key may have; an operator's ten times that; 0: any number."`
	TrustedProxies []string      `placeholder:"CIDR" help:"Proxies in front of API and dashboard, whose X-Forwarded-For and X-Forwarded-Proto are believed."`
	EgressIPs      []string      `name:"egress-ips" placeholder:"IP" help:"Addresses that requests come from, as GET /v1/meta tells them."`
	MemoryBudget   int64         `default:"67108864" help:"Bytes of events held at once."`

	FailingAfter span `default:"5m" help:"A run of only failures of this length makes a webhook failing; 0: the first failure."`
	DisableAfter span `default:"5d" help:"A run of only failures of this length disables a webhook; 0: never."`

	HistoryRetention span `default:"30d" help:"How long the request history is kept."`
	PayloadRetention span `default:"14d" help:"How long payloads are kept; 0: not at all."`
	AuditRetention   span `default:"365d" help:"How long the audit log is kept; 0: for ever."`

	LogLevel string `enum:"debug,info,warn,error" default:"info" help:"Least severe lines to log."`
}

// keys returns the encryption keys, newest first.
func (k *keyFlags) keys() ([][]byte, error) {
	if k.EncryptionKey == "" {
		return nil, errors.New("--encryption-key: missing; want base64 of 32 bytes (openssl rand -base64 32)")
	}
	var keys [][]byte
	for part := range strings.SplitSeq(string(k.EncryptionKey), ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("--encryption-key: key %d is not base64", len(keys)+1)
		}
		if len(key) != 32 {
			return nil, fmt.Errorf("--encryption-key: key %d has %d bytes, want 32 (openssl rand -base64 32)", len(keys)+1, len(key))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// ring returns what seals and opens by the encryption keys.
func (k *keyFlags) ring() (*subscription.Keyring, error) {
	keys, err := k.keys()
	if err != nil {
		return nil, err
	}
	ring, err := subscription.NewKeyring(keys...)
	if err != nil {
		return nil, fmt.Errorf("--encryption-key: %w", err)
	}
	return ring, nil
}

// start returns where new groups begin: "latest", "earliest" or a time.
func (s *settings) start() (string, time.Time, error) {
	if slices.Contains([]string{"latest", "earliest"}, s.KafkaStart) {
		return s.KafkaStart, time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, s.KafkaStart)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("--kafka-start: %q is neither latest, earliest nor an RFC 3339 time", s.KafkaStart)
	}
	return "", at, nil
}

// validate joins all that is wrong with the flags by themselves.
func (s *settings) validate() error {
	_, keyErr := s.keys()
	_, proxyErr := s.proxy()
	_, _, startErr := s.start()
	_, egressErr := s.egress()
	_, frontErr := s.inFront()
	errs := []error{keyErr, s.webhookFlags.validate(), proxyErr, startErr, egressErr, frontErr}
	if s.RequestTimeout < 100*time.Millisecond || s.RequestTimeout > 5*time.Minute {
		errs = append(errs, fmt.Errorf("--request-timeout: %s: want 100ms to 5m", s.RequestTimeout))
	}
	if s.MaxInFlight < 1 || s.MaxInFlight > 65536 {
		errs = append(errs, fmt.Errorf("--max-in-flight: %d: want 1 to 65536", s.MaxInFlight))
	}
	if s.MaxEventBytes < 1<<10 || s.MaxEventBytes > 64<<20 {
		errs = append(errs, fmt.Errorf("--max-event-bytes: %d: want 1 KiB to 64 MiB", s.MaxEventBytes))
	}
	if s.MemoryBudget < 1<<20 {
		errs = append(errs, fmt.Errorf("--memory-budget: %d: want 1 MiB or more", s.MemoryBudget))
	}
	if s.MaxWebhooks < 1 {
		errs = append(errs, fmt.Errorf("--max-webhooks: %d: want 1 or more", s.MaxWebhooks))
	}
	if s.APIRate < 0 || s.APIRate > 1e6 {
		errs = append(errs, fmt.Errorf("--api-rate: %g: want 0 to 1000000", s.APIRate))
	}
	if s.DedupeWindow < 0 {
		errs = append(errs, fmt.Errorf("--dedupe-window: %s: want 0 or more", s.DedupeWindow))
	}
	if s.HistoryRetention < span(time.Hour) {
		errs = append(errs, fmt.Errorf("--history-retention: %s: want 1h or more", time.Duration(s.HistoryRetention)))
	}
	if s.AuditRetention != 0 && s.AuditRetention < span(day) {
		errs = append(errs, fmt.Errorf("--audit-retention: %s: want 1d or more, or 0 for ever", time.Duration(s.AuditRetention)))
	}
	return errors.Join(errs...)
}

// redactURL returns u as it may be logged: without credentials and query. Empty stays empty.
func redactURL(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
