package schedule

import (
	"context"
	"time"
)

// worker is a goroutine that makes one attempt after the other: its stack, grown once by the HTTP client, is used again.
type worker struct {
	next chan *waiting // size 1: handing over never waits; closed: the worker ends
}

// launch hands w to an idle worker or to a new one. The lock is held.
func (s *Scheduler) launch(w *waiting) {
	n := len(s.idle)
	if n == 0 {
		s.spawn(&worker{next: make(chan *waiting, 1)}, w)
		return
	}
	wk := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	s.least = min(s.least, n-1)
	wk.next <- w
}

// serve makes attempts for as long as there are any.
func (s *Scheduler) serve(ctx context.Context, wk *worker, w *waiting) {
	for w != nil {
		d := w.d
		res := s.work.Attempt(ctx, d)
		pause := time.Duration(0)
		if !res.PauseUntil.IsZero() {
			pause = time.Until(res.PauseUntil)
		}
		s.mu.Lock()
		now := s.now()
		s.core.finish(w, &res, now+int64(pause), now)
		w = s.core.next(now)
		stopped := s.core.stopped
		if w == nil && !stopped {
			s.idle = append(s.idle, wk)
		}
		s.dispatch(now)
		if stopped && s.core.running == 0 {
			s.wakeRun()
		}
		s.mu.Unlock()
		if w != nil {
			continue
		}
		if stopped {
			return
		}
		w = <-wk.next
	}
}

// release lets the n workers go that have been idle for longest. The lock is held.
func (s *Scheduler) release(n int) {
	for _, wk := range s.idle[:n] {
		close(wk.next)
	}
	kept := copy(s.idle, s.idle[n:])
	clear(s.idle[kept:])
	s.idle = s.idle[:kept]
}

// trim lets go the workers that were idle ever since it was called last.
func (s *Scheduler) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(min(s.least, len(s.idle)))
	s.least = len(s.idle)
}
