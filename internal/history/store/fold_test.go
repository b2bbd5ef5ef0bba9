package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/voxagent/dispatcher/pkg/event"
)

// TestFoldIsCommutative holds the store against the model: any records, in any order, with repetitions, cut into any
// batches.
func TestFoldIsCommutative(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		var n atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			workspace := fmt.Sprintf("ws_%d", n.Add(1))
			records := drawRecords(rt, workspace)
			want := newModel(records).contents()
			order := rapid.Permutation(append(records, repeats(rt, records)...)).Draw(rt, "order")
			for len(order) > 0 {
				cut := rapid.IntRange(1, len(order)).Draw(rt, "batch")
				if err := s.Fold(t.Context(), order[:cut]); err != nil {
					rt.Fatal(err)
				}
				order = order[cut:]
			}
			if diff := compare(want, read(t.Context(), rt, s, workspace)); diff != "" {
				rt.Fatalf("store differs from model (-want +got):\n%s", diff)
			}
		})
	})
}

// TestFoldBesideOthers deals records out to writers that fold at once, as processes that own different partitions do:
// what is said about one event goes to one of them, what cancels and erases to any.
func TestFoldBesideOthers(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		for round := range 8 {
			workspace := fmt.Sprintf("ws_%d", round)
			records := exampleRecords(workspace, round)
			hands := make([][]Record, 4)
			for _, at := range rand.Perm(len(records)) {
				hand := rand.IntN(len(hands))
				if o, ok := about(records[at]); ok {
					hand = int(o[15]) % len(hands)
				}
				hands[hand] = append(hands[hand], records[at])
			}
			foldAtOnce(t, s, hands)
			if diff := compare(newModel(records).contents(), read(t.Context(), t, s, workspace)); diff != "" {
				t.Fatalf("round %d: store differs from model (-want +got):\n%s", round, diff)
			}
		}
	})
}

// TestFoldWhileOwnersChange has two writers fold the same records in the same order at once, as an owner does that has
// not yet noticed that its partition is another one's.
func TestFoldWhileOwnersChange(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		for round := range 8 {
			workspace := fmt.Sprintf("ws_%d", round)
			records := exampleRecords(workspace, round)
			rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			foldAtOnce(t, s, [][]Record{records, records})
			if diff := compare(newModel(records).contents(), read(t.Context(), t, s, workspace)); diff != "" {
				t.Fatalf("round %d: store differs from model (-want +got):\n%s", round, diff)
			}
		}
	})
}

// foldAtOnce folds each hand's records one by one, all hands at the same time.
func foldAtOnce(t *testing.T, s *Store, hands [][]Record) {
	t.Helper()
	var writers errgroup.Group
	for _, hand := range hands {
		writers.Go(func() error {
			for i := range hand {
				if err := s.Fold(t.Context(), hand[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
}

// about returns the occurrence that a record of the history topic is about.
func about(r Record) (event.Occurrence, bool) {
	switch r := r.History.(type) {
	case *event.EventRecord:
		return r.Occurrence, true
	case *event.AttemptRecord:
		return r.Occurrence, true
	case *event.DeliveryRecord:
		return r.Occurrence, true
	}
	return event.Occurrence{}, false
}

// exampleRecords draws some 40 records; the same seed gives the same.
func exampleRecords(workspace string, seed int) []Record {
	return rapid.Custom(func(rt *rapid.T) []Record {
		var all []Record
		for range 4 {
			all = append(all, drawRecords(rt, workspace)...)
		}
		return consistent(all)
	}).Example(seed + 1)
}

// consistent drops event records that contradict an earlier one: two drawings may match one event differently.
func consistent(records []Record) []Record {
	seen := map[string]bool{}
	var kept []Record
	for _, r := range records {
		if ev, ok := r.History.(*event.EventRecord); ok {
			if seen[ev.RecordID()] {
				continue
			}
			seen[ev.RecordID()] = true
		}
		kept = append(kept, r)
	}
	return kept
}

func repeats(rt *rapid.T, records []Record) []Record {
	if len(records) == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(records), 0, 5).Draw(rt, "repeats")
}

func compare(want, got contents) string {
	return gocmp.Diff(want, got, cmpopts.EquateEmpty())
}

// failer is what reading needs of a test; *rapid.T is no testing.TB.
type failer interface{ Fatal(args ...any) }

// read takes all that the store says about a workspace, list by list in small pages.
func read(ctx context.Context, t failer, s *Store, workspace string) contents {
	c := contents{Payloads: map[string]string{}}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for p := (Page{Limit: 3}); ; {
		list, err := s.Events(ctx, EventQuery{WorkspaceID: workspace, Page: p})
		must(err)
		c.Events = append(c.Events, list.Data...)
		if p.Cursor = list.Next; p.Cursor == "" {
			break
		}
	}
	for p := (Page{Limit: 3}); ; {
		list, err := s.Deliveries(ctx, DeliveryQuery{WorkspaceID: workspace, Page: p})
		must(err)
		c.Deliveries = append(c.Deliveries, list.Data...)
		if p.Cursor = list.Next; p.Cursor == "" {
			break
		}
	}
	for p := (Page{Limit: 3}); ; {
		list, err := s.Attempts(ctx, AttemptQuery{WorkspaceID: workspace, Page: p})
		must(err)
		c.Attempts = append(c.Attempts, list.Data...)
		if p.Cursor = list.Next; p.Cursor == "" {
			break
		}
	}
	var err error
	c.Health, err = healthOf(ctx, s, workspace, webhooks...)
	must(err)
	for i := range occurrences {
		o := occurrence(workspace, i, recordTime(i))
		p, err := s.Payload(ctx, workspace, o)
		if errors.Is(err, ErrNotFound) {
			p, err = payload(ctx, s.db, o.String())
		}
		must(err)
		switch p.State {
		case PayloadKept:
			c.Payloads[o.String()] = string(p.Body)
		case PayloadErased:
			c.Payloads[o.String()] = string(PayloadErased)
		case PayloadGone:
		}
	}
	return c
}

// A small world, so that records meet.
var (
	webhooks = []string{"wh_1", "wh_2", "wh_3"}
	sessions = []string{"session-1", "session-2"}
)

const occurrences = 3

func recordTime(i int) time.Time { return now.Add(time.Duration(i-10) * time.Minute) }

func worldStory(workspace string, i int) story {
	return story{
		workspace: workspace, eventID: fmt.Sprintf("evt_%d", i%2), session: sessions[i%2], at: recordTime(i), offset: i,
	}
}

func drawRecords(rt *rapid.T, workspace string) []Record {
	matches := map[[2]int][]string{}
	one := rapid.Custom(func(rt *rapid.T) Record {
		i := rapid.IntRange(0, occurrences-1).Draw(rt, "occurrence")
		s := worldStory(workspace, i)
		webhook := rapid.SampledFrom(webhooks).Draw(rt, "webhook")
		at := time.Duration(rapid.IntRange(0, 20).Draw(rt, "at")) * time.Second
		switch rapid.IntRange(0, 6).Draw(rt, "kind") {
		case 0:
			generation := rapid.IntRange(1, 3).Draw(rt, "generation")
			key := [2]int{i, generation}
			if _, ok := matches[key]; !ok {
				matches[key] = rapid.SliceOfNDistinct(rapid.SampledFrom(webhooks), 0, 3, rapid.ID).Draw(rt, "matched")
			}
			return history(s.event(int64(generation), matches[key]...))
		case 1, 2:
			return history(drawAttempt(rt, s, webhook, at))
		case 3:
			return history(drawDelivery(rt, s, webhook, at))
		case 4:
			return s.payload()
		case 5:
			e := &event.ErasureRecord{ID: event.NewID(event.PrefixErasure, now), WorkspaceID: workspace, At: s.at.Add(at - 10*time.Second)}
			if rapid.Bool().Draw(rt, "by session") {
				e.SessionID = s.session
			} else {
				e.EventID = s.eventID
			}
			return history(e)
		}
		return history(&event.WebhookRecord{
			WorkspaceID: workspace, WebhookID: webhook, Epoch: rapid.Int64Range(1, 3).Draw(rt, "epoch"),
			Cause: rapid.SampledFrom([]event.Cause{event.CauseDisabled, event.CauseDeleted}).Draw(rt, "cause"), At: now.Add(at),
		})
	})
	return rapid.SliceOfN(one, 0, 20).Draw(rt, "records")
}

// drawAttempt draws a request. Two of one attempt that began at one time are the same.
func drawAttempt(rt *rapid.T, s story, webhook string, at time.Duration) *event.AttemptRecord {
	status := rapid.SampledFrom([]int{0, 200, 500}).Draw(rt, "http status")
	r := s.attempt(webhook, rapid.IntRange(1, 3).Draw(rt, "attempt"), status, at+time.Duration(status)*time.Millisecond)
	r.Chain = rapid.IntRange(1, 2).Draw(rt, "chain")
	r.ID = r.Occurrence.AttemptID(webhook, r.Chain, r.Attempt)
	r.Epoch = int64(r.Chain - 1)
	if r.Attempt == 3 && r.Status == event.Failed {
		r.DeliveryStatus, r.NextAttemptAt = event.Failed, time.Time{}
	}
	return r
}

func drawDelivery(rt *rapid.T, s story, webhook string, at time.Duration) *event.DeliveryRecord {
	kinds := []struct {
		status event.Status
		cause  event.Cause
	}{
		{event.Pending, event.CauseQueueFull}, {event.Pending, event.CauseResend}, {event.Cancelled, event.CauseByUser},
		{event.Cancelled, event.CauseDisabled}, {event.Failed, event.CauseExpired},
	}
	kind := rapid.SampledFrom(kinds).Draw(rt, "state")
	r := s.delivery(webhook, kind.status, kind.cause, at)
	r.Chain = rapid.IntRange(1, 2).Draw(rt, "chain")
	r.Attempts = rapid.IntRange(0, 2).Draw(rt, "attempts")
	r.Epoch = rapid.Int64Range(0, 2).Draw(rt, "epoch")
	return r
}
