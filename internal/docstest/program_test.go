package docstest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is a running snippet: a process and those that it started. Its output is kept and shown when the test fails.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // valid once ended is closed
	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed and made anew with each line
}

// fetched is the folder with what the programs import and the interpreters that run them.
func fetched(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../../scripts/test-deps.sh", "where", "docs")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, complaint.Bytes()))
	}
	return strings.TrimSpace(string(out))
}

// environment is what snippets run in: the interpreters of the part before those of the machine, and a JVM that starts fast.
func environment(part string, more ...string) []string {
	path := strings.Join([]string{
		filepath.Join(part, "python", "bin"), filepath.Join(part, "node", "bin"), filepath.Join(part, "node_modules", ".bin"),
		os.Getenv("PATH"),
	}, string(os.PathListSeparator))
	return append(append(os.Environ(), "PATH="+path, "PYTHONUNBUFFERED=1", "NEXT_TELEMETRY_DISABLED=1",
		"JAVA_TOOL_OPTIONS=-XX:+UseSerialGC -XX:TieredStopAtLevel=1"), more...)
}

// start runs a shell script in a folder. Whatever it started is ended with the test.
func start(t *testing.T, script, folder string, env []string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command("sh", "-ec", script), ended: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = folder, env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	go p.read(read)
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("output of %s:\n%s", script, strings.Join(p.output(), "\n"))
		}
	})
	return p
}

// read keeps the output until the last process that holds it has ended.
func (p *program) read(r io.ReadCloser) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
	_ = r.Close()
	p.err = p.cmd.Wait()
	close(p.ended)
}

func (p *program) output() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.lines)
}

// stop ends the process and all that it started, by force after ten seconds.
func (p *program) stop() {
	p.t.Helper()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.cmd.Process.Pid, signal) // an error means that none is left
		select {
		case <-p.ended:
			return
		case <-time.After(10 * time.Second):
		}
	}
	p.t.Errorf("%s did not end", p.cmd)
}

// await waits until check is content: with each line of output, and ten times a second.
func (p *program) await(what string, limit time.Duration, check func(lines []string) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	for {
		p.mu.Lock()
		lines, grown := p.lines, p.grown
		p.mu.Unlock()
		if check(lines) {
			return
		}
		select {
		case <-grown:
		case <-time.After(100 * time.Millisecond):
		case <-p.ended:
			p.t.Fatalf("ended before %s: %v", what, p.err)
		case <-ctx.Done():
			p.t.Fatalf("no %s within %s", what, limit)
		}
	}
}
