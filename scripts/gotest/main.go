package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
)

func main() {
	// An interrupt at the terminal reaches go test too; its last words are still wanted.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	passed, err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

// run runs go test and reports to out; passed says that everything passed.
func run(args []string, out, errOut io.Writer) (passed bool, err error) {
	command := exec.CommandContext(context.Background(), "go", append([]string{"test", "-json"}, args...)...)
	command.Stderr = errOut
	stdout, err := command.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("connect to go test: %w", err)
	}
	if err := command.Start(); err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	summary := newSummary(out)
	readErr := read(stdout, summary)
	waitErr := command.Wait()
	passed = summary.finish(waitErr == nil)
	if readErr != nil {
		return false, fmt.Errorf("read go test: %w", readErr)
	}
	return passed, nil
}

// read feeds the summary; a line that is no event is passed on as it is.
func read(stdout io.Reader, summary *summary) error {
	lines := bufio.NewReader(stdout)
	for {
		// A test may print a line of any length, hence no Scanner.
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				summary.add(e)
			} else {
				summary.print(string(line))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
