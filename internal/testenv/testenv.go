package testenv

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The environment variables that name the services.
const (
	kafkaVariable    = "DISPATCHER_TEST_KAFKA"
	redisVariable    = "DISPATCHER_TEST_REDIS"
	databaseVariable = "DISPATCHER_TEST_DATABASE"
)

// Kafka returns the bootstrap address of a real Kafka cluster: host:port, several separated by commas.
// Topics are not made automatically there.
func Kafka(tb testing.TB) string {
	tb.Helper()
	return service(tb, kafkaVariable)
}

// Redis returns the URL of a real Redis, redis://:password@host:port/0, shared by all tests: keys must
// begin with the test's [Prefix], and nothing may flush it.
func Redis(tb testing.TB) string {
	tb.Helper()
	return service(tb, redisVariable)
}

// Prefix returns a name that no other test and no other run has, made of a–z, 0–9 and "-", at most 40
// characters: "test-" with what fits of the test's name and 12 random characters. It serves as prefix
// of topics, groups and Redis keys.
func Prefix(tb testing.TB) string {
	tb.Helper()
	return "test-" + readable(tb.Name(), 22) + "-" + strings.ToLower(rand.Text()[:12])
}

// readable reduces a test's name to at most limit characters of a–z, 0–9 and "-".
func readable(name string, limit int) string {
	name = strings.ToLower(strings.TrimPrefix(name, "Test"))
	kept := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case r == '/', r == '_', r == '-':
			return '-'
		default:
			return -1
		}
	}, name)
	return kept[:min(len(kept), limit)]
}

// service returns the address in the variable, from the environment or from what services-up wrote.
func service(tb testing.TB, variable string) string {
	tb.Helper()
	address, err := lookup(variable, os.Getenv, moduleRoot)
	if err != nil {
		tb.Fatalf("%s: %v; run `make services-up` or set it", variable, err)
	}
	return address
}

// errNotStarted says that nothing names the service.
var errNotStarted = errors.New("no such service is running")

// lookup returns the variable's value from the environment, else from .services/env below the root.
func lookup(variable string, getenv func(string) string, root func() (string, error)) (string, error) {
	if address := getenv(variable); address != "" {
		return address, nil
	}
	dir, err := root()
	if err != nil {
		return "", err
	}
	exports, err := readExports(filepath.Join(dir, ".services", "env"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNotStarted
	}
	if err != nil {
		return "", err
	}
	if exports[variable] == "" {
		return "", errNotStarted
	}
	return exports[variable], nil
}

// moduleRoot returns the directory of go.mod at or above the working directory, which `go test` sets to
// the directory of the package under test.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the checkout: no go.mod at or above %s", start)
		}
	}
}

// readExports reads lines of the form export NAME='value'; other lines are not for us.
func readExports(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the started services: %w", err)
	}
	defer func() { _ = file.Close() }() // only read from

	exports := make(map[string]string)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		assignment, ok := strings.CutPrefix(lines.Text(), "export ")
		if !ok {
			continue
		}
		if name, value, ok := strings.Cut(assignment, "="); ok {
			exports[name] = strings.Trim(value, "'")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the started services: %w", err)
	}
	return exports, nil
}
