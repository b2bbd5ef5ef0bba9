package simulation

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// run is a simulation that came to its end.
type run struct {
	*ledger
	faults  []fault
	journal *journal
}

// journal keeps what the instances log.
type journal struct {
	mu    sync.Mutex
	lines []line
}

type line struct {
	at   time.Time
	text string
}

// Write takes one entry; it implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line{time.Now(), strings.TrimSpace(string(p))})
	return len(p), nil
}

func (j *journal) logger() *zap.Logger {
	text := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "message", ConsoleSeparator: " "})
	return zap.New(zapcore.NewCore(text, zapcore.AddSync(j), zapcore.InfoLevel))
}

// around is what was logged in the minutes before and the seconds after a time.
func (j *journal) around(at time.Time) string {
	var out strings.Builder
	for _, l := range j.lines {
		if l.at.After(at.Add(-2*time.Minute)) && l.at.Before(at.Add(10*time.Second)) {
			fmt.Fprintf(&out, "\n\t%s %s", clock(l.at), l.text)
		}
	}
	return out.String()
}

// report fails the test with what the ledger found: the first violation of each promise with all that is known of it.
func (r *run) report(t *testing.T) {
	t.Helper()
	if len(r.violations) == 0 {
		return
	}
	told := make(map[string]bool)
	for _, v := range r.violations {
		t.Errorf("%s %s: %s", clock(v.at), v.promise, v.text)
		if told[v.promise] {
			continue
		}
		told[v.promise] = true
		t.Logf("trail of %s:\n\t%s", v.delivery, strings.Join(r.trails[v.delivery], "\n\t"))
		t.Logf("log before %s:%s", clock(v.at), r.journal.around(v.at))
	}
	t.Logf("violations: %v", r.broken)
	for _, f := range r.faults {
		t.Logf("fault at %v: %s", f.at.Round(time.Millisecond), f.what)
	}
}

var began = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's time begins

// clock is the time since a bubble's beginning.
func clock(t time.Time) string { return t.Sub(began).Round(time.Millisecond).String() }
