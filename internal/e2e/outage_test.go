package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

const (
	// outageRate is the load during outages, in events a second.
	outageRate = 60
	// backWithin is how soon after a service's return everything is as before.
	backWithin = 10 * time.Second
)

// outages is a loaded installation on services that go away.
type outages struct {
	*installation
	services *breakable
	s        *server
	rc       *counter
	load     *load
}

func newOutages(t *testing.T) *outages {
	t.Helper()
	o := &outages{services: onBreakable(t), installation: install(t), rc: count(t, 5*time.Millisecond)}
	o.s = o.serve(t)
	o.s.create("ws_acme", o.rc.URL)
	o.load = o.loadOn(t, testenv.Kafka(t), "ws_acme", outageRate)
	o.rc.keepsUp(t, o.load, time.Minute)
	o.rc.listen()
	return o
}

// without takes a service away for the outage, calls during near its end, and waits until all is as before.
func (o *outages) without(t *testing.T, name string, during func()) {
	t.Helper()
	o.services.kill(t, name)
	time.Sleep(outage(t)) // the outage itself
	during()
	o.services.mend(t, name)
	resumed := o.load.resumes(t, time.Minute) // a broker that answers may still be busy with its logs
	back := o.rc.keepsUp(t, o.load, 3*backWithin)
	t.Logf("%s away for %s: Kafka takes events %s after the start, all is normal %s later, no partition silent for longer than %s",
		name, outage(t), resumed, back, o.rc.longestSilence())
	if back > backWithin {
		t.Errorf("normal only %s after the return", back)
	}
}

// end stops the load and checks that nothing was lost and nothing repeated, and that history has every attempt.
func (o *outages) end(t *testing.T) {
	t.Helper()
	o.rc.all(t, o.load.stop(), 20*time.Second)
	if n := o.rc.repeated(); n != 0 {
		t.Errorf("%d requests were repeated", n)
	}
	began := time.Now()
	o.rc.inHistory(o.s, "ws_acme", 60*time.Second)
	t.Logf("history has every attempt %s later", time.Since(began))
}

// goesOn checks that deliveries went on all the time.
func (o *outages) goesOn(t *testing.T, without string) {
	t.Helper()
	if silent := o.rc.longestSilence(); silent > 3*time.Second {
		t.Errorf("without %s a partition was silent for %s", without, silent)
	}
}

// TestKafkaAway: what Kafka took before is delivered, what it takes after its return too, and nothing twice.
func TestKafkaAway(t *testing.T) {
	o := newOutages(t)
	o.without(t, aKafka, func() {})
	o.end(t)
}

// TestRedisAway: Redis is killed and comes back empty; deliveries go on without it, duplicates are let through. The process
// says so, and stays ready.
func TestRedisAway(t *testing.T) {
	o := newOutages(t)
	twice := documents("evt_without", 20)
	o.without(t, aRedis, func() {
		o.publish(t, twice...)
		o.publish(t, twice...)
		o.goesOn(t, "Redis")
		o.s.waitFor("word of it", 0, func(out string) bool { return strings.Contains(out, "Redis does not answer") })
		if away, code := o.s.metric("dispatcher_redis_away", ""), o.s.ready(); away != 1 || code != http.StatusOK {
			t.Errorf("dispatcher_redis_away %v, /readyz %d", away, code)
		}
		eventually(t, 10*time.Second, func() error {
			for i := range twice {
				if n := o.rc.times(fmt.Sprintf("evt_without_%d", i)); n != 2 {
					return fmt.Errorf("event %d came %d times, want twice", i, n)
				}
			}
			return nil
		})
	})
	o.goesOn(t, "Redis")
	o.s.waitFor("word of its return", 10*time.Second, func(out string) bool { return strings.Contains(out, "Redis answers again") })
	o.end(t)
}

// ready is the status of /readyz.
func (s *server) ready() int { return s.ops("/readyz").status }

// TestDatabaseAway: known workspaces go on, an unknown one's events wait; history catches up.
func TestDatabaseAway(t *testing.T) {
	o := newOutages(t)
	other := receive(t, nil)
	o.s.create("ws_other", other.URL)
	o.without(t, aDatabase, func() {
		o.goesOn(t, "PostgreSQL")
		o.publish(t, document("evt_other", "ws_other", "ConversationComplete", `{"session_id":"s"}`))
	})
	o.goesOn(t, "PostgreSQL")
	other.wait(t, "the event of the workspace that was not known", 10*time.Second, func(all []request) bool { return len(all) == 1 })
	o.end(t)
}

// TestRedisThatIsNoHelp: one that says nothing, and one that is no Redis, cost no event and no time worth speaking of.
func TestRedisThatIsNoHelp(t *testing.T) {
	t.Parallel()
	in := install(t)
	rc := receive(t, nil)
	s := in.serve(t, "--roles", "api")
	s.create("ws_acme", rc.URL)
	s.signal(stopSignal, 15*time.Second)
	var want []string
	for name, script := range map[string]func(p *peer){
		"says nothing": func(p *peer) { p.linger() },
		"is no Redis":  func(p *peer) { p.pour("HTTP/1.1 400 Bad Request\r\n\r\n", 1<<20) },
		"refuses all":  func(p *peer) { answerLines(p, "-LOADING Redis is loading the dataset in memory\r\n") },
		"means to say": func(p *peer) { answerLines(p, "$5\r\nhello\r\n") },
	} {
		in.env = append(in.env, "DISPATCHER_REDIS_URL=redis://"+trick(t, script).addr)
		s := in.serve(t)
		id := "evt_" + strings.ReplaceAll(name, " ", "_")
		began := time.Now()
		in.publish(t, documents(id, 50)...)
		want = append(want, numbered(id, 50)...)
		exactly(t, rc, want)
		t.Logf("a Redis that %s: 50 events within %s", name, time.Since(began))
		if code := s.signal(stopSignal, 15*time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// answerLines answers each line with the same text.
func answerLines(p *peer, text string) {
	for {
		if _, err := p.r.ReadString('\n'); err != nil {
			return
		}
		p.say(text)
	}
}

// numbered are the ids of documents.
func numbered(id string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s_%d", id, i)
	}
	return all
}

// documents are n events with the ids id_0, id_1, …
func documents(id string, n int) []string {
	docs := make([]string, n)
	for i := range docs {
		docs[i] = document(fmt.Sprintf("%s_%d", id, i), "ws_acme", "SessionStarted", fmt.Sprintf(`{"session_id":"s%d"}`, i))
	}
	return docs
}

// times is how many requests came for an event.
func (ct *counter) times(eventID string) int {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	return ct.events[eventID]
}
