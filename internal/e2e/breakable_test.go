package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// breakable are services that a test may kill: a Kafka, a Redis and a PostgreSQL besides those that all tests share,
// started when the first test asks for them. They live in one folder, so that what a run that was killed left behind is
// used, and stopped, by the next.
type breakable struct {
	dir string
	env map[string]string // DISPATCHER_TEST_…
}

// The services' names, as scripts/services.sh has them.
const (
	aKafka    = "kafka-1"
	aRedis    = "redis"
	aDatabase = "postgres"
)

var startBreakable = sync.OnceValues(func() (*breakable, error) {
	dir, err := filepath.Abs("../../.services/breakable")
	if err != nil {
		return nil, err
	}
	b := &breakable{dir: dir, env: map[string]string{}}
	if err := b.run("up"); err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(dir, "env"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "="); ok {
			b.env[name] = strings.Trim(value, "'")
		}
	}
	stopBreakable = func() error { return b.run("down") }
	return b, nil
})

// stopBreakable stops what was started; TestMain calls it.
var stopBreakable = func() error { return nil }

// onBreakable has the test use the breakable services in place of the shared ones.
func onBreakable(t *testing.T) *breakable {
	t.Helper()
	b, err := startBreakable()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range b.env {
		t.Setenv(name, value)
	}
	return b
}

// run runs scripts/services.sh for these services.
func (b *breakable) run(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../scripts/services.sh", args...)
	cmd.Env = append(os.Environ(), "SERVICES_DIR="+b.dir,
		// These would be taken for what it is to start.
		"DISPATCHER_TEST_KAFKA=", "DISPATCHER_TEST_REDIS=", "DISPATCHER_TEST_DATABASE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("services.sh %s: %w", strings.Join(args, " "), err), errors.New(string(out)))
	}
	return nil
}

// kill kills a service. It is back, at the latest, when the test ends.
func (b *breakable) kill(t *testing.T, name string) {
	t.Helper()
	t.Cleanup(func() { b.mend(t, name) })
	if err := b.run("kill", name); err != nil {
		t.Fatal(err)
	}
}

// mend starts a service that was killed and waits until it answers. It does nothing to one that runs.
func (b *breakable) mend(t *testing.T, name string) {
	t.Helper()
	if err := b.run("start", name); err != nil {
		t.Error(err)
	}
}

// outage is how long a service is away; a minute is what is promised, and CI has less time.
func outage(t *testing.T) time.Duration {
	t.Helper()
	value := os.Getenv("E2E_OUTAGE")
	if value == "" {
		return 8 * time.Second
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("E2E_OUTAGE: %v", err)
	}
	return d
}
