package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/scripts/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run dispatches to the process that this one is to be.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "receiver" {
		return receive(ctx)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", rig.Machine(ctx))
	var errs []error
	for _, s := range scenarios {
		if !slices.Contains(o.scenarios, s.name) || ctx.Err() != nil {
			continue
		}
		if err := s.measure(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// scenario measures one promise; an error says also which bound was missed.
type scenario struct {
	name    string
	measure func(ctx context.Context, o *options) error
}

// scenarios in the order in which they run.
var scenarios = []scenario{{"holes", holes}, {"flood", flood}, {"pending", pending}, {"tenants", tenants}}

// options of a run. Sizes are those of the promises; quick ones are smaller.
type options struct {
	scenarios []string
	program   string
	roles     string
	example   string
	webhooks  int
	holes     []int
	inFlight  int
	rounds    int
	warmUp    time.Duration
	span      time.Duration
	rate      float64
	backlog   int
	times     int
	slow      time.Duration
	pending   int
	schedule  time.Duration
	tenants   int
	hot       int
}

// quick are the sizes of a run that shows whether all is well in a few minutes; a flag that is given counts more.
var quick = map[string]string{
	"rounds": "1", "span": "20s", "backlog": "20000", "in-flight": "256", "pending": "100000", "schedule": "2m", "tenants": "10000",
}

func parse(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	names := flags.String("scenario", "holes,flood,pending,tenants", "what to measure, with commas")
	small := flags.Bool("quick", false, fmt.Sprintf("smaller sizes: %v", quick))
	holeCounts := flags.String("holes", "10,100", "holes: how many webhooks never answer, one comparison for each")
	flags.StringVar(&o.program, "dispatcher", "bin/dispatcher", "the program to measure")
	flags.StringVar(&o.roles, "roles", "consumer,retry", "roles of the dispatcher")
	flags.StringVar(&o.example, "example", "ConversationComplete", "the example event whose data is published (1 KB)")
	flags.IntVar(&o.webhooks, "webhooks", 1000, "webhooks in all")
	flags.IntVar(&o.inFlight, "in-flight", 1024, "requests on the wire at once; black holes get 10 times as many events")
	flags.IntVar(&o.rounds, "rounds", 3, "runs of each kind, of which the median counts")
	flags.DurationVar(&o.warmUp, "warm-up", 5*time.Second, "time before what is measured")
	flags.DurationVar(&o.span, "span", time.Minute, "time that is measured, at least")
	flags.Float64Var(&o.rate, "rate", 0, "events a second; 0: a part of the maximum, which is measured first: half of it, a quarter for flood")
	flags.IntVar(&o.backlog, "backlog", 60_000, "events by which the maximum is measured")
	flags.IntVar(&o.times, "times", 100, "flood: how many times as much the flooded workspace gets")
	flags.DurationVar(&o.slow, "slow", 500*time.Millisecond, "flood: what the flooded webhook takes for an answer, too long to keep up")
	flags.IntVar(&o.pending, "pending", 1_000_000, "pending: deliveries that wait for their retry")
	flags.DurationVar(&o.schedule, "schedule", 30*time.Minute, "pending: delay of the retry")
	flags.IntVar(&o.tenants, "tenants", 100_000, "tenants: workspaces, with 10 webhooks each")
	flags.IntVar(&o.hot, "hot", 2000, "tenants: workspaces that get events again and again")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if *small {
		if err := shrink(flags); err != nil {
			return nil, err
		}
	}
	o.scenarios = strings.Split(*names, ",")
	for _, name := range o.scenarios {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name }) {
			return nil, fmt.Errorf("no scenario %q", name)
		}
	}
	for text := range strings.SplitSeq(*holeCounts, ",") {
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil || n < 1 || n >= o.webhooks {
			return nil, fmt.Errorf("-holes: %q is not a number of webhooks", text)
		}
		o.holes = append(o.holes, n)
	}
	return &o, nil
}

// shrink sets the quick sizes where no flag was given.
func shrink(flags *flag.FlagSet) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range quick {
		if given[name] {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}
