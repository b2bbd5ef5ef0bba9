package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the built binary, made once for the whole run.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dispatcher-e2e-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "dispatcher")
	build := exec.Command("go", "build", "-o", program, "github.com/voxagent/dispatcher/cmd/dispatcher")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if err := stopBreakable(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is a running dispatcher. Its output is kept and shown when the test fails.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // valid once ended is closed
	mu     sync.Mutex
	output bytes.Buffer
	grown  chan struct{} // closed and made anew with each line
}

// start starts the program with these arguments and environment ("NAME=value"). It is killed at the end of the test.
func start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), ended: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	go p.read(read)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(args, " "), tail(p.text(), 12_000))
		}
	})
	return p
}

func (p *process) read(r *os.File) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.output.WriteString(line)
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			break
		}
	}
	_ = r.Close()
	p.err = p.cmd.Wait()
	close(p.ended)
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

// text is all that the program has printed so far.
func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// waitFor waits until find answers true for the program's output.
func (p *process) waitFor(what string, limit time.Duration, find func(output string) bool) {
	p.t.Helper()
	deadline := time.After(limit)
	for {
		p.mu.Lock()
		text, grown := p.output.String(), p.grown
		p.mu.Unlock()
		if find(text) {
			return
		}
		select {
		case <-grown:
		case <-p.ended:
			if !find(p.text()) {
				p.t.Fatalf("ended (%v) before %s", p.err, what)
			}
			return
		case <-deadline:
			p.t.Fatalf("no %s within %s", what, limit)
		}
	}
}

// after waits for a line that holds marker and returns what follows it, up to the next space or quote.
func (p *process) after(marker string, limit time.Duration) string {
	p.t.Helper()
	var found string
	p.waitFor(fmt.Sprintf("%q", marker), limit, func(output string) bool {
		_, rest, ok := strings.Cut(output, marker)
		end := strings.IndexAny(rest, " \"\n")
		if !ok || end < 0 {
			return false
		}
		found = rest[:end]
		return true
	})
	return found
}

// signal sends a signal and waits until the process has ended; it returns the exit code, -1 for a kill.
func (p *process) signal(sig syscall.Signal, limit time.Duration) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	return p.exit(limit)
}

// exit waits for the end of the process.
func (p *process) exit(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.t.Fatalf("still running after %s", limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// run runs a command to its end and returns its output and exit code.
func run(t testing.TB, stdin io.Reader, env []string, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return string(out), 0
}

// must is run for commands that have to succeed.
func must(t testing.TB, stdin io.Reader, env []string, args ...string) string {
	t.Helper()
	out, code := run(t, stdin, env, args...)
	if code != 0 {
		t.Fatalf("dispatcher %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}
