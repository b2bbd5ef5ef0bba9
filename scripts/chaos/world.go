package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/sqldb"
)

const (
	brokers     = 3
	dispatchers = 3
	prefix      = "chaos"
	operatorKey = "operator-key-of-the-chaos-harness"
	// requestTimeout and schedule keep a round short: a delivery that always fails ends after 4 s.
	requestTimeout = 3 * time.Second
	retrySchedule  = "1s,1s,2s"
)

// roles of the dispatchers: two that do everything, and one that only delivers.
var roles = [dispatchers]string{"consumer,retry,history,api", "consumer,retry,history,api", "consumer,retry"}

// world is the whole installation.
type world struct {
	opts        *options
	dir         string
	addresses   addresses
	proxies     *toxiproxy
	receiver    *receiver
	dispatchers []*dispatcher
	kafka       *kafka.Client
	producer    *kafka.Producer
	stopOutput  func()
	db          *sqldb.DB

	mu           sync.Mutex
	disturbances []disturbance
}

// addresses of the services, without proxies.
type addresses struct {
	kafka, redis, database string
}

// newWorld starts everything. What it returns must be closed, also with an error.
func newWorld(ctx context.Context, o *options) (*world, error) {
	w := &world{opts: o, stopOutput: func() {}}
	dir, err := filepath.Abs(o.services)
	if err != nil {
		return w, err
	}
	w.dir = dir
	for _, step := range []func(context.Context) error{w.startServices, w.connect, w.startProxies, w.prepare, w.startDispatchers} {
		if err := step(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

// startServices starts brokers, Redis and PostgreSQL, empty.
func (w *world) startServices(ctx context.Context) error {
	if err := w.service(ctx, "down"); err != nil {
		return err
	}
	if err := w.service(ctx, "up"); err != nil {
		return err
	}
	env, err := os.ReadFile(filepath.Join(w.dir, "env"))
	if err != nil {
		return err
	}
	value := func(name string) string {
		_, rest, _ := strings.Cut(string(env), "export "+name+"='")
		v, _, _ := strings.Cut(rest, "'")
		return v
	}
	w.addresses = addresses{value("DISPATCHER_TEST_KAFKA"), value("DISPATCHER_TEST_REDIS"), value("DISPATCHER_TEST_DATABASE")}
	return nil
}

// service runs scripts/services.sh on the services of this installation.
func (w *world) service(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "scripts/services.sh", args...) //nolint:gosec // our own arguments
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DISPATCHER_TEST_") })
	cmd.Env = append(cmd.Env, "SERVICES_DIR="+w.dir,
		fmt.Sprintf("SERVICES_KAFKA_BROKERS=%d", brokers), fmt.Sprintf("SERVICES_KAFKA_PROXIES=%d", dispatchers))
	cmd.SysProcAttr = ownGroup()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("services.sh %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// connect opens the harness's own ways to Kafka and PostgreSQL, and its receivers.
func (w *world) connect(ctx context.Context) (err error) {
	topics := []string{sourceTopics[0], sourceTopics[1], historyTopic}
	w.kafka, err = kafka.New(kafka.Config{
		Brokers: strings.Split(w.addresses.kafka, ","), ClientID: prefix, Topics: topics,
	}, zap.NewNop())
	if err != nil {
		return err
	}
	w.producer = kafka.NewProducer(w.kafka, kafka.ProducerConfig{}, nil)
	output, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.producer.Run(output)
	}()
	w.stopOutput = func() {
		cancel()
		<-ended
	}
	if w.db, err = sqldb.Open(ctx, w.addresses.database, sqldb.Options{}); err != nil {
		return err
	}
	w.receiver, err = startReceiver(ctx)
	return err
}

// startProxies puts a proxy between each dispatcher and each service; for Kafka, between each dispatcher and each broker.
func (w *world) startProxies(ctx context.Context) (err error) {
	if w.proxies, err = startToxiproxy(ctx, w.opts.proxy, w.dir); err != nil {
		return err
	}
	for d := 1; d <= dispatchers; d++ {
		for b := 1; b <= brokers; b++ {
			own, proxied, err := w.kafkaPorts(b, d)
			if err != nil {
				return err
			}
			if err := w.proxies.proxy(ctx, kafkaProxy(d, b), "127.0.0.1:"+proxied, "127.0.0.1:"+own); err != nil {
				return err
			}
		}
	}
	return nil
}

// kafkaPorts reads what services.sh chose: the port of a broker's listener for a dispatcher, and that of the proxy, which
// the broker tells its clients.
func (w *world) kafkaPorts(broker, d int) (own, proxied string, err error) {
	file := filepath.Join(w.dir, fmt.Sprintf("kafka-%d", broker), "proxies")
	lines, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(string(lines))
	if len(fields) < 2*d {
		return "", "", fmt.Errorf("%s has no ports for dispatcher %d", file, d)
	}
	return fields[2*d-2], fields[2*d-1], nil
}

func kafkaProxy(d, broker int) string { return fmt.Sprintf("d%d-kafka-%d", d, broker) }

// proxiesOf names the proxies between a dispatcher and a service.
func proxiesOf(d int, service string) []string {
	if service != serviceKafka {
		return []string{fmt.Sprintf("d%d-%s", d, service)}
	}
	var all []string
	for b := 1; b <= brokers; b++ {
		all = append(all, kafkaProxy(d, b))
	}
	return all
}

// throughProxy makes a proxy for a dispatcher and returns the service's URL with the proxy's address.
func (w *world) throughProxy(ctx context.Context, d int, service, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("address of %s: %w", service, err)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	listen := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	if err := w.proxies.proxy(ctx, proxiesOf(d, service)[0], listen, u.Host); err != nil {
		return "", err
	}
	u.Host = listen
	return u.String(), nil
}

// settings are what all dispatchers and commands have in common.
func settings() map[string]string {
	return map[string]string{
		"KAFKA_PREFIX": prefix, "REDIS_PREFIX": prefix, "KAFKA_START": "earliest", "ALLOWED_NETWORKS": "127.0.0.0/8",
		"ENCRYPTION_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OPERATOR_KEY": operatorKey,
		"RETRY_SCHEDULE": retrySchedule, "REQUEST_TIMEOUT": requestTimeout.String(),
	}
}

// environment is this process's, without a setting of the dispatcher, and the given ones.
func environment(values map[string]string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DISPATCHER_") })
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, "DISPATCHER_"+name+"="+values[name])
	}
	return env
}

// prepare makes schema and topics.
func (w *world) prepare(ctx context.Context) error {
	values := settings()
	values["KAFKA_BROKERS"], values["DATABASE_URL"] = w.addresses.kafka, w.addresses.database
	for _, args := range [][]string{{"migrate"}, {"topics", "create", "--with-sources"}} {
		cmd := exec.CommandContext(ctx, w.opts.program, args...) //nolint:gosec // the program under test
		cmd.Env = environment(values)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("dispatcher %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// startDispatchers starts them, each on proxies of its own.
func (w *world) startDispatchers(ctx context.Context) error {
	for number := 1; number <= dispatchers; number++ {
		values := settings()
		values["ROLES"], values["LOG_LEVEL"] = roles[number-1], w.opts.logLevel
		var hosts []string
		for b := 1; b <= brokers; b++ {
			_, proxied, err := w.kafkaPorts(b, number)
			if err != nil {
				return err
			}
			hosts = append(hosts, "127.0.0.1:"+proxied)
		}
		values["KAFKA_BROKERS"] = strings.Join(hosts, ",")
		var err error
		if values["REDIS_URL"], err = w.throughProxy(ctx, number, serviceRedis, w.addresses.redis); err != nil {
			return err
		}
		if values["DATABASE_URL"], err = w.throughProxy(ctx, number, servicePostgres, w.addresses.database); err != nil {
			return err
		}
		d, err := newDispatcher(number, w.opts.program, w.dir, environment(values))
		if err != nil {
			return err
		}
		w.dispatchers = append(w.dispatchers, d)
		if err := d.start(); err != nil {
			return err
		}
	}
	return w.allReady(ctx)
}

// recovery bounds how long processes may take to be ready again after a round's faults.
const recovery = 90 * time.Second

// allReady waits until every dispatcher is ready and every partition has all its copies.
func (w *world) allReady(ctx context.Context) error {
	for _, d := range w.dispatchers {
		if err := poll(ctx, recovery, "a dispatcher to be ready", func() error { return d.ready(ctx) }); err != nil {
			return err
		}
	}
	return poll(ctx, recovery, "all copies to be in sync", func() error { return w.inSync(ctx) })
}

// close stops everything.
func (w *world) close(ctx context.Context) error {
	for _, d := range w.dispatchers {
		_, _, _ = d.signal(syscallContinue, true)
		_, _ = d.kill()
	}
	w.stopOutput()
	if w.receiver != nil {
		w.receiver.stop()
	}
	if w.kafka != nil {
		w.kafka.Close()
	}
	var errs []error
	if w.db != nil {
		errs = append(errs, w.db.Close())
	}
	if w.proxies != nil {
		w.proxies.stop()
	}
	if !w.opts.keep {
		errs = append(errs, w.service(ctx, "down"))
	}
	return errors.Join(errs...)
}
