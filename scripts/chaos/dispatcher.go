package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// dispatcher is one `dispatcher serve` and whoever starts it again when it ends: a supervisor, as systemd or Kubernetes
// would be.
type dispatcher struct {
	number  int
	program string
	env     []string
	log     string // file
	api     string // URL
	ops     string // URL
	read    int    // how much of the log complained has read

	mu     sync.Mutex
	cmd    *exec.Cmd     // nil: not running
	ended  chan struct{} // closed when cmd has ended
	state  error         // how it ended
	birth  int           // counts starts
	wasUp  bool          // it was ready once since its start
	wanted bool          // it is to run: when it ends it is started again
	odd    []oddity      // what it did that it should not
}

// oddity is something that a dispatcher did and that is to be explained.
type oddity struct {
	number int
	text   string
	// from and to are when an ordered end began and was over; zero otherwise. A process that ends while it is cut off from
	// Kafka can't write its last records and says so by its status; it is not a fault.
	from, to time.Time
}

// signatureHeader names the header by which requests tell the process that sent them: the dispatcher's number and how often
// it was started. The header's name can be configured, so the product needs nothing for this.
const signatureHeader = "X-Chaos-"

// start starts the process and keeps it running until it is ordered to end.
func (d *dispatcher) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = true
	return d.spawn()
}

// spawn starts the process. Under d.mu.
func (d *dispatcher) spawn() error {
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // a log of test data
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	d.birth++
	cmd := exec.Command(d.program, "serve") //nolint:noctx,gosec // ended in order, by signals
	cmd.Env = append(slices.Clip(d.env), "DISPATCHER_SIGNATURE_HEADER="+signatureHeader+d.sender())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start dispatcher %d: %w", d.number, err)
	}
	ended := make(chan struct{})
	d.cmd, d.ended, d.wasUp = cmd, ended, false
	go func() {
		err := cmd.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.cmd, d.state = nil, err
		close(ended)
		if d.wanted {
			d.again(err)
		}
	}()
	return nil
}

// startPause is the supervisor's pause before it starts a process again.
const startPause = 500 * time.Millisecond

// again starts a process that ended by itself. It may do so while it starts, when a service that it needs is away; later
// it is a fault. Under d.mu.
func (d *dispatcher) again(cause error) {
	if d.wasUp {
		d.odd = append(d.odd, oddity{
			number: d.number, text: fmt.Sprintf("dispatcher %d (%s) ended by itself: %v; see %s", d.number, d.sender(), cause, d.log),
		})
	}
	time.AfterFunc(startPause, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.wanted && d.cmd == nil {
			if err := d.spawn(); err != nil {
				d.odd = append(d.odd, oddity{number: d.number, text: err.Error()})
			}
		}
	})
}

// sender is the process's name in its requests.
func (d *dispatcher) sender() string { return fmt.Sprintf("%d-%d", d.number, d.birth) }

// ready asks whether it is ready.
func (d *dispatcher) ready(ctx context.Context) error {
	if _, err := call(ctx, http.MethodGet, d.ops+"/readyz", "", nil); err != nil {
		return fmt.Errorf("dispatcher %d: %w", d.number, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wasUp = true
	return nil
}

// signal sends a signal; it returns the process's name and a channel that is closed when it has ended. When it does not run
// at this moment, the name is empty.
func (d *dispatcher) signal(s syscall.Signal, stays bool) (string, <-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = stays
	if d.cmd == nil {
		closed := make(chan struct{})
		close(closed)
		return "", closed, nil
	}
	if err := d.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return "", nil, fmt.Errorf("signal dispatcher %d: %w", d.number, err)
	}
	return d.sender(), d.ended, nil
}

// kill ends it at once; it returns its name.
func (d *dispatcher) kill() (string, error) {
	name, ended, err := d.signal(syscall.SIGKILL, false)
	if err != nil {
		return "", err
	}
	<-ended
	return name, nil
}

// patience is how long a dispatcher may take to end in order: its longest request, its drains and the producer's flush.
const patience = 40 * time.Second

// end ends it in order. One that does not is killed and noted.
func (d *dispatcher) end() error {
	d.mu.Lock()
	up := d.wasUp
	d.mu.Unlock()
	begun := time.Now()
	name, ended, err := d.signal(syscall.SIGTERM, false)
	if err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		d.note(oddity{text: fmt.Sprintf("dispatcher %d (%s) did not end within %s of SIGTERM; see %s", d.number, name, patience, d.log)})
		_, err := d.kill()
		return err
	}
	d.mu.Lock()
	state := d.state
	d.mu.Unlock()
	if name != "" && up && state != nil {
		d.note(oddity{
			text: fmt.Sprintf("dispatcher %d (%s) answered SIGTERM with %v; see %s", d.number, name, state, d.log),
			from: begun, to: time.Now(),
		})
	}
	return nil
}

func (d *dispatcher) note(o oddity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o.number = d.number
	d.odd = append(d.odd, o)
}

// takeOdd returns what was noted and forgets it.
func (d *dispatcher) takeOdd() []oddity {
	d.mu.Lock()
	defer d.mu.Unlock()
	noted := d.odd
	d.odd = nil
	return noted
}

// newDispatcher describes a dispatcher; env is what all have in common.
func newDispatcher(number int, program, dir string, env []string) (*dispatcher, error) {
	api, err := freePort()
	if err != nil {
		return nil, err
	}
	ops, err := freePort()
	if err != nil {
		return nil, err
	}
	d := &dispatcher{
		number: number, program: program, log: filepath.Join(dir, fmt.Sprintf("dispatcher-%d.log", number)),
		api: fmt.Sprintf("http://127.0.0.1:%d", api), ops: fmt.Sprintf("http://127.0.0.1:%d", ops),
	}
	d.env = append(slices.Clip(env),
		fmt.Sprintf("DISPATCHER_HTTP_ADDR=127.0.0.1:%d", api), fmt.Sprintf("DISPATCHER_OPS_ADDR=127.0.0.1:%d", ops))
	return d, os.WriteFile(d.log, nil, 0o600)
}
