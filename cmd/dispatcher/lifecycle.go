package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// stage is a set of parts that start and stop together. Parts of a stage may rely on all stages below it.
type stage struct {
	name  string
	parts []part
	// stop ends the parts when it is time; nil: their context is cancelled.
	stop func(ctx context.Context) error
}

// part is something that runs until its context ends. Returning earlier, with or without an error, ends the program.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// runStages starts the stages from the bottom (the last) to the top and runs until ctx ends or a part does. Then it stops
// them from the top down, each only after the one above has ended: intake, then what is in flight, then the producer,
// then the connections. It returns why it ended, nil if ctx did.
//
// The stages have limit to stop in, all together. Then it returns errLate while parts still run: the caller ends the
// process without touching what they use. Nothing is lost by that, as nothing is by a kill: what they had not finished
// was not committed.
func runStages(ctx context.Context, limit time.Duration, stages []stage) error {
	running := make([]*runningStage, len(stages))
	ended := make(chan struct{}, 1) // 1: the first to end is heard, the others need not wait
	for i := len(stages) - 1; i >= 0; i-- {
		running[i] = stages[i].start(context.WithoutCancel(ctx), ended)
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return stopStages(limit, running)
}

// errLate says that parts still run.
var errLate = errors.New("did not end in time")

func stopStages(limit time.Duration, running []*runningStage) error {
	var at atomic.Pointer[runningStage]
	stopped := make(chan error, 1) // 1: nobody may be waiting any more
	go func() {
		var errs []error
		for _, r := range running {
			at.Store(r)
			errs = append(errs, r.stop())
		}
		stopped <- errors.Join(errs...)
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-stopped:
		return err
	case <-late.C:
		return fmt.Errorf("%s: %w (%s); what was open will be done again", at.Load().stage.name, errLate, limit)
	}
}

type runningStage struct {
	stage  *stage
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // lives exactly as long as the stage
	wg     sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

func (s *stage) start(ctx context.Context, ended chan<- struct{}) *runningStage {
	r := &runningStage{stage: s}
	r.ctx, r.cancel = context.WithCancel(ctx)
	for _, p := range s.parts {
		r.wg.Go(func() {
			err := p.run(r.ctx)
			switch {
			case r.ctx.Err() != nil && errors.Is(err, context.Canceled):
				err = nil
			case r.ctx.Err() == nil && err == nil:
				err = errors.New("ended early")
			}
			if err != nil {
				r.mu.Lock()
				r.errs = append(r.errs, fmt.Errorf("%s: %w", p.name, err))
				r.mu.Unlock()
			}
			select {
			case ended <- struct{}{}:
			default:
			}
		})
	}
	return r
}

// stop ends the stage's parts and waits for them.
func (r *runningStage) stop() error {
	var err error
	if r.stage.stop != nil {
		err = r.stage.stop(r.ctx)
	}
	r.cancel()
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(append(r.errs, err)...)
}
