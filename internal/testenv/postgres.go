package testenv

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// adminTimeout bounds creating and dropping a database; both take tens of milliseconds on an idle
// server, and a server that hangs must fail the test, not the run's time limit.
const adminTimeout = 30 * time.Second

// Postgres creates an empty database for the test and returns its URL, postgres://user:password@host:port/name.
// It is dropped when the test ends, with whatever connections are still open then.
//
// The server's user must be allowed to create databases.
func Postgres(tb testing.TB) string {
	tb.Helper()
	server := service(tb, databaseVariable)
	name := Prefix(tb)
	database, err := databaseURL(server, name)
	if err != nil {
		tb.Fatalf("%s: %v", databaseVariable, err)
	}
	if err := administer(tb.Context(), server, "CREATE DATABASE "+quoted(name)); err != nil {
		tb.Fatalf("create database %s: %v", name, err)
	}
	tb.Cleanup(func() {
		// The test's own context has ended by now.
		if err := administer(context.Background(), server, "DROP DATABASE "+quoted(name)+" WITH (FORCE)"); err != nil {
			tb.Errorf("drop database %s: %v", name, err)
		}
	})
	return database
}

// databaseURL returns the server's URL with another database in it.
func databaseURL(server, name string) (string, error) {
	parsed, err := url.Parse(server)
	// The parser's error repeats the URL and so the password.
	if err != nil || (parsed.Scheme != "postgres" && parsed.Scheme != "postgresql") {
		return "", fmt.Errorf("not a postgres:// URL")
	}
	parsed.Path = "/" + name
	return parsed.String(), nil
}

// administer runs one statement on a connection of its own.
func administer(ctx context.Context, server, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the statement's own result has been seen
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("execute: %w", err)
	}
	return nil
}

func quoted(identifier string) string { return pgx.Identifier{identifier}.Sanitize() }
