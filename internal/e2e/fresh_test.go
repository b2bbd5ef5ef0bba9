package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/redis/redistest"
)

// takesEffect is within what time after a change has answered the last request by the old state starts.
const takesEffect = time.Second

// spread lies between two changes: each comes at another moment of the dispatchers' looks for changes, four a second.
const spread = 25 * time.Millisecond

// trouble is what happens to Redis while webhooks are changed.
type trouble struct {
	name   string
	before func(f *fresh) // just before the changes that are made through one dispatcher
	after  func(f *fresh) // once the last of them has answered
	end    func(f *fresh) // once those through the other one have, too; nil: nothing
}

var troubles = []trouble{
	{"well", func(*fresh) {}, func(*fresh) {}, nil},
	{"flushed", (*fresh).flush, (*fresh).flush, nil},
	{"killed, and started empty", func(f *fresh) { f.redis.Kill() }, func(f *fresh) { f.redis.Start() }, nil},
	{"restarted", func(f *fresh) { f.redis.Restart() }, func(f *fresh) { f.redis.Restart() }, nil},
	{"stopped for a while", func(f *fresh) { f.redis.Pause() }, func(f *fresh) {
		time.Sleep(takesEffect / 2) // the rest of the while
		f.redis.Resume()
	}, nil},
	{"pausing its clients", func(f *fresh) { f.redis.Do("CLIENT", "PAUSE", 1000, "ALL") }, func(*fresh) {}, nil},
	// What Redis had before the changes is there again after them, also for a dispatcher that only starts then.
	{"restored from before", func(f *fresh) {
		f.redis.Do("SAVE")
		f.redis.Kill()
	}, func(f *fresh) {
		f.redis.Start()
		f.holdsOldEntries()
	}, (*fresh).join},
}

// TestChangesTakeEffect: once a webhook is disabled, deleted, suspended, has another URL, other types or another secret, or
// a key is revoked, no request by the old state starts later than a second after the answer, whichever of two dispatchers
// was asked and whatever happens to Redis meanwhile; nor does a retry that was pending. Requests by the new state follow,
// and no event is lost.
func TestChangesTakeEffect(t *testing.T) {
	f := newFresh(t)
	for _, trouble := range troubles {
		f.round(trouble)
	}
}

// fresh is two dispatchers with a Redis that is taken away from them.
type fresh struct {
	*installation
	t       *testing.T
	redis   *redistest.Server
	servers []*server
	rc      *clocked
}

func newFresh(t *testing.T) *fresh {
	t.Helper()
	f := &fresh{t: t, redis: redistest.Start(t, redistest.Options{}), installation: install(t), rc: newClocked(t)}
	f.env = append(f.env, "DISPATCHER_REDIS_URL="+f.redis.URL(), "DISPATCHER_REDIS_PREFIX="+strings.TrimSuffix(redistest.Prefix, ":"),
		"DISPATCHER_RETRY_SCHEDULE="+strings.TrimSuffix(strings.Repeat("1s,", 20), ","))
	f.servers = []*server{f.serve(t), f.serve(t)}
	return f
}

func (f *fresh) flush() { f.redis.Do("FLUSHALL") }

// holdsOldEntries checks that the trouble is one.
func (f *fresh) holdsOldEntries() {
	f.t.Helper()
	if n := f.redis.Keys("webhooks:"); n < len(changes) {
		f.t.Errorf("Redis has entries of %d workspaces: nothing is tried", n)
	}
}

// join starts one more dispatcher.
func (f *fresh) join() { f.servers = append(f.servers, f.serve(f.t)) }

// round makes each change once through each dispatcher, in workspaces of their own, while Redis is in trouble.
func (f *fresh) round(trouble trouble) {
	t := f.t
	cases, keys := f.prepare(), f.prepareKeys()
	stream := f.publishTo(cases)
	for _, c := range cases {
		c.flows(t)
	}
	slowest := time.Duration(0)
	for i, via := range f.servers[:2] {
		trouble.before(f)
		slowest = max(slowest, f.change(cases, keys[i], via))
		trouble.after(f)
	}
	last := time.Now()
	if trouble.end != nil {
		trouble.end(f)
	}
	for _, c := range cases {
		if c.goesOn {
			c.flows(t)
		}
	}
	// What must not come is waited for: for as long as it may, and as long again, which is also a retry's delay.
	time.Sleep(time.Until(last.Add(2 * takesEffect)))
	total := stream.stop()
	worst := time.Duration(0)
	for _, c := range cases {
		worst = max(worst, c.judge(t, trouble.name))
		c.complete(t, total)
	}
	for _, k := range keys {
		worst = max(worst, k.judge(t, trouble.name))
	}
	t.Logf("Redis %s: the last request by an old state started %s after its change answered; the slowest answer took %s",
		trouble.name, worst.Round(time.Millisecond), slowest.Round(time.Millisecond))
}

// prepare makes the webhooks that will be changed.
func (f *fresh) prepare() (all []*freshCase) {
	f.t.Helper()
	for _, change := range changes {
		for _, via := range f.servers[:2] {
			c := &freshCase{freshChange: change, via: via, rc: f.rc, id: f.rc.next()}
			c.workspace = fmt.Sprint("ws_", c.id)
			c.hook = via.create(c.workspace, f.rc.url(c.id, c.oldPart()))
			if change.prepare != nil {
				change.prepare(c)
			}
			all = append(all, c)
		}
	}
	return all
}

// change makes the changes through one dispatcher, one after the other, and revokes the key. It returns how long the
// slowest answer took.
func (f *fresh) change(cases []*freshCase, key *freshKey, via *server) (slowest time.Duration) {
	f.t.Helper()
	each := func(change func()) time.Time {
		began := time.Now()
		change()
		answered := time.Now()
		slowest = max(slowest, answered.Sub(began))
		time.Sleep(spread) // what lies between two changes
		return answered
	}
	for _, c := range cases {
		if c.via == via {
			c.answered = each(func() { c.make(c) })
		}
	}
	key.revoked = each(key.revoke)
	return slowest
}
