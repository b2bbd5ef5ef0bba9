package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where the stack listens and what it keeps.
type Config struct {
	// KafkaAddr is host:port of the broker; the host must be loopback, port 0 picks a free one.
	KafkaAddr string
	// DataDir keeps topics, records and offsets across restarts; empty: memory only.
	DataDir string
	// MaxRecordBytes is the largest batch that the broker takes.
	MaxRecordBytes int
}

// Stack is a running broker and Redis. Close ends both.
type Stack struct {
	kafka *kfake.Cluster
	redis *miniredis.Miniredis
	lock  *os.File
}

// ErrInUse says that another process uses the data folder.
var ErrInUse = errors.New("in use by another dispatcher")

// Start starts the stack. Errors name the address or folder that could not be had.
func Start(cfg Config) (_ *Stack, err error) {
	s := &Stack{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if cfg.DataDir != "" {
		if s.lock, err = lock(cfg.DataDir); err != nil {
			return nil, err
		}
	}
	if s.kafka, err = startKafka(cfg); err != nil {
		return nil, err
	}
	s.redis = miniredis.NewMiniRedis()
	if err := s.redis.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	return s, nil
}

func startKafka(cfg Config) (*kfake.Cluster, error) {
	host, portText, err := net.SplitHostPort(cfg.KafkaAddr)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %q is not host:port", cfg.KafkaAddr)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %q is not a port", portText)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("embedded broker: %s is not loopback; it has no authentication", host)
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.Ports(int(port)), kfake.ClusterID("voxagent-dev"),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(cfg.MaxRecordBytes)}),
	}
	if cfg.DataDir != "" {
		opts = append(opts, kfake.DataDir(filepath.Join(cfg.DataDir, "kafka")))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("embedded broker on %s: %w", cfg.KafkaAddr, err)
	}
	return c, nil
}

// lock takes the data folder for this process; the system gives it back when the process ends, however it does.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data folder %s: %w", dir, ErrInUse)
	}
	return f, nil
}

// Brokers are the addresses of the embedded broker.
func (s *Stack) Brokers() []string { return s.kafka.ListenAddrs() }

// RedisURL is the address of the embedded Redis.
func (s *Stack) RedisURL() string { return "redis://" + s.redis.Addr() + "/0" }

// Run moves the embedded Redis's clock, which does not move by itself, until ctx ends.
func (s *Stack) Run(ctx context.Context) error {
	const step = time.Second
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.redis.FastForward(step)
		}
	}
}

// Close ends broker and Redis and gives the data folder back.
func (s *Stack) Close() {
	if s.redis != nil {
		s.redis.Close()
	}
	if s.kafka != nil {
		s.kafka.Close()
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
}
