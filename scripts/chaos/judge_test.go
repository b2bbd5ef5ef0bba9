package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"
)

// fine is the evidence of n events in a round without a fault: a healthy webhook and one that always fails.
func fine(n int) *evidence {
	ev := &evidence{
		tenants: []workspace{
			{id: "ws_1", hooks: []hook{{id: "wh_1", name: "one", does: healthy}}},
			{id: "ws_2", hooks: []hook{{id: "wh_2", name: "two", does: failing}}},
		},
		held: make(map[string]int), recorded: make(map[attemptKey]int),
	}
	for i := range n {
		at, name, status, code := i%2, "one", "succeeded", 200
		if at == 1 {
			name, status, code = "two", "failed", 500
		}
		e := published{id: fmt.Sprintf("evt_%d", i), workspace: ev.tenants[at].id, bodyHash: sha256.Sum256([]byte{byte(i)})}
		ev.acked = append(ev.acked, e)
		ev.held[e.id] = 1
		id := fmt.Sprintf("dlv_%d", i)
		ev.deliveries = append(ev.deliveries, deliveryRow{id, e.id, ev.tenants[at].hooks[0].id, e.workspace, status})
		for number := 1; number <= 1+at; number++ {
			key := attemptKey{id, number}
			begin := time.Unix(int64(1000*number), 0)
			ev.requests = append(ev.requests, request{
				attemptKey: key, event: e.id, hook: name, sender: "1-1", begin: begin, end: begin.Add(10 * time.Millisecond),
				status: code, bodyHash: e.bodyHash,
			})
			last := "pending"
			if number == 1+at {
				last = status
			}
			ev.attempts = append(ev.attempts, attemptRow{key, status, last, code})
			ev.recorded[key]++
		}
	}
	return ev
}

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	if v := judge(fine(20)); v.failed() {
		t.Errorf("%+v", v)
	}
}

func TestTwoRecordsTakenAwayAreFound(t *testing.T) {
	ev := fine(20)
	if err := selfCheck(ev, judge(ev)); err != nil {
		t.Error(err)
	}
	blind := fine(2) // has one delivery with a 2xx: two cannot be taken away
	if err := selfCheck(blind, judge(blind)); err == nil {
		t.Error("the check passed although there was nothing to find")
	}
}

// What is wrong with the evidence, and the finding that must tell of it.
var wrongs = map[string]struct {
	spoil func(*evidence)
	in    func(*verdict) []string
	want  string
}{
	"published, never delivered": {func(ev *evidence) {
		ev.requests, ev.deliveries, ev.attempts = ev.requests[1:], ev.deliveries[1:], ev.attempts[1:]
	}, lostOf, "history has no delivery"},
	"acknowledged, not in the topic":           {func(ev *evidence) { delete(ev.held, "evt_3") }, lostOf, "evt_3 was acknowledged"},
	"a final failure without its last attempt": {func(ev *evidence) { ev.attempts = ev.attempts[:len(ev.attempts)-1] }, lostOf, "is failed"},
	"still pending":                            {func(ev *evidence) { ev.deliveries[0].status = "pending" }, strangeOf, "is pending"},
	"cancelled":                                {func(ev *evidence) { ev.deliveries[0].status = "cancelled" }, strangeOf, "is cancelled"},
	"a row too few":                            {func(ev *evidence) { ev.attempts = ev.attempts[1:] }, missingOf, "has 0 rows"},
	"a row twice":                              {func(ev *evidence) { ev.attempts = append(ev.attempts, ev.attempts[0]) }, missingOf, "has 2 rows"},
	"not on the history topic":                 {func(ev *evidence) { delete(ev.recorded, attemptKey{"dlv_0", 1}) }, missingOf, "not on the history topic"},
	"a row that nobody saw":                    {func(ev *evidence) { ev.requests = ev.requests[1:] }, strangeOf, "no receiver gave"},
	"a gap in the numbers":                     {func(ev *evidence) { ev.attempts[2].number = 7 }, strangeOf, "the last of them number 7"},
	"another body":                             {func(ev *evidence) { ev.requests[0].bodyHash[0]++ }, strangeOf, "not the body of event"},
	"a foreign webhook":                        {func(ev *evidence) { ev.requests[0].hook = "two" }, strangeOf, "foreign webhook"},
	"an unknown event":                         {func(ev *evidence) { ev.requests[0].event = "evt_x" }, strangeOf, "which nobody published"},
	"one delivery of two events":               {func(ev *evidence) { ev.requests[1].delivery = "dlv_0" }, strangeOf, "came as"},
	"a dispatcher that ended":                  {func(ev *evidence) { ev.odd = []oddity{{number: 1, text: "ended by itself"}} }, strangeOf, "ended by itself"},
	"not settled":                              {func(ev *evidence) { ev.unsettled = "lag" }, strangeOf, "not settled: lag"},
	"a repeat without a fault":                 {func(ev *evidence) { ev.requests = append(ev.requests, ev.requests[0]) }, unexplainedOf, "attempt 1 of dlv_0"},
}

func lostOf(v *verdict) []string        { return v.lost }
func missingOf(v *verdict) []string     { return v.missing }
func strangeOf(v *verdict) []string     { return v.strange }
func unexplainedOf(v *verdict) []string { return v.repeats.unexplained }

func TestEachWrongIsFound(t *testing.T) {
	for name, wrong := range wrongs {
		t.Run(name, func(t *testing.T) {
			ev := fine(6)
			wrong.spoil(ev)
			v := judge(ev)
			if found := strings.Join(wrong.in(v), "\n"); !strings.Contains(found, wrong.want) {
				t.Errorf("found %q, want %q", found, wrong.want)
			}
			if !v.failed() {
				t.Error("the round passed")
			}
		})
	}
}

func TestAnEndWhileCutOffFromKafkaIsExcused(t *testing.T) {
	at := time.Unix(5000, 0)
	cut := disturbance{what: byKafka, number: 1, from: at, to: at.Add(5 * time.Second)}
	for name, test := range map[string]struct {
		oddity
		want bool
	}{
		"while it was cut off":   {oddity{number: 1, from: at.Add(-time.Second), to: at.Add(time.Second)}, true},
		"while another one was":  {oddity{number: 2, from: at.Add(-time.Second), to: at.Add(time.Second)}, false},
		"before":                 {oddity{number: 1, from: at.Add(-2 * time.Second), to: at.Add(-time.Second)}, false},
		"unordered, at any time": {oddity{number: 1}, false},
	} {
		if got := test.excused([]disturbance{cut}); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRepeatsAreExplainedByWhatADispatcherHadOpenOrJustEnded(t *testing.T) {
	broken := time.Unix(5000, 0)
	at := func(delivery string, number int, sender string, begin, end time.Duration) request {
		return request{attemptKey: attemptKey{delivery, number}, sender: sender, begin: broken.Add(begin), end: broken.Add(end)}
	}
	requests := []request{
		at("open", 1, "1-1", -time.Second, time.Millisecond), at("open", 1, "2-1", 7*time.Second, 8*time.Second),
		at("just ended", 1, "1-1", -time.Second, -200*time.Millisecond), at("just ended", 1, "2-1", 7*time.Second, 8*time.Second),
		at("open, not repeated", 1, "1-1", -time.Second, time.Millisecond),
		at("long ended", 1, "1-1", -9*time.Second, -8*time.Second), at("long ended", 1, "2-1", 7*time.Second, 8*time.Second),
		at("of another", 1, "2-1", -time.Second, time.Millisecond), at("of another", 1, "3-1", 7*time.Second, 8*time.Second),
		at("written twice", 1, "1-1", -time.Second, time.Millisecond),
		at("written twice", 2, "2-1", 7*time.Second, 8*time.Second), at("written twice", 2, "3-1", 9*time.Second, 10*time.Second),
	}
	for name, test := range map[string]struct {
		disturbance
		seen, allowed int
		unexplained   []string
	}{
		"a kill": {
			disturbance{what: byKill, sender: "1-1", from: broken, to: broken, allowed: -1}, 2, 4,
			[]string{"long ended", "of another", "written twice"},
		},
		"a kill that allows one": {
			disturbance{what: byKill, sender: "1-1", from: broken, to: broken, allowed: 1}, 1, 1,
			[]string{"ended", "long ended", "of another", "written twice"},
		},
		"one cut off from Kafka": {
			disturbance{what: byKafka, number: 1, from: broken, to: broken, allowed: -1}, 3, 4, []string{"long ended", "of another"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := countRepeats(requests, []disturbance{test.disturbance})
			if got := r.by[test.what]; got.seen != test.seen || got.allowed != test.allowed || got.times != 1 {
				t.Errorf("%+v, want %d of %d", got, test.seen, test.allowed)
			}
			found := strings.Join(r.unexplained, "\n")
			for _, want := range test.unexplained {
				if !strings.Contains(found, want) {
					t.Errorf("%q is explained; unexplained: %s", want, found)
				}
			}
			if len(r.unexplained) != len(test.unexplained) {
				t.Errorf("unexplained: %s", found)
			}
		})
	}
}
