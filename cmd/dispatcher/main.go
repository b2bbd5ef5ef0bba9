// Command dispatcher delivers Voxagent's events to its customers' webhooks.
//
// main only calls run; every command is a file of its own, config.go holds the flags that several share, and wire.go
// shows the whole system on one screen.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Set by the linker (Makefile).
var (
	version = "dev"
	commit  = "unknown"
)

// streams are a command's ways to the outside, so that tests can run commands without a process.
type streams struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// cli is the command line; each field is a command.
type cli struct {
	Dev      devCmd      `cmd:"" help:"Run everything in one process, with nothing to install: broker, Redis, SQLite, API, dashboard."`
	Serve    serveCmd    `cmd:"" help:"Run on real Kafka, Redis and PostgreSQL."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database schema up to this version."`
	Topics   topicsCmd   `cmd:"" help:"Create the dispatcher's Kafka topics."`
	Publish  publishCmd  `cmd:"" help:"Publish events to Kafka."`
	Validate validateCmd `cmd:"" help:"Check events without Kafka."`
	Schema   schemaCmd   `cmd:"" help:"Print the JSON Schema of a wire format."`
	Listen   listenCmd   `cmd:"" help:"Run a local receiver that verifies and prints each request."`
	Webhooks webhooksCmd `cmd:"" help:"Move webhooks in and out."`
	Secrets  secretsCmd  `cmd:"" help:"Move what is sealed to the newest encryption key."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once, as if nobody listened
	code := 0
	err := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv})
	if err != nil {
		report(os.Stderr, err)
		code = 1
	}
	stop()
	os.Exit(code)
}

// errHelp ends a run that only printed help.
var errHelp = errors.New("help")

// run is the whole program. It returns once everything that it started has ended.
func run(ctx context.Context, args []string, s streams) (err error) {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("dispatcher"),
		kong.Description("Delivers Voxagent's events to webhooks.\n\n"+
			"Each flag can also be given as an environment variable DISPATCHER_<FLAG>, secrets as DISPATCHER_<FLAG>_FILE too."),
		kong.Writers(s.out, s.err),
		kong.Resolvers(environment(s.getenv)),
		kong.Exit(func(int) { panic(errHelp) }), // kong ends the process after --help; run returns instead
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil && p != errHelp { //nolint:errorlint // a panic's value, compared by identity
			panic(p)
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		return err
	}
	k.BindTo(ctx, (*context.Context)(nil))
	k.Bind(s)
	return k.Run()
}

// report writes one line for each fault.
func report(w io.Writer, err error) {
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		_, _ = fmt.Fprintf(w, "dispatcher: %s\n", line)
	}
}

type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintf(s.out, "dispatcher %s (%s)\n", version, commit)
	return err
}
