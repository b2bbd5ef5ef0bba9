package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kind of fault.
type kind uint8

const (
	killDispatcher   kind = iota // SIGKILL, started again after a pause
	endDispatcher                // SIGTERM, started again after a pause
	freezeDispatcher             // SIGSTOP for longer than a session, SIGCONT
	killBroker                   // SIGKILL, started again after a pause
	killRedis                    // SIGKILL, comes back empty
	flushRedis                   // emptied
	killPostgres                 // SIGKILL, started again after a pause
	delayNet                     // answers come late
	throttleNet                  // few bytes a second
	stallNet                     // connections stay, nothing comes through
	resetNet                     // connections are reset
	refuseNet                    // connections are closed and refused
)

var kindNames = [...]string{
	killDispatcher: "kill", endDispatcher: "term", freezeDispatcher: "freeze", killBroker: "kill", killRedis: "kill",
	flushRedis: "flush", killPostgres: "kill", delayNet: "delay", throttleNet: "throttle", stallNet: "stall", resetNet: "reset",
	refuseNet: "refuse",
}

// odds are how often each kind is drawn.
var odds = [...]int{
	killDispatcher: 5, endDispatcher: 3, freezeDispatcher: 2, killBroker: 4, killRedis: 2, flushRedis: 1, killPostgres: 3,
	delayNet: 2, throttleNet: 1, stallNet: 3, resetNet: 2, refuseNet: 2,
}

// kills are what every fourth round has at least: a kill -9 of each kind of process.
var kills = [...]kind{killDispatcher, killBroker, killRedis, killPostgres}

// The services behind proxies.
const (
	serviceKafka    = "kafka"
	serviceRedis    = "redis"
	servicePostgres = "postgres"
)

var services = [...]string{serviceKafka, serviceRedis, servicePostgres}

// fault is one thing that goes wrong.
type fault struct {
	kind kind
	// target is the dispatcher or broker, from 1; of network faults the dispatcher whose connections suffer.
	target  int
	service string // of network faults
	// at is when it begins, from the begin of the load; lasts is until it is undone.
	at, lasts time.Duration
}

// network says whether the fault is one of connections.
func (f fault) network() bool { return f.kind >= delayNet }

// victim is what the fault befalls: no two faults of a round befall one thing at a time.
func (f fault) victim() string {
	switch f.kind {
	case killDispatcher, endDispatcher, freezeDispatcher:
		return fmt.Sprintf("dispatcher-%d", f.target)
	case killBroker:
		return "kafka" // one broker at a time: with two away there is no quorum, and nothing to prove
	case killRedis, flushRedis:
		return serviceRedis
	case killPostgres:
		return servicePostgres
	case delayNet, throttleNet, stallNet, resetNet, refuseNet:
	}
	return fmt.Sprintf("%s of %d", f.service, f.target)
}

// String is the fault in the table: what, whom, when and for how long.
func (f fault) String() string {
	name := kindNames[f.kind]
	switch {
	case f.network():
		name += fmt.Sprintf(" d%d-%s", f.target, f.service)
	case f.kind == killBroker:
		name += fmt.Sprintf(" kafka-%d", f.target)
	case f.kind == killRedis, f.kind == flushRedis:
		name += " redis"
	case f.kind == killPostgres:
		name += " postgres"
	default:
		name += fmt.Sprintf(" d%d", f.target)
	}
	return fmt.Sprintf("%s@%.1f+%.1f", name, f.at.Seconds(), f.lasts.Seconds())
}

func describe(faults []fault) string {
	if len(faults) == 0 {
		return "none"
	}
	parts := make([]string, len(faults))
	for i, f := range faults {
		parts[i] = f.String()
	}
	return strings.Join(parts, ", ")
}

// schedule returns the faults of a round, in the order of their begin: two to four, the first of them the kill whose turn
// it is. It depends on its arguments alone.
func schedule(seed uint64, load time.Duration) []fault {
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // repeatable, nobody gains by guessing
	n := 2 + rng.IntN(3)
	faults := []fault{draw(rng, kills[seed%uint64(len(kills))], load)}
	for len(faults) < n {
		f := draw(rng, drawKind(rng), load)
		if !slices.ContainsFunc(faults, f.collides) {
			faults = append(faults, f)
		}
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return int(a.at - b.at) })
	return faults
}

func drawKind(rng *rand.Rand) kind {
	sum := 0
	for _, o := range odds {
		sum += o
	}
	n := rng.IntN(sum)
	for k, o := range odds {
		if n -= o; n < 0 {
			return kind(k)
		}
	}
	return killDispatcher
}

// draw makes a fault of a kind.
func draw(rng *rand.Rand, k kind, load time.Duration) fault {
	f := fault{kind: k, target: 1 + rng.IntN(dispatchers), at: between(rng, load/10, load*9/10)}
	switch k {
	case killDispatcher, endDispatcher, killRedis, killPostgres:
		f.lasts = between(rng, 100*time.Millisecond, 4*time.Second)
	case killBroker:
		f.target = 1 + rng.IntN(brokers)
		f.lasts = between(rng, 500*time.Millisecond, 5*time.Second)
	case freezeDispatcher:
		f.lasts = between(rng, 7*time.Second, 10*time.Second) // a session is 6 s
	case delayNet, throttleNet, stallNet, resetNet, refuseNet:
		f.service = services[rng.IntN(len(services))]
		f.lasts = between(rng, time.Second, 9*time.Second)
	case flushRedis:
	}
	return f
}

func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	return (low + time.Duration(rng.Int64N(int64(high-low)))).Round(100 * time.Millisecond)
}

// apart is how long something is left alone after it was mended.
const apart = 2 * time.Second

func (f fault) collides(g fault) bool {
	return f.victim() == g.victim() && f.at < g.at+g.lasts+apart && g.at < f.at+f.lasts+apart
}
