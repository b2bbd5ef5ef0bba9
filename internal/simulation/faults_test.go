package simulation

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fault is something that goes wrong at a time. do must not block.
type fault struct {
	at   time.Duration
	what string
	do   func(w *world)
}

// inject lets the faults happen in their order.
func (w *world) inject(faults []fault) {
	from := time.Now()
	for _, f := range faults {
		w.sleepUntil(from.Add(f.at))
		f.do(w)
	}
	for len(w.pending) > 0 {
		w.sleepUntil(slices.MinFunc(w.pending, time.Time.Compare))
	}
	close(w.calm)
}

// sleepUntil starts on its way the instances whose time has come.
func (w *world) sleepUntil(at time.Time) {
	for {
		w.startPending()
		next := at
		for _, p := range w.pending {
			if p.Before(next) {
				next = p
			}
		}
		time.Sleep(time.Until(next))
		if !time.Now().Before(at) {
			w.startPending()
			return
		}
	}
}

// maker makes a fault of one kind from a seed.
type maker func(rnd *rand.Rand) (what string, do func(w *world))

var makers = []maker{
	cutConnections, isolate, crash, crash, restart, visit, refuseProduce, refuseProduce, refuseCommits, refuseFetches,
	moveLeaders, moveCoordinators, hangReceivers, refuseGroup,
}

// randomFaults makes n faults. They fall on moments at which something happens: shortly after a batch was published, or
// when its retries fall due.
func randomFaults(n int) func(rnd *rand.Rand, batches []time.Duration) []fault {
	delays := []time.Duration{0, 0, 5 * time.Second, 5 * time.Minute, 35 * time.Minute, 155 * time.Minute, 455 * time.Minute}
	return func(rnd *rand.Rand, batches []time.Duration) []fault {
		faults := make([]fault, n)
		for i := range faults {
			what, do := makers[rnd.IntN(len(makers))](rnd)
			at := batches[rnd.IntN(len(batches))]
			delay := delays[rnd.IntN(len(delays))]
			at += delay + time.Duration(rnd.Int64N(int64(delay/8+10*time.Second)))
			faults[i] = fault{at: at, what: what, do: do}
		}
		slices.SortFunc(faults, func(a, b fault) int { return cmp.Compare(a.at, b.at) })
		return faults
	}
}

// some returns one of the running instances.
func (w *world) some(pick int) *instance { return w.running[pick%len(w.running)] }

func (w *world) replace(old, by *instance) {
	w.running = slices.DeleteFunc(w.running, func(in *instance) bool { return in == old })
	if by != nil {
		w.running = append(w.running, by)
	}
}

// disrupted notes a disruption that begins now.
func (w *world) disrupted(what string, who *life, lasts time.Duration, repeats bool) {
	now := time.Now()
	w.ledger.disrupt(disruption{what: what, life: who, from: now, to: now.Add(lasts), repeats: repeats})
}

func between(rnd *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(rnd.Int64N(int64(most-least)))).Round(time.Millisecond)
}

func cutConnections(rnd *rand.Rand) (string, func(w *world)) {
	pick := rnd.IntN(1 << 20)
	return "connections of one instance break", func(w *world) {
		in := w.some(pick)
		w.disrupted("cut", in.life, time.Second, false)
		in.net.cut(false)
	}
}

func isolate(rnd *rand.Rand) (string, func(w *world)) {
	pick, lasts := rnd.IntN(1<<20), between(rnd, 500*time.Millisecond, 3*session)
	return fmt.Sprintf("one instance is without network for %v", lasts), func(w *world) {
		in := w.some(pick)
		w.disrupted("isolated", in.life, lasts+session, true)
		w.disrupted("isolated", nil, lasts+session, false)
		in.net.cut(true)
		w.background.Go(func() {
			time.Sleep(lasts)
			if !in.over() {
				in.net.heal()
			}
		})
	}
}

func crash(rnd *rand.Rand) (string, func(w *world)) {
	pick, back := rnd.IntN(1<<20), between(rnd, time.Second, time.Minute)
	if rnd.IntN(4) == 0 {
		back *= 20
	}
	return fmt.Sprintf("one instance crashes, another starts %v later", back), func(w *world) {
		if len(w.running) == 0 {
			return
		}
		in := w.some(pick)
		w.disrupted("crash", in.life, 0, true)
		w.disrupted("crash", nil, back+session, false)
		in.crash()
		if len(w.running) > 1 {
			w.replace(in, nil)
			w.later(back)
			return
		}
		time.Sleep(back)
		w.replace(in, w.start())
	}
}

// later starts an instance after a while; the schedule goes on meanwhile.
func (w *world) later(after time.Duration) {
	w.pending = append(w.pending, time.Now().Add(after))
}

// startPending starts those whose time has come.
func (w *world) startPending() {
	w.pending = slices.DeleteFunc(w.pending, func(at time.Time) bool {
		if at.After(time.Now()) {
			return false
		}
		w.running = append(w.running, w.start())
		return true
	})
}

func restart(rnd *rand.Rand) (string, func(w *world)) {
	pick := rnd.IntN(1 << 20)
	return "one instance is stopped and another started", func(w *world) {
		in := w.some(pick)
		w.disrupted("restart", nil, 30*time.Second, false)
		w.replace(in, w.start())
		w.background.Go(in.stop)
	}
}

func visit(rnd *rand.Rand) (string, func(w *world)) {
	lasts := between(rnd, 2*time.Second, 3*time.Minute)
	return fmt.Sprintf("one more instance joins for %v", lasts), func(w *world) {
		w.disrupted("visit", nil, lasts+30*time.Second, false)
		in := w.start()
		w.background.Go(func() {
			time.Sleep(lasts)
			in.stop()
		})
	}
}

// refuse has brokers answer a share of the requests with an error for a while.
func (w *world) refuse(err *kerr.Error, lasts time.Duration, share int, keys ...kmsg.Key) {
	w.disrupted("refused", nil, lasts+session, true)
	// A broker asks for each partition of a request, several times: one request has one verdict.
	verdicts := make(map[kmsg.Request]bool)
	h := w.cluster.Fault(kfake.Fault{Keys: keys, Err: err, Count: -1, When: func(req kmsg.Request) bool {
		refused, known := verdicts[req]
		if !known {
			refused = len(verdicts)%share == 0
			verdicts[req] = refused
		}
		return refused
	}})
	w.background.Go(func() {
		time.Sleep(lasts)
		h.Remove()
	})
}

func refusing(name string, errs []*kerr.Error, keys ...kmsg.Key) maker {
	return func(rnd *rand.Rand) (string, func(w *world)) {
		err, lasts, share := errs[rnd.IntN(len(errs))], between(rnd, time.Second, time.Minute), 1+rnd.IntN(3)
		return fmt.Sprintf("brokers answer every %d. %s with %s for %v", share, name, err.Message, lasts), func(w *world) {
			w.refuse(err, lasts, share, keys...)
		}
	}
}

var (
	refuseProduce = refusing("produce request", []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
		kerr.KafkaStorageError, kerr.UnknownTopicOrPartition,
	}, kmsg.Produce)
	refuseCommits = refusing("commit", []*kerr.Error{
		kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.RequestTimedOut, kerr.CoordinatorNotAvailable,
		kerr.RebalanceInProgress,
	}, kmsg.OffsetCommit)
	refuseFetches = refusing("fetch", []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.UnknownTopicOrPartition, kerr.UnknownServerError,
	}, kmsg.Fetch)
	refuseGroup = refusing("heartbeat and join", []*kerr.Error{
		kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.RebalanceInProgress, kerr.UnknownMemberID,
		kerr.IllegalGeneration,
	}, kmsg.Heartbeat, kmsg.JoinGroup, kmsg.SyncGroup)
)

func moveLeaders(*rand.Rand) (string, func(w *world)) {
	return "leaders move", func(w *world) {
		w.disrupted("leaders", nil, quiet, false)
		w.cluster.ShufflePartitionLeaders()
	}
}

func moveCoordinators(*rand.Rand) (string, func(w *world)) {
	return "coordinators move", func(w *world) {
		w.disrupted("coordinators", nil, quiet, true)
		w.cluster.RehashCoordinators()
	}
}

func hangReceivers(rnd *rand.Rand) (string, func(w *world)) {
	lasts := between(rnd, 5*time.Second, 10*time.Minute)
	return fmt.Sprintf("all receivers hang for %v", lasts), func(w *world) {
		w.receivers.hang(time.Now().Add(lasts))
	}
}
