package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// answer makes the call and reads its answer; one beyond 299 is an error.
func answer(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %w", req.Method, req.URL, resp.Status, errors.Join(err, errors.New(string(body))))
	}
	return body, nil
}

// Peer is this program, started once more as another process.
type Peer struct {
	cmd *exec.Cmd
	// Says is the first line that it printed.
	Says string
}

// Start runs this program with args as a process of its own and waits for its first line.
func Start(ctx context.Context, args ...string) (*Peer, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not start: %w", args[0], errors.Join(err, cmd.Wait()))
	}
	return &Peer{cmd: cmd, Says: strings.TrimSpace(line)}, nil
}

// Stop ends the process and waits for it.
func (p *Peer) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}
