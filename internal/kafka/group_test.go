package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// mate is one member of a group whose owner only watches.
type mate struct {
	group  *Group
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	gens   []*Generation
	signal chan struct{}
}

func (w *world) mate(cfg GroupConfig) *mate {
	w.Helper()
	if cfg.Group == "" {
		cfg.Group = "g"
	}
	if cfg.Start == (Position{}) {
		cfg.Start = Latest
	}
	g, err := NewGroup(w.newClient(cfg.Topics...), cfg, nil)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &mate{group: g, cancel: cancel, ended: make(chan struct{}), signal: make(chan struct{}, 1)}
	go func() {
		defer close(m.ended)
		_ = g.Run(ctx, m.own)
	}()
	w.Cleanup(m.stop)
	return m
}

func (m *mate) own(gen *Generation) {
	m.mu.Lock()
	m.gens = append(m.gens, gen)
	m.mu.Unlock()
	select {
	case m.signal <- struct{}{}:
	default:
	}
	<-gen.Revoked()
}

func (m *mate) stop() {
	m.cancel()
	<-m.ended
}

func (m *mate) last() *Generation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.gens) == 0 {
		return nil
	}
	return m.gens[len(m.gens)-1]
}

// await waits for a generation in which this member has so many partitions.
func (m *mate) await(t *testing.T, partitions int) *Generation {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		if gen := m.last(); gen != nil {
			n := 0
			for _, parts := range gen.Assigned {
				n += len(parts)
			}
			select {
			case <-gen.Revoked():
			default:
				if n == partitions {
					return gen
				}
			}
		}
		select {
		case <-m.signal:
		case <-time.After(100 * time.Millisecond):
		case <-timeout:
			t.Fatalf("no generation with %d partitions; last %+v", partitions, m.last())
		}
	}
}

// settled waits until both are in the same generation.
func settled(t *testing.T, a, b *mate) (ga, gb *Generation) {
	t.Helper()
	for range 1000 {
		ga, gb = a.last(), b.last()
		if ga != nil && gb != nil && ga.ID == gb.ID {
			return ga, gb
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never in the same generation")
	return nil, nil
}

func TestTwoMembersShareCoPartitionedTopics(t *testing.T) {
	inWorld(t, 1, seed(7, "t", "u"), func(w *world) {
		cfg := GroupConfig{Topics: []string{"t", "u"}}
		a := w.mate(cfg)
		a.await(t, 14)
		b := w.mate(cfg)
		synctest.Wait()
		start := time.Now()
		ga, gb := settled(t, a, b)
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("the second member got its share after %v", d)
		}
		for _, g := range []*Generation{ga, gb} {
			if diff := cmp.Diff(g.Assigned["t"], g.Assigned["u"]); diff != "" {
				t.Errorf("not co-partitioned: %s", diff)
			}
		}
		all := append(slices.Clone(ga.Assigned["t"]), gb.Assigned["t"]...)
		slices.Sort(all)
		if !slices.Equal(all, []int{0, 1, 2, 3, 4, 5, 6}) {
			t.Errorf("assigned: %v", all)
		}
		start = time.Now()
		b.stop()
		a.await(t, 14)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("taken over %v after a clean leave", d)
		}
	})
}

func TestSilentMemberIsReplacedAfterItsSession(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		a.await(t, 4)
		b := w.mate(GroupConfig{Topics: []string{"t"}})
		settled(t, a, b)
		// The network of b goes away as if its process was killed.
		b.group.client.conns.cut()
		start := time.Now()
		<-b.last().Lost()
		if gen := a.last(); len(gen.Assigned["t"]) != 2 || gen.ID != b.last().ID {
			t.Error("the cut-off member thought that it owned its partitions when they had been given away")
		}
		a.await(t, 4)
		if d := time.Since(start); d > 9*time.Second {
			t.Errorf("taken over after %v", d)
		}
	})
}

func TestMemberThatStoodStillKnowsBeforeItsHeartbeatsDo(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		gen := a.await(t, 4)
		if gen.Expired() {
			t.Error("expired although heartbeats get through")
		}
		// As after SIGCONT: the clock went on, no goroutine of the group has run yet.
		gen.seen.Store(time.Now().Add(-6 * time.Second).UnixNano())
		if !gen.Expired() {
			t.Error("not expired after a session in silence")
		}
		select {
		case <-gen.Lost():
		default:
			t.Error("expired, but the membership goes on")
		}
		a.await(t, 4)
		if gen.Forgotten() {
			t.Error("the clock's word taken for the coordinator's")
		}
	})
}

func TestCommitAfterSilenceIsForTheCoordinatorToJudge(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		g, err := NewGroup(w.newClient("t"), GroupConfig{Group: "g", Topics: []string{"t"}, Start: Latest}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		err = g.Run(ctx, func(gen *Generation) {
			defer cancel()
			gen.seen.Store(time.Now().Add(-6 * time.Second).UnixNano()) // no heartbeat got through for so long
			<-gen.Lost()
			mark := []Mark{{TopicPartition{"t", 0}, 7, ""}}
			if faults, err := gen.Commit(w.Context(), mark); err != nil || len(faults) > 0 {
				t.Error("the coordinator still knows the member:", faults, err)
			}
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.IllegalGeneration})
			if _, err := gen.Commit(w.Context(), mark); !errors.Is(err, ErrFenced) || !gen.Forgotten() {
				t.Error("the coordinator had another generation:", err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestHeartbeatsSurviveTheCoordinator(t *testing.T) {
	inWorld(t, 3, seed(4, "t"), func(w *world) {
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		gen := a.await(t, 4)
		for _, code := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress} {
			fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: code, Count: 3, TopLevel: true})
			if err := fault.Wait(w.Context(), 3); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		if a.last() != gen {
			t.Error("a coordinator that was away for seconds must not cost a rebalance")
		}
	})
}

func TestMemberThatTheCoordinatorForgotJoinsAgain(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		gen := a.await(t, 4)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true})
		<-gen.Lost()
		<-gen.Revoked()
		if _, err := gen.Commit(w.Context(), nil); !errors.Is(err, ErrFenced) {
			t.Errorf("commit of a lost generation: %v", err)
		}
		if next := a.await(t, 4); next == gen {
			t.Error("no new generation")
		}
	})
}

// TestCoordinatorThatForgetsEveryMemberIsNotPressed: each join with an id is refused, each without gives a new id.
func TestCoordinatorThatForgetsEveryMemberIsNotPressed(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		var joins atomic.Int32
		fault := w.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.UnknownMemberID, Count: -1,
			When: func(req kmsg.Request) bool {
				joins.Add(1)
				return req.(*kmsg.JoinGroupRequest).MemberID != ""
			},
		})
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		time.Sleep(10 * time.Second)
		if n := joins.Load(); n < 10 || n > 60 {
			t.Errorf("%d joins in 10 s", n)
		}
		fault.Remove()
		a.await(t, 4)
	})
}

func TestMorePartitionsRebalanceTheGroup(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		b := w.mate(GroupConfig{Topics: []string{"t"}})
		a.await(t, 2)
		b.await(t, 2)
		w.addPartitions("t", 10)
		start := time.Now()
		a.await(t, 5)
		b.await(t, 5)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestDeletedTopicIsSurvived(t *testing.T) {
	inWorld(t, 1, seed(2, "t", "u"), func(w *world) {
		a := w.mate(GroupConfig{Topics: []string{"t", "u"}})
		a.await(t, 4)
		if err := w.client.DeleteTopics(w.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		a.await(t, 2)
		if _, err := w.client.CreateTopics(w.Context(), []TopicSpec{{Name: "t", Partitions: 3, ReplicationFactor: 1}}); err != nil {
			t.Fatal(err)
		}
		a.await(t, 5)
	})
}

func TestStartsAreTheSameForAllMembers(t *testing.T) {
	inWorld(t, 1, seed(4, "t"), func(w *world) {
		w.write("t", 100)
		ends, err := w.client.Offsets(w.Context(), Latest, TopicPartition{"t", 0}, TopicPartition{"t", 3})
		if err != nil {
			t.Fatal(err)
		}
		a := w.mate(GroupConfig{Topics: []string{"t"}})
		gen := a.await(t, 4)
		if got := gen.Starts["t"]; len(got) != 4 || got[0] != ends[TopicPartition{"t", 0}] || got[3] != ends[TopicPartition{"t", 3}] {
			t.Fatalf("starts %v, ends %v", got, ends)
		}
		if faults, err := gen.Commit(w.Context(), []Mark{{TopicPartition{"t", 0}, 7, "kept"}}); err != nil || len(faults) > 0 {
			t.Fatal(err, faults)
		}
		marks, err := gen.Committed(w.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.Index(marks, Mark{TopicPartition{"t", 0}, 7, "kept"}); i < 0 {
			t.Errorf("marks %v", marks)
		}
		// The topic is known now: another generation has no starts, so that partitions without a commit count as added.
		b := w.mate(GroupConfig{Topics: []string{"t"}})
		if gen := b.await(t, 2); len(gen.Starts) != 0 {
			t.Errorf("starts %v", gen.Starts)
		}
	})
}

func TestCommitFaultsAreByPartition(t *testing.T) {
	inWorld(t, 1, seed(2, "t"), func(w *world) {
		gen := w.mate(GroupConfig{Topics: []string{"t"}}).await(t, 2)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Partitions: []int32{1}, Err: kerr.OffsetMetadataTooLarge})
		faults, err := gen.Commit(w.Context(), []Mark{{TopicPartition{"t", 0}, 7, ""}, {TopicPartition{"t", 1}, 7, ""}})
		if err != nil || len(faults) != 1 || !MetadataTooLarge(faults[TopicPartition{"t", 1}]) {
			t.Errorf("faults %v, %v", faults, err)
		}
	})
}

func TestOffsetsByTime(t *testing.T) {
	inWorld(t, 2, seed(1, "t"), func(w *world) {
		tp := TopicPartition{"t", 0}
		w.write("t", 3)
		time.Sleep(time.Second)
		at := time.Now()
		time.Sleep(time.Second)
		w.write("t", 3)
		for position, want := range map[Position]int64{Earliest: 0, At(at): 3, Latest: 6, At(at.Add(time.Hour)): 6} {
			got, err := w.client.Offsets(w.Context(), position, tp)
			if err != nil || got[tp] != want {
				t.Errorf("%v: %v %v, want %d", position, got, err, want)
			}
		}
	})
}

func TestTopicsAreCreatedOnceAndChecked(t *testing.T) {
	inWorld(t, 3, nil, func(w *world) {
		specs := []TopicSpec{
			{Name: "a", Partitions: 3, ReplicationFactor: 3, Configs: map[string]string{"retention.ms": "1000"}},
			{Name: "b", Partitions: 2, ReplicationFactor: 1},
		}
		if err := w.client.CheckTopics(w.Context(), "a", "b"); !errors.Is(err, ErrNoTopic) {
			t.Errorf("check: %v", err)
		}
		if _, err := w.client.CreateTopics(w.Context(), specs[:1]); err != nil {
			t.Fatal(err)
		}
		existed, err := w.client.CreateTopics(w.Context(), specs)
		if err != nil || !slices.Equal(existed, []string{"a"}) {
			t.Errorf("existed %v, %v", existed, err)
		}
		if err := w.client.CheckTopics(w.Context(), "a", "b"); err != nil {
			t.Error(err)
		}
		counts, err := w.client.Partitions(w.Context(), "a", "b")
		if err != nil || counts["a"] != 3 || counts["b"] != 2 {
			t.Errorf("partitions %v, %v", counts, err)
		}
		configs, err := w.client.TopicConfigs(w.Context(), []string{"a"}, "retention.ms")
		if err != nil || configs["a"]["retention.ms"] != "1000" {
			t.Errorf("configs %v, %v", configs, err)
		}
		if n, err := w.client.Brokers(w.Context()); err != nil || n != 3 {
			t.Errorf("%d brokers, %v", n, err)
		}
	})
}

func TestOldClustersAreReadWithoutTopicIDs(t *testing.T) {
	inWorld(t, 1, seed(2, "t"), func(w *world) {
		w.client.metaVersion.v.Store(7)
		info, err := w.client.Metadata(w.Context(), "t", "nope")
		if err != nil || len(info.Topics["t"].Leaders) != 2 || info.Topics["t"].ID != (TopicID{}) ||
			!errors.Is(info.Topics["nope"].Err, ErrNoTopic) {
			t.Errorf("%+v %v", info, err)
		}
	})
}
