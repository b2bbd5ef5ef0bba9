package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

// The roles of a process.
const (
	roleConsumer = "consumer"
	roleRetry    = "retry"
	roleHistory  = "history"
	roleAPI      = "api"
)

var allRoles = []string{roleConsumer, roleRetry, roleHistory, roleAPI}

// serveCmd is what a dispatcher needs to know; dev fills it in by itself.
type serveCmd struct {
	kafkaFlags
	databaseFlags
	settings
	RedisURL secret   `secret:"" placeholder:"URL" help:"redis://:password@host:6379/0; several addresses for Sentinel and Cluster."`
	Roles    []string `default:"consumer,retry,history,api" help:"What this process does: consumer, retry, history, api."`
	HTTPAddr string   `name:"http-addr" default:":8080" help:"Address of API and dashboard."`
	OpsAddr  string   `default:":9090" help:"Address of /metrics, /healthz and /readyz."`
}

// has says whether the process has one of the roles.
func (c *serveCmd) has(roles ...string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(c.Roles, r) })
}

// validate joins all that is wrong with the configuration by itself.
func (c *serveCmd) validate() error {
	errs := []error{c.kafkaFlags.validate(), c.settings.validate()}
	if c.DatabaseURL == "" {
		errs = append(errs, errors.New("--database-url: missing; want postgres://user:password@host/name"))
	}
	if c.RedisURL == "" {
		errs = append(errs, errors.New("--redis-url: missing; want redis://host:6379/0"))
	}
	for _, r := range c.Roles {
		if !slices.Contains(allRoles, r) {
			errs = append(errs, fmt.Errorf("--roles: %q is none of %s", r, strings.Join(allRoles, ", ")))
		}
	}
	if len(c.Roles) == 0 {
		errs = append(errs, errors.New("--roles: empty"))
	}
	if c.has(roleAPI) {
		_, err := c.operators()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// operators returns the operator keys.
func (s *settings) operators() ([]auth.OperatorKey, error) {
	if s.OperatorKeys == "" {
		if len(s.OperatorKey) < auth.MinOperatorKey {
			return nil, fmt.Errorf("--operator-key: want %d characters or more", auth.MinOperatorKey)
		}
		return []auth.OperatorKey{{Name: "operator", Scopes: auth.All, Key: string(s.OperatorKey)}}, nil
	}
	content, err := os.ReadFile(s.OperatorKeys)
	if err != nil {
		return nil, fmt.Errorf("--operator-keys: %w", err)
	}
	return parseOperators(content)
}

// parseOperators reads lines of name, scopes and key. Errors name lines, and never a key.
func parseOperators(content []byte) ([]auth.OperatorKey, error) {
	var keys []auth.OperatorKey
	var errs []error
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			errs = append(errs, fmt.Errorf("--operator-keys: line %d: want name, scopes and key", number))
			continue
		}
		scopes, err := auth.ParseScopes(strings.Split(fields[1], ","))
		if err != nil {
			errs = append(errs, fmt.Errorf("--operator-keys: line %d: %w", number, err))
			continue
		}
		keys = append(keys, auth.OperatorKey{Name: fields[0], Scopes: scopes, Key: fields[2]})
	}
	if len(keys) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("--operator-keys: the file names no key"))
	}
	return keys, errors.Join(errs...)
}

// Run is `dispatcher serve`.
func (c *serveCmd) Run(ctx context.Context, s streams) error {
	log := newLogger(s, c.LogLevel)
	defer func() { _ = log.Sync() }()
	limitMemory(log, backlogMemory(c.MemoryBudget))
	return c.serve(ctx, log, func(running) {})
}

// running is what a dispatcher tells once it is up.
type running struct {
	API net.Addr // nil without the role api
	Ops net.Addr
}

// serve builds the dispatcher and runs it until ctx ends. up is called once it listens.
func (c *serveCmd) serve(ctx context.Context, log *zap.Logger, up func(running)) error {
	defer takeStandardLog(log)()
	c.names()
	if err := c.validate(); err != nil {
		return err
	}
	return c.wire(ctx, log, up)
}

// newLogger writes JSON lines to the error stream.
func newLogger(s streams, level string) *zap.Logger {
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		at = zapcore.InfoLevel // kong has checked it
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.Lock(zapcore.AddSync(s.err)), at)
	return zap.New(core)
}

// takeStandardLog makes lines of log of what libraries print with the standard library's logger, which may repeat what
// somebody sent: net/http does. restore ends it.
func takeStandardLog(log *zap.Logger) (restore func()) {
	restore, err := zap.RedirectStdLogAt(log.Named("go"), zap.WarnLevel)
	if err != nil {
		panic(err) // the level above exists
	}
	return restore
}

// listen opens an address and names the flag when it cannot be had.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}
