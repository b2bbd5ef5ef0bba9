package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	rounds   int
	seed     uint64
	events   int
	load     time.Duration
	settle   time.Duration
	lose     int
	keep     bool
	program  string
	proxy    string
	services string
	logLevel string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 5, "rounds to run; round n has the seed of the first plus n")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the first round; 0: one of the clock")
	flags.IntVar(&o.events, "events", 2000, "events of a round")
	flags.DurationVar(&o.load, "load", 6*time.Second, "how long a round publishes")
	flags.DurationVar(&o.settle, "settle", 3*time.Minute, "how long everything may take to end after a round's faults")
	flags.IntVar(&o.lose, "lose", 0, "events of each round to lose on purpose: the run must fail")
	flags.BoolVar(&o.keep, "keep", false, "leave the services running at the end")
	flags.StringVar(&o.program, "dispatcher", "bin/dispatcher", "the program to break")
	flags.StringVar(&o.proxy, "toxiproxy", ".tools/toxiproxy", "the Toxiproxy server")
	flags.StringVar(&o.services, "dir", ".services/chaos", "where services and dispatchers keep data and logs")
	flags.StringVar(&o.logLevel, "log-level", "warn", "what the dispatchers log")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().Unix() % 1_000_000)
	}
	if o.rounds < 1 || o.events < 1 || o.lose < 0 || o.lose > o.events {
		return o, errors.New("want rounds and events of at least 1, and no more events lost than there are")
	}
	return o, nil
}

// errFailed says that a round found something; the table has it.
var errFailed = errors.New("the promise was broken; see above")

// run starts the installation, runs the rounds and stops it again.
func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	begun := time.Now()
	w, err := newWorld(ctx, &o)
	defer func() { err = errors.Join(err, w.close(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	repeats, err := os.Create(filepath.Join(w.dir, "repeats.log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repeats.Close()) }()
	t := newTable(os.Stdout, repeats)
	t.note("ready after %.0f s; %d rounds from seed %d on", time.Since(begun).Seconds(), o.rounds, o.seed)
	t.head()
	for n := range o.rounds + 1 {
		seed := o.seed + uint64(max(n-1, 0))
		r, err := w.round(ctx, n, seed)
		if ctx.Err() != nil {
			t.foot(time.Since(begun))
			return fmt.Errorf("interrupted in the round with seed %d", seed)
		}
		if err != nil {
			return fmt.Errorf("round with seed %d: %w", seed, err)
		}
		t.line(r)
		if n == 0 {
			if err := selfCheck(r.evidence, r.verdict); err != nil {
				return err
			}
			t.note("self-check: 2 deliveries and 2 history rows taken away from the evidence were found")
		}
		r.evidence = nil
	}
	t.foot(time.Since(begun))
	if t.failed() {
		return errFailed
	}
	return nil
}
