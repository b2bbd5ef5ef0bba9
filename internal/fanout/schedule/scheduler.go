package schedule

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// Scheduler implements fanout.Scheduler: it drives Work by the rules of core. All methods may be called from any
// goroutine.
type Scheduler struct {
	work  fanout.Work
	grace time.Duration
	base  time.Time
	kick  chan struct{} // size 1: tells Run that there are answers to give or an earlier time to wake
	quiet chan struct{} // closed when starting has ended, nothing runs and every answer is given

	mu    sync.Mutex
	core  *core
	phase phase
	idle  []*worker // the one that became idle last is used first
	least int       // the fewest idle ones since trimming
	armed int64     // when Run wakes; 0: only by kick
	spawn func(*worker, *waiting)
	wg    sync.WaitGroup // workers
}

// phase is what Run is doing. Offers before it wait, offers after it are dropped.
type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseEnded
)

// trimEvery is how often workers that were not needed all the while are let go.
const trimEvery = 10 * time.Second

// New returns a scheduler that drives work. Nothing starts before Run.
func New(cfg Config, work fanout.Work) (*Scheduler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	base := time.Now()
	return &Scheduler{
		work: work, grace: cfg.Grace, base: base, core: newCore(cfg, base),
		kick: make(chan struct{}, 1), quiet: make(chan struct{}),
	}, nil
}

// Run serves what is offered until ctx ends. Then nothing more starts, what waits is dropped, running attempts end, at
// the latest (by their context) after Config.Grace, and Run returns nil. It may be called once.
func (s *Scheduler) Run(ctx context.Context) error {
	attempts, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	if err := s.open(attempts); err != nil {
		return err
	}
	s.loop(ctx.Done())
	s.stop()
	late := time.AfterFunc(s.grace, cut)
	defer late.Stop()
	s.loop(s.quiet)
	s.wg.Wait()
	s.mu.Lock()
	s.phase = phaseEnded
	s.mu.Unlock()
	s.settle()
	return nil
}

var errRunTwice = errors.New("scheduler: Run was called twice")

func (s *Scheduler) open(attempts context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseNew {
		return errRunTwice
	}
	s.phase = phaseRunning
	s.spawn = func(wk *worker, w *waiting) { s.wg.Go(func() { s.serve(attempts, wk, w) }) }
	s.dispatch(s.now())
	return nil
}

// Drain is the first half of ending: nothing more starts, what waits is dropped, and Drain returns when the last running
// attempt has ended, or with ctx's error. Offers are dropped from now on. Run goes on until its own context ends.
func (s *Scheduler) Drain(ctx context.Context) error {
	s.stop()
	select {
	case <-s.quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Offer implements fanout.Scheduler. It never blocks. After the end of Run it drops in the caller's goroutine.
func (s *Scheduler) Offer(d *fanout.Delivery) {
	s.mu.Lock()
	if s.phase == phaseEnded {
		s.mu.Unlock()
		s.work.Drop(d)
		return
	}
	now := s.now()
	s.core.offer(d, now)
	s.dispatch(now)
	s.mu.Unlock()
}

// Purge implements fanout.Scheduler. lost is called under the scheduler's lock and must not call it.
func (s *Scheduler) Purge(lost func(*fanout.Delivery) bool) {
	s.mu.Lock()
	s.core.purge(lost, s.now())
	s.signal()
	s.mu.Unlock()
}

// Backlog is how many deliveries wait only because all slots are taken: their webhooks answer and have room. An intake
// that blocks while it is large (some times Config.MaxInFlight) keeps a healthy system that is simply behind from
// parking what it will do in a moment; what dead or limited webhooks have waiting is not counted.
func (s *Scheduler) Backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.lanes[laneProven].waiting
}

func (s *Scheduler) now() int64 { return int64(time.Since(s.base)) }

// stop ends starting.
func (s *Scheduler) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core.stopped {
		return
	}
	s.core.stop(s.now())
	s.release(len(s.idle))
	s.wakeRun()
}

// dispatch starts what may start, and sees to it that Run wakes in time. The lock is held.
func (s *Scheduler) dispatch(now int64) {
	if s.phase == phaseRunning {
		for w := s.core.next(now); w != nil; w = s.core.next(now) {
			s.launch(w)
		}
	}
	s.signal()
}

// signal wakes Run if it has answers to give, or a time to keep that is before the one it knows. The lock is held.
func (s *Scheduler) signal() {
	if len(s.core.answers) > 0 {
		s.wakeRun()
		return
	}
	if at, some := s.core.wakeAt(); some && (s.armed == 0 || at < s.armed) {
		s.armed = at
		s.wakeRun()
	}
}

func (s *Scheduler) wakeRun() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// loop is the goroutine that gives answers and keeps time, until done.
func (s *Scheduler) loop(done <-chan struct{}) {
	timer := time.NewTimer(trimEvery)
	defer timer.Stop()
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	for {
		if wait, some := s.settle(); some {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-done:
			return
		case <-timer.C:
		case <-s.kick:
		case <-trim.C:
			s.trim()
		}
	}
}

// settle does what the time asks for, gives all answers, and returns how long nothing needs doing.
func (s *Scheduler) settle() (wait time.Duration, some bool) {
	var spare []answer
	for {
		s.mu.Lock()
		at := time.Now()
		now := int64(at.Sub(s.base))
		s.core.tick(now)
		s.dispatch(now)
		told := s.core.answers
		s.core.answers = spare[:0]
		next, timed := s.core.wakeAt()
		if len(told) == 0 && (!timed || next > now) {
			s.armed = next
			s.rest()
			s.mu.Unlock()
			return time.Duration(next - now), timed
		}
		s.mu.Unlock()
		s.tell(told, at, now)
		clear(told)
		spare = told
	}
}

// rest notes that all is quiet once that is so. The lock is held and no answer is open.
func (s *Scheduler) rest() {
	if !s.core.stopped || s.core.running > 0 {
		return
	}
	select {
	case <-s.quiet:
	default:
		close(s.quiet)
	}
}

// tell gives answers; they were found at the wall time at, which core knows as now.
func (s *Scheduler) tell(answers []answer, at time.Time, now int64) {
	for i := range answers {
		a := &answers[i]
		switch {
		case a.cause == "":
			s.work.Drop(a.d)
		case a.notBefore == 0:
			s.work.Park(a.d, a.cause, time.Time{})
		default:
			s.work.Park(a.d, a.cause, at.Add(time.Duration(a.notBefore-now)))
		}
	}
}
