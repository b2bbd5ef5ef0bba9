package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestDispatchersComeAndGoUnderLoad: 1 → 4 → 1 dispatchers, then SIGTERM and kill -9 of one of two. Nothing is lost, only
// the kill repeats, and the partitions of the one that went flow on soon.
func TestDispatchersComeAndGoUnderLoad(t *testing.T) {
	const perSecond = 120
	in := install(t)
	first := in.serve(t)
	rc := count(t, 20*time.Millisecond)
	first.create("ws_acme", rc.URL)
	l := in.loadOn(t, testenv.Kafka(t), "ws_acme", perSecond)
	rc.keepsUp(t, l, 30*time.Second)

	rc.listen()
	all := []*server{first}
	for range 3 {
		all = append(all, in.serve(t))
	}
	rc.keepsUp(t, l, 30*time.Second)
	t.Logf("1 → 4 dispatchers: no partition silent for longer than %s", rc.longestSilence())
	for _, s := range all[:3] {
		s.terminate()
	}
	for _, s := range all[:3] {
		if code := s.exit(20 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	rc.keepsUp(t, l, 30*time.Second)
	t.Logf("4 → 1 dispatchers: no partition silent for longer than %s", rc.longestSilence())

	last := in.serve(t)
	rc.keepsUp(t, l, 30*time.Second)
	rc.listen()
	if code := all[3].signal(syscall.SIGTERM, 20*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	rc.keepsUp(t, l, 30*time.Second)
	t.Logf("SIGTERM of one of two: no partition silent for longer than %s", rc.longestSilence())
	// A partition is silent from its last request on, so this is at least the time since the last open request's end.
	if silent := rc.longestSilence(); silent > 5*time.Second {
		t.Errorf("a partition was silent for %s, want 5 s at most", silent)
	}
	// A dispatcher to which Kafka did not answer for a whole session is replaced like one that was killed.
	lost := stalls(append(all, last)...)
	if n := rc.repeated(); n > lost*perSecond {
		t.Errorf("%d requests were repeated without a kill; %d sessions were lost to a broker that stalled", n, lost)
	}

	other := in.serve(t)
	rc.keepsUp(t, l, 30*time.Second)
	rc.listen()
	last.signal(syscall.SIGKILL, 5*time.Second)
	rc.keepsUp(t, l, 30*time.Second)
	t.Logf("kill -9 of one of two: no partition silent for longer than %s, %d requests repeated",
		rc.longestSilence(), rc.repeated())
	if silent := rc.longestSilence(); silent > 10*time.Second {
		t.Errorf("a partition was silent for %s, want 10 s at most", silent)
	}
	// What was open, and what had ended since the last commit 250 ms before: with room for a slow machine.
	if n := rc.repeated(); n > (1+stalls(append(all, last, other)...))*perSecond {
		t.Errorf("%d requests were repeated by the kill", n)
	}
	rc.all(t, l.stop(), 20*time.Second)
	rc.inHistory(other, "ws_acme", 60*time.Second)
}

// stalls is how often one of the dispatchers waited for Kafka until its session in the events' group was over.
func stalls(all ...*server) int {
	n := 0
	for _, s := range all {
		for line := range strings.Lines(s.text()) {
			if strings.Contains(line, "out of reach for a session timeout") && strings.Contains(line, `-dispatcher","generation"`) {
				n++
			}
		}
	}
	return n
}

// terminate sends a SIGTERM and does not wait.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// TestASecondSignalEndsAtOnce: whatever is still open then is done by the next process.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	hole := swallow(t)
	s := in.serve(t, "--request-timeout", "60s")
	s.create("ws_acme", hole.url())
	in.publish(t, document("evt_1", "ws_acme", "SessionStarted", `{"session_id":"s"}`))
	hole.next(t, 20*time.Second)
	s.terminate()
	s.waitFor("word of the first signal", 5*time.Second, func(out string) bool { return strings.Contains(out, `"stopping"`) })
	select {
	case <-s.ended:
		t.Fatal("ended with an open request")
	case <-time.After(time.Second): // it waits for the request, up to a minute
	}
	began := time.Now()
	if code := s.signal(syscall.SIGINT, 5*time.Second); code == 0 {
		t.Error("exit code 0, although a request was open")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("ended %s after the second signal", took)
	}
	// The next one delivers what the others left.
	in.serve(t)
	hole.answer()
	hole.next(t, 20*time.Second)
}
