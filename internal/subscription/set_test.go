package subscription

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// sealedHook is a webhook's state with a private part that the test keys open.
func sealedHook(t testing.TB, id string, types ...string) hookState {
	t.Helper()
	sealed := testKeys(t, 'k').sealPrivate("ws", id, &private{URL: "https://example.com/" + id, Secret: "0123456789abcdef"})
	return hookState{id: id, types: types, enabled: true, epoch: 1, sealed: sealed}
}

func testSnapshot(t testing.TB) *snapshot {
	t.Helper()
	disabled := sealedHook(t, "wh_b", "*")
	disabled.enabled = false
	filtered, failing, unknown := sealedHook(t, "wh_e", "*"), sealedHook(t, "wh_f", "*"), sealedHook(t, "wh_g", "*")
	filtered.filter, failing.filter, unknown.filter = `data.session_id == "ses_1"`, `data.no_such == 1`, "bad("
	return &snapshot{workspace: "ws", pos: 7, filledAt: 1, rate: 1.5, hooks: []hookState{
		sealedHook(t, "wh_a", "*"), disabled, sealedHook(t, "wh_c", "Conversation*", "Other"), sealedHook(t, "wh_d", "SessionStarted"),
		filtered, failing, unknown,
	}}
}

func TestMatch(t *testing.T) {
	snap := testSnapshot(t)
	s := compile(snap, testKeys(t, 'k'), nil)
	for _, tc := range []struct{ eventType, session, want string }{
		{"ConversationComplete", "ses_1", "wh_a wh_c wh_e wh_b:disabled wh_d:type_not_selected wh_f:filter_error wh_g:filter_error"},
		{"Conversation", "ses_2", "wh_a wh_c wh_b:disabled wh_d:type_not_selected wh_e:filter wh_f:filter_error wh_g:filter_error"},
		{"Other", "ses_2", "wh_a wh_c wh_b:disabled wh_d:type_not_selected wh_e:filter wh_f:filter_error wh_g:filter_error"},
		{"SessionStarted", "", "wh_a wh_d wh_b:disabled wh_c:type_not_selected wh_e:filter wh_f:filter_error wh_g:filter_error"},
		{"Others", "", "wh_a wh_b:disabled wh_c:type_not_selected wh_d:type_not_selected wh_e:filter wh_f:filter_error wh_g:filter_error"},
	} {
		for range 2 { // the second time from memory
			body := event.Body(&event.Event{ID: "data", Type: tc.eventType, Data: fmt.Appendf(nil, `{"session_id":%q}`, tc.session)})
			m, failed := s.match(&fanout.Event{WorkspaceID: "ws", Type: tc.eventType, Body: body})
			if got := verdictText(m); got != tc.want || m.Version != 7 || failed != strings.Count(tc.want, ":filter_error") {
				t.Errorf("%s: %s (version %d)", tc.eventType, got, m.Version)
			}
		}
	}
	for i := range 3 * maxVerdicts {
		s.match(ev("ws", fmt.Sprint("Invented", i)))
	}
	if n := len(*s.verdicts.Load()); n != maxVerdicts {
		t.Errorf("%d types are remembered", n)
	}
	if s.hook("wh_d").state.id != "wh_d" || s.hook("wh_") != nil || s.hook("wh_z") != nil {
		t.Error("targets are not found by id")
	}
}

func TestNearIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	n := newNear(20 * (setBytes + hookBytes))
	hot := compile(&snapshot{workspace: "hot", pos: 1}, nil, nil)
	n.put(hot)
	for i := range 500 {
		n.tick.Add(1)
		if n.get("hot") != hot {
			t.Fatal("what is used was evicted")
		}
		s := compile(&snapshot{workspace: fmt.Sprint(i), pos: 1, hooks: []hookState{sealedHook(t, "wh", "*")}}, testKeys(t, 'k'), nil)
		n.put(s)
		n.put(s)
	}
	var sum int64
	for _, s := range n.sets {
		sum += s.size
	}
	if _, bytes := n.stats(); bytes > n.max || bytes != sum || len(n.sets) < 10 {
		t.Errorf("%d sets of %d bytes, counted %d, at most %d", len(n.sets), sum, bytes, n.max)
	}
	n.invalidate("hot", 2, time.Now())
	if n.get("hot") != nil || n.put(hot) || n.demanded("hot") != 2 {
		t.Error("an old set is used after a change")
	}
	n.forget(time.Now().Add(time.Hour))
	if n.demanded("hot") != 0 {
		t.Error("fences are kept for ever")
	}
	n.reset(5)
	if sets, bytes := n.stats(); sets != 0 || bytes != 0 || n.put(hot) || n.demanded("anything") != 5 {
		t.Error("something survived a reset")
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	want := testSnapshot(t)
	want.suspended = true
	raw := want.encode()
	got, err := decodeSnapshot("ws", 7, raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(snapshot{}, hookState{})); diff != "" {
		t.Error(diff)
	}
	for i := range raw {
		if _, err := decodeSnapshot("ws", 7, raw[:i]); err == nil {
			t.Fatalf("decoded what was cut at %d", i)
		}
	}
	if _, err := decodeSnapshot("ws", 7, append(slices.Clone(raw), 0)); err == nil {
		t.Error("decoded what has something behind it")
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add([]byte{})
	f.Add(testSnapshot(f).encode())
	f.Add([]byte{snapshotFormat, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := decodeSnapshot("ws", 1, raw)
		if err != nil {
			return
		}
		again, err := decodeSnapshot("ws", 1, s.encode())
		if err != nil || len(again.hooks) != len(s.hooks) {
			t.Errorf("what was decoded does not decode again: %v", err)
		}
	})
}

// Of many webhooks only those that an event needs are opened, once for all who ask, and what they hold then is counted.
func TestOpenedWhenNeeded(t *testing.T) {
	snap := &snapshot{workspace: "ws", pos: 1}
	for i := range 50 {
		snap.hooks = append(snap.hooks, sealedHook(t, fmt.Sprintf("wh_%02d", i), fmt.Sprint("Type", i)))
	}
	n := newNear(1 << 30)
	s := compile(snap, testKeys(t, 'k'), nil)
	n.put(s)
	_, before := n.stats()
	opened := func() (count int) {
		for i := range s.hooks {
			if s.hooks[i].opened.Load() != nil {
				count++
			}
		}
		return count
	}
	var wg sync.WaitGroup
	targets := make([]*fanout.Target, 20)
	for i := range targets {
		wg.Go(func() {
			m, _ := s.match(ev("ws", "Type7"))
			targets[i] = m.Targets[0]
		})
	}
	wg.Wait()
	for _, target := range targets {
		if target != targets[0] || target.WebhookID != "wh_07" || target.Signer == nil {
			t.Errorf("target %+v, want %+v", target, targets[0])
		}
	}
	_, after := n.stats()
	each := int64(openedBytes + len(s.hooks[0].state.sealed))
	if opened() != 1 || after-before != each {
		t.Errorf("%d opened, %d bytes more, want 1 and %d", opened(), after-before, each)
	}
	for i := range s.hooks {
		s.open(&s.hooks[i])
	}
	if _, all := n.stats(); all-before != 50*each || s.size != all {
		t.Errorf("all opened: %d bytes more", all-before)
	}
	n.reset(0)
	if _, bytes := n.stats(); bytes != 0 {
		t.Errorf("%d bytes of nothing", bytes)
	}
}

// A workspace whose filters are as many and as long as they may be takes a bounded part of an event's time, the same each
// time, and what they hold then is counted.
func TestFiltersOfAWorkspaceAreBounded(t *testing.T) {
	snap := &snapshot{workspace: "ws", pos: 1}
	for i := range 1000 {
		h := sealedHook(t, fmt.Sprintf("wh_%03d", i), "*")
		h.filter = fmt.Sprintf(`event != "%d" && event in [%s"b"]`, i, strings.Repeat(`"a",`, 480))
		snap.hooks = append(snap.hooks, h)
	}
	n := newNear(1 << 30)
	s := compile(snap, testKeys(t, 'k'), nil)
	n.put(s)
	_, before := n.stats()
	_, failed := s.match(ev("ws", "b"))
	if judged := 1000 - failed; judged < 20 || judged > 200 {
		t.Errorf("%d filters of 2 KB were judged for one event", judged)
	}
	_, after := n.stats()
	if grown := after - before; grown < int64(1000-failed)*(20<<10) {
		t.Errorf("%d compiled filters count as %d bytes", 1000-failed, grown)
	}
	if _, again := s.match(ev("ws", "b")); again != failed {
		t.Errorf("%d filters failed, then %d", failed, again)
	}
}

// After a change of one webhook the filters of the others are not compiled again, and what the set holds is still counted.
func TestFiltersAreInherited(t *testing.T) {
	filtered := func(id, text string) hookState {
		h := sealedHook(t, id, "*")
		h.filter = text
		return h
	}
	n := newNear(1 << 30)
	put := func(pos int64, hooks ...hookState) *set {
		s := compile(&snapshot{workspace: "ws", pos: pos, hooks: hooks}, testKeys(t, 'k'), nil)
		n.invalidate("ws", pos, time.Now())
		if n.get("ws") != nil {
			t.Error("an outdated set is used")
		}
		n.put(s)
		if n.get("ws") != s {
			t.Error("a new set is not used")
		}
		return s
	}
	old := put(1, filtered("wh_a", "true"), filtered("wh_b", "true"), filtered("wh_c", "false"), sealedHook(t, "wh_d", "*"))
	old.match(ev("ws", "X"))
	next := put(2, filtered("wh_a", "true"), filtered("wh_b", "false"), sealedHook(t, "wh_c", "*"), filtered("wh_d", "true"))
	if next.hooks[0].filter != old.hooks[0].filter || next.hooks[1].filter == old.hooks[1].filter || next.hooks[2].filter != nil {
		t.Error("not exactly what stayed the same is inherited")
	}
	m, failed := next.match(ev("ws", "X"))
	if got := verdictText(m); got != "wh_c wh_a wh_d wh_b:filter" || failed != 0 {
		t.Errorf("matched %q, %d filters failed", got, failed)
	}
	alone := newNear(1 << 30)
	fresh := compile(&snapshot{workspace: "ws", pos: 2, hooks: []hookState{
		filtered("wh_a", "true"), filtered("wh_b", "false"), sealedHook(t, "wh_c", "*"), filtered("wh_d", "true"),
	}}, testKeys(t, 'k'), nil)
	alone.put(fresh)
	fresh.match(ev("ws", "X"))
	_, want := alone.stats()
	if _, bytes := n.stats(); bytes != want {
		t.Errorf("%d bytes are counted, want %d", bytes, want)
	}
}

// While events are matched the set is replaced again and again: what is compiled meanwhile, also by who still has the set
// before, is counted once, in the set that holds it.
func TestInheritedWhileMatching(t *testing.T) {
	const hooks, changes = 20, 100
	snap := func(pos int64) *snapshot {
		s := &snapshot{workspace: "ws", pos: pos}
		for i := range hooks {
			h := sealedHook(t, fmt.Sprintf("wh_%02d", i), "*")
			h.filter = fmt.Sprintf(`event != "%d"`, 100+pos/2) // every other change leaves it as it is
			s.hooks = append(s.hooks, h)
		}
		return s
	}
	keys := testKeys(t, 'k')
	n := newNear(1 << 30)
	n.put(compile(snap(1), keys, nil))
	ctx, stop := context.WithCancel(t.Context())
	var matching sync.WaitGroup
	for range 4 {
		matching.Go(func() {
			for ctx.Err() == nil {
				if s := n.get("ws"); s != nil {
					if m, failed := s.match(ev("ws", "X")); len(m.Targets) != hooks || failed != 0 {
						t.Errorf("matched %q, %d filters failed", verdictText(m), failed)
					}
				}
			}
		})
	}
	for pos := int64(2); pos < changes; pos++ {
		n.invalidate("ws", pos, time.Now())
		n.put(compile(snap(pos), keys, nil))
	}
	stop()
	matching.Wait()
	before := compile(snap(changes), keys, nil)
	n.put(before)
	n.put(compile(snap(changes+1), keys, nil))
	before.match(ev("ws", "X"))
	n.get("ws").match(ev("ws", "X"))
	alone := newNear(1 << 30)
	fresh := compile(snap(changes+1), keys, nil)
	alone.put(fresh)
	fresh.match(ev("ws", "X"))
	_, want := alone.stats()
	if _, bytes := n.stats(); bytes != want {
		t.Errorf("%d bytes are counted, want %d", bytes, want)
	}
}
