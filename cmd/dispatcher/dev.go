package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/internal/devstack"
	"github.com/voxagent/dispatcher/internal/kafka"
)

// devCmd is everything in one process. It starts the embedded ends, fills in a serveCmd that points to them, and runs that:
// the dispatcher in between is the same.
type devCmd struct {
	settings
	KafkaAddr string `default:"127.0.0.1:9092" help:"Address of the embedded broker; loopback only, port 0 for a free one."`
	HTTPAddr  string `name:"http-addr" default:"127.0.0.1:8080" help:"Address of API and dashboard."`
	OpsAddr   string `default:"127.0.0.1:9090" help:"Address of /metrics, /healthz and /readyz."`
	Data      string `placeholder:"DIR" help:"Keep everything in this folder across restarts. Default: memory and a temporary folder."`
	Demo      bool   `help:"Add a workspace, a webhook, a local receiver and a trickle of example events."`
}

// devBroker settings: roomy enough for the largest event with its overhead.
const devBatchSlack = 1 << 20

// Run is `dispatcher dev`.
func (c *devCmd) Run(ctx context.Context, s streams) (err error) {
	log := newLogger(s, c.quietLevel())
	defer func() { _ = log.Sync() }()
	stack, err := devstack.Start(devstack.Config{
		KafkaAddr: c.KafkaAddr, DataDir: c.Data, MaxRecordBytes: c.MaxEventBytes + recordOverhead + devBatchSlack,
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--kafka-addr: %w", err)
	}
	if err != nil {
		return err
	}
	defer stack.Close()
	folder, err := c.folder()
	if err != nil {
		return err
	}
	if c.Data == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	serve, madeKey, err := c.configure(stack, folder)
	if err != nil {
		return err
	}
	if err := prepare(ctx, serve); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	clock := make(chan error, 1) // 1: read after the dispatcher ended
	go func() { clock <- stack.Run(ctx) }()
	demo := newDemo(serve, s)
	err = serve.serve(ctx, log, func(r running) {
		c.greet(s, serve, stack, r, madeKey)
		if c.Demo {
			demo.start(ctx, r)
		}
	})
	cancel()
	return errors.Join(err, <-clock, demo.wait())
}

// quietLevel keeps the terminal for what dev prints, unless the developer asked for more.
func (c *devCmd) quietLevel() string {
	if c.LogLevel == "info" {
		return "warn"
	}
	return c.LogLevel
}

// configure returns what serve needs to know of the embedded ends.
func (c *devCmd) configure(stack *devstack.Stack, folder string) (_ *serveCmd, madeKey bool, err error) {
	serve := &serveCmd{settings: c.settings, Roles: allRoles, HTTPAddr: c.HTTPAddr, OpsAddr: c.OpsAddr}
	serve.KafkaBrokers, serve.KafkaPrefix = stack.Brokers(), "voxagent"
	serve.RedisURL = secret(stack.RedisURL())
	serve.KafkaStart = "earliest"
	serve.AllowedNetworks = append(serve.AllowedNetworks, privateNetworks...)
	serve.DatabaseURL = secret("sqlite:" + filepath.Join(folder, "dispatcher.db"))
	if serve.EncryptionKey == "" {
		if serve.EncryptionKey, err = kept(folder, "encryption-key", newEncryptionKey); err != nil {
			return nil, false, err
		}
	}
	if serve.OperatorKey == "" && serve.OperatorKeys == "" {
		madeKey = true
		if serve.OperatorKey, err = kept(folder, "operator-key", func() string { return "dev_" + rand.Text() }); err != nil {
			return nil, false, err
		}
	}
	return serve, madeKey, nil
}

// privateNetworks may be reached in dev: a developer's receiver runs on the same machine or network.
var privateNetworks = []string{
	"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7",
}

func newEncryptionKey() string {
	key := make([]byte, 32)
	rand.Read(key) // never returns an error
	return base64.StdEncoding.EncodeToString(key)
}

// folder is where the database lives: the data folder, or a temporary one.
func (c *devCmd) folder() (string, error) {
	if c.Data != "" {
		return c.Data, nil
	}
	return os.MkdirTemp("", "dispatcher-dev-")
}

// kept returns a secret of the data folder, made the first time.
func kept(dir, name string, create func() string) (secret, error) {
	path := filepath.Join(dir, name)
	content, err := os.ReadFile(path)
	if err == nil {
		return secret(content), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data folder: %w", err)
	}
	made := create()
	if err := os.WriteFile(path, []byte(made), 0o600); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return secret(made), nil
}

// prepare makes schema and topics, as an operator does with migrate and topics create.
func prepare(ctx context.Context, c *serveCmd) error {
	d, err := c.databaseFlags.open(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(d.migrate(ctx), d.close()); err != nil {
		return err
	}
	k := c.kafkaFlags
	k.names()
	client, err := k.client(nil)
	if err != nil {
		return err
	}
	defer client.Close()
	limits := topicLimits{c.MaxEventBytes, c.HistoryRetention, c.PayloadRetention}
	specs := append(k.ownTopics(1, limits), k.sourceTopics(1, c.MaxEventBytes)...)
	return makeTopics(ctx, client, specs)
}

func makeTopics(ctx context.Context, client *kafka.Client, specs []kafka.TopicSpec) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := client.CreateTopics(ctx, specs)
	return err
}

// greet prints where everything is.
func (c *devCmd) greet(s streams, serve *serveCmd, stack *devstack.Stack, r running, madeKey bool) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }
	say("dashboard: http://%s/", r.API)
	if madeKey {
		say("operator key: %s", string(serve.OperatorKey))
	}
	say("kafka: %s", stack.Brokers()[0])
	say("metrics: http://%s/metrics", r.Ops)
	if c.Data != "" {
		say("data: %s", c.Data)
	} else {
		say("data: in memory, gone at the end (--data DIR keeps it)")
	}
	say("note: this is for development: webhooks may reach private addresses, and the broker takes anyone on this machine")
}
