package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestLookup(t *testing.T) {
	withFile, without := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(withFile, ".services"), 0o755); err != nil {
		t.Fatal(err)
	}
	const written = "# made by a script\nexport DISPATCHER_TEST_KAFKA='127.0.0.1:1'\n" +
		"export DISPATCHER_TEST_DATABASE='postgres://u:p@127.0.0.1:3/postgres?sslmode=disable'\n"
	if err := os.WriteFile(filepath.Join(withFile, ".services", "env"), []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, variable, environment, root, want string
		err                                     error
	}{
		{"environment first", kafkaVariable, "broker:9092", withFile, "broker:9092", nil},
		{"then the file", kafkaVariable, "", withFile, "127.0.0.1:1", nil},
		{"value with an equals sign", databaseVariable, "", withFile, "postgres://u:p@127.0.0.1:3/postgres?sslmode=disable", nil},
		{"not in the file", redisVariable, "", withFile, "", errNotStarted},
		{"no file", kafkaVariable, "", without, "", errNotStarted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			getenv := func(string) string { return tc.environment }
			root := func() (string, error) { return tc.root, nil }
			got, err := lookup(tc.variable, getenv, root)
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("lookup = %q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestModuleRootIsTheCheckout(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "internal", "testenv", "testenv_test.go")); err != nil {
		t.Errorf("moduleRoot = %s: %v", root, err)
	}
}

func TestPrefixIsUniqueAndPlain(t *testing.T) {
	plain := regexp.MustCompile(`^test-[a-z0-9-]{1,35}$`)
	t.Run("Naïve name, with/slashes and much more text than fits", func(t *testing.T) {
		first, second := Prefix(t), Prefix(t)
		if first == second {
			t.Errorf("two calls gave %s", first)
		}
		if !plain.MatchString(first) {
			t.Errorf("Prefix = %q, want %s", first, plain)
		}
	})
}

func TestDatabaseURLHidesWhatItCannotParse(t *testing.T) {
	for _, server := range []string{"host=localhost password=hunter2", "mysql://u:hunter2@h/db", "postgres://u:hunter2@h:port/db"} {
		_, err := databaseURL(server, "name")
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("databaseURL(%q) = %v, want an error without the password", server, err)
		}
	}
}

func TestKafkaAndRedisAnswer(t *testing.T) {
	for broker := range strings.SplitSeq(Kafka(t), ",") {
		dial(t, broker)
	}
	redis, err := url.Parse(Redis(t))
	if err != nil || redis.Scheme != "redis" {
		t.Fatalf("Redis = scheme %q, %v; want a redis:// URL", redis.Scheme, err)
	}
	dial(t, redis.Host)
}

func TestPostgresGivesEachCallItsOwnDatabase(t *testing.T) {
	var databases []string
	outer := t
	t.Run("in use", func(t *testing.T) {
		databases = []string{Postgres(t), Postgres(t)}
		for i, database := range databases {
			// The connection outlives the database: dropping it must not wait for those who forgot to leave.
			conn := connect(outer, database)
			// Would fail on the second if the two were one.
			if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (n int)"); err != nil {
				t.Errorf("database %d: %v", i, err)
			}
		}
	})
	for _, database := range databases {
		conn, err := pgx.Connect(t.Context(), database)
		if err == nil {
			_ = conn.Close(t.Context())
			t.Error("the database outlived its test")
		}
	}
}

func dial(t *testing.T, address string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(fmt.Errorf("connect to the test's database: %w", err))
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
