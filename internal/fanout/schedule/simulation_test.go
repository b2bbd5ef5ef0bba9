package schedule

import (
	stdheap "container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// simulation runs core in virtual time against receivers of which some accept and never answer. Parked deliveries come
// back as the ladder brings them.
type simulation struct {
	c     *core
	rand  *rand.Rand
	holes int // webhooks 0…holes-1 never answer
	now   int64
	todo  agenda

	offered, done, lost int     // of healthy webhooks: offered, answered, parked
	delays              []int64 // queueing delay of each start of a healthy webhook
	mostHeld            int     // slots of one black hole
}

const (
	simWebhooks   = 1000
	simRate       = 2000 // events a second, spread evenly over the healthy webhooks
	simDuration   = 20 * sec
	simTimeout    = 5 * sec
	simHoleEvents = 4 * defaultMaxInFlight // events of all black holes together in each second
)

// act is something that happens at a time.
type act struct {
	at int64
	do func()
}

// agenda is a heap of acts.
type agenda []act

func (a *agenda) Len() int           { return len(*a) }
func (a *agenda) Less(i, j int) bool { return (*a)[i].at < (*a)[j].at }
func (a *agenda) Swap(i, j int)      { (*a)[i], (*a)[j] = (*a)[j], (*a)[i] }
func (a *agenda) Push(x any)         { *a = append(*a, x.(act)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (s *simulation) at(at int64, do func()) { stdheap.Push(&s.todo, act{at, do}) }

func (s *simulation) hole(r fanout.Ref) bool {
	var n int
	_, _ = fmt.Sscanf(r.WebhookID, "wh_%d", &n)
	return n < s.holes
}

// run plays the whole time.
func (s *simulation) run() {
	healthy := make([]fanout.Ref, 0, simWebhooks)
	var holes []fanout.Ref
	for i := range simWebhooks {
		r := ref(i/4, i) // 250 workspaces of four
		if i < s.holes {
			holes = append(holes, r)
		} else {
			healthy = append(healthy, r)
		}
	}
	s.traffic(healthy, simRate, func() { s.offered++ })
	if len(holes) > 0 {
		s.traffic(holes, simHoleEvents, func() {})
	}
	s.at(100*ms, s.beat)
	for len(s.todo) > 0 {
		a := stdheap.Pop(&s.todo).(act)
		if a.at > simDuration {
			return
		}
		s.now = a.at
		a.do()
		s.settle()
	}
}

// traffic offers events for the webhooks in turn.
func (s *simulation) traffic(refs []fanout.Ref, rate int, count func()) {
	n := 0
	var next func()
	next = func() {
		count()
		s.c.offer(delivery(refs[n%len(refs)]), s.now)
		n++
		s.at(int64(n)*sec/int64(rate), next)
	}
	s.at(0, next)
}

func (s *simulation) beat() {
	s.c.tick(s.now)
	s.at(s.now+20*ms, s.beat)
}

// settle starts what may start and takes what is parked.
func (s *simulation) settle() {
	for {
		before := s.c.stats.waited
		w := s.c.next(s.now)
		if w == nil {
			break
		}
		s.begin(w, s.c.stats.waited-before)
	}
	for _, a := range s.c.taken() {
		if !s.hole(a.d.Ref) {
			s.lost++
			continue
		}
		a.d.Parked++
		back := max(a.notBefore, s.now+min(sec<<min(a.d.Parked, 8), 300*sec))
		s.at(back, func() { s.c.offer(a.d, s.now) })
	}
}

func (s *simulation) begin(w *waiting, waited int64) {
	if s.hole(w.d.Ref) {
		s.mostHeld = max(s.mostHeld, w.hook.running)
		s.at(s.now+simTimeout, func() { s.c.finish(w, &unanswered, 0, s.now) })
		return
	}
	s.delays = append(s.delays, waited)
	took := 2*ms + s.rand.Int64N(18*ms)
	s.at(s.now+took, func() {
		s.done++
		s.c.finish(w, &fanout.Result{Attempted: true, Answered: true, Duration: time.Duration(took)}, 0, s.now)
	})
}

func (s *simulation) p99() time.Duration {
	slices.Sort(s.delays)
	return time.Duration(s.delays[len(s.delays)*99/100])
}

func simulate(holes int) *simulation {
	s := &simulation{
		c: testCore(Config{Seed: 7}), rand: rand.New(rand.NewPCG(1, uint64(holes))), holes: holes,
	}
	s.run()
	return s
}

// TestBlackHoles: receivers that accept and never answer cost the others next to nothing, be they 1 % of all webhooks,
// 10 % or 40 %: the healthy ones' throughput and waiting times stay as they are without.
func TestBlackHoles(t *testing.T) {
	alone := simulate(0)
	for _, holes := range []int{10, 100, 400} {
		t.Run(fmt.Sprint(holes), func(t *testing.T) {
			s := simulate(holes)
			t.Logf("healthy: %d of %d done, %d parked, p99 wait %v (alone %v); holes: at most %d slots each; %d breakers, parked %v",
				s.done, s.offered, s.lost, s.p99(), alone.p99(), s.mostHeld, s.c.stats.breakers, s.c.snapshot(s.now).Parked)
			if s.lost > 0 || float64(s.done) < 0.99*float64(alone.done) {
				t.Errorf("healthy webhooks: %d done, %d parked; without black holes %d done", s.done, s.lost, alone.done)
			}
			if s.p99() > alone.p99()+time.Duration(ms) {
				t.Errorf("p99 wait %v, without black holes %v", s.p99(), alone.p99())
			}
			if s.mostHeld > firstConcurrency {
				t.Errorf("a black hole held %d slots", s.mostHeld)
			}
			// Many holes take longer to be found out, since they get one slot each; they hold no more for it.
			if holes == 10 && s.c.stats.breakers != holes {
				t.Errorf("%d of %d breakers are open", s.c.stats.breakers, holes)
			}
		})
	}
}
