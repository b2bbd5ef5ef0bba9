package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/voxagent/dispatcher/scripts/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run dispatches to the process that this one is to be.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "receiver":
			return receive(ctx)
		case "floor":
			return floor(ctx, args[1:])
		case "hmac":
			return hmacCost(args[1:])
		}
	}
	return compare(ctx, args)
}

// options of a comparison.
type options struct {
	rounds   int
	events   int // of 1 KB; half of it of 30 KB
	inFlight int
	program  string
}

// sizes are the bodies that are measured, by the names of the embedded examples.
var sizes = []struct {
	name, example string
	share         int // of options.events, one in so many; a round is long enough for the start to weigh little
}{
	{"1 KB", "ConversationComplete", 1},
	{"30 KB", "ConversationComplete-40", 2},
}

// compare runs the rounds and prints the table.
func compare(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of each size")
	flags.IntVar(&o.events, "events", 80_000, "events of 1 KB in a round; half as many of 30 KB")
	flags.IntVar(&o.inFlight, "in-flight", 64, "requests on the wire at once, of both")
	flags.StringVar(&o.program, "dispatcher", "bin/dispatcher", "the program to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rc, err := startReceiver(ctx)
	if err != nil {
		return err
	}
	defer rc.peer.Stop()
	fmt.Printf("%s\n\n", rig.Machine(ctx))
	fmt.Printf("%-6s %14s %14s %12s %12s %8s %12s %9s\n", "event", "floor µs", "dispatcher µs", "2 HMACs µs", "ratio",
		"bound", "deliveries/s", "RSS MiB")
	missed := false
	for _, size := range sizes {
		res, err := measure(ctx, &o, rc, size.example, o.events/size.share)
		if err != nil {
			return fmt.Errorf("%s: %w", size.name, err)
		}
		// The bound at 1 KB is twice the floor; at 30 KB twice floor and hashing, since signing costs as much as posting.
		base := res.floorMicros
		if size.share > 1 {
			base += res.hmacMicros
		}
		ok := res.micros <= mostRatio*base && res.rss <= mostRSS
		missed = missed || !ok
		fmt.Printf("%-6s %14.1f %14.1f %12.1f %12s %8s %12.0f %9.0f\n", size.name, res.floorMicros, res.micros, res.hmacMicros,
			fmt.Sprintf("%.2f × floor", res.micros/res.floorMicros), verdict(res.micros/base, ok), res.perSecond, res.rss)
	}
	fmt.Printf("\nratio: dispatcher / floor. bound: at most %d × the floor (30 KB: %[1]d × floor and two HMACs), and 300 MB of RSS.\n", mostRatio)
	if missed {
		return errors.New("a bound is not kept")
	}
	return nil
}

// mostRatio and mostRSS are the bounds: CPU of a delivery as a multiple of what it is compared with, and memory in MiB.
const (
	mostRatio = 2
	mostRSS   = 300e6 / (1 << 20)
)

func verdict(ratio float64, ok bool) string {
	if ok {
		return fmt.Sprintf("%.2f ok", ratio)
	}
	return fmt.Sprintf("%.2f NO", ratio)
}

// result is the medians of one size.
type result struct {
	floorMicros, micros, hmacMicros, perSecond, rss float64
}

// measure alternates client and dispatcher.
func measure(ctx context.Context, o *options, rc *receiverProcess, example string, n int) (result, error) {
	var floors, costs, hmacs, rates, rss []float64
	for range o.rounds {
		f, err := floorRound(ctx, rc, example, n, o.inFlight)
		if err != nil {
			return result{}, err
		}
		h, err := hmacRound(ctx, example)
		if err != nil {
			return result{}, err
		}
		d, err := dispatcherRound(ctx, o, rc, example, n)
		if err != nil {
			return result{}, err
		}
		floors, hmacs, costs = append(floors, f), append(hmacs, h), append(costs, d.micros)
		rates, rss = append(rates, d.perSecond), append(rss, d.rss)
	}
	return result{rig.Median(floors), rig.Median(costs), rig.Median(hmacs), rig.Median(rates), slices.Max(rss)}, nil
}
