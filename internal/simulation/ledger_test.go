package simulation

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/pkg/event"
)

// ledger sees what crosses the seams of all instances and knows which promises were broken.
type ledger struct {
	mu         sync.Mutex
	violations []violation
	broken     map[string]int // violations by promise

	records    map[kafka.TopicPartition]map[int64]*handed // as they were handed out last
	tops       map[kafka.TopicPartition]int64             // the last offset that was handed out
	committed  map[string]map[kafka.TopicPartition]int64
	deliveries map[string]*facts
	events     map[event.Occurrence]*eventFacts
	finals     int

	requests    []*request
	repeated    int // requests for an attempt that was made before
	byAttempt   map[attemptKey][]*request
	last        map[string]*request
	credits     map[attemptKey]int // attempts that a fault allows to be repeated
	marks       map[mark]time.Time // when the due time of a step was computed
	bodies      map[string]body
	busy        map[string]*busy // by webhook
	disruptions []disruption
	trails      map[string][]string // what happened to each delivery
	noted       time.Time           // when anything did
}

type violation struct {
	promise  string
	at       time.Time
	delivery string // empty: of none
	text     string
}

// body is what was sent for a delivery first.
type body struct {
	eventID string
	bytes   []byte
}

// step is where a delivery stands.
type step struct{ chain, attempt, parked int }

type attemptKey struct {
	delivery       string
	chain, attempt int
}

func newLedger() *ledger {
	return &ledger{
		broken: make(map[string]int),

		records: make(map[kafka.TopicPartition]map[int64]*handed), tops: make(map[kafka.TopicPartition]int64),
		committed: make(map[string]map[kafka.TopicPartition]int64), deliveries: make(map[string]*facts),
		events: make(map[event.Occurrence]*eventFacts),

		byAttempt: make(map[attemptKey][]*request), last: make(map[string]*request), credits: make(map[attemptKey]int),
		marks: make(map[mark]time.Time), bodies: make(map[string]body), busy: make(map[string]*busy),
		trails: make(map[string][]string),
	}
}

func (l *ledger) violate(promise, delivery, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violateLocked(promise, delivery, format, args...)
}

func (l *ledger) violateLocked(promise, delivery, format string, args ...any) {
	l.broken[promise]++
	l.note(delivery, "violates %s", promise)
	if l.broken[promise] <= 20 {
		l.violations = append(l.violations, violation{promise, time.Now(), delivery, fmt.Sprintf(format, args...)})
	}
}

// note keeps a line of a delivery's trail, for those who look for a violation's cause.
func (l *ledger) note(delivery, format string, args ...any) {
	l.noted = time.Now()
	if delivery != "" {
		l.trails[delivery] = append(l.trails[delivery], clock(time.Now())+" "+fmt.Sprintf(format, args...))
	}
}

// idle is how long nothing has happened to any delivery.
func (l *ledger) idle() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.noted)
}

// finished is how many deliveries have come to their end.
func (l *ledger) finished() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finals
}

// request is one request as its receiver saw it.
type request struct {
	life       *life
	key        attemptKey
	webhook    *busy
	start, end time.Time // end is zero while it is open
}

// requested notes a request's beginning and judges its time and body.
func (l *ledger) requested(who *life, d *fanout.Delivery) *request {
	now := time.Now()
	r := &request{life: who, key: attemptKey{d.ID, d.Chain, d.Attempt}, start: now}
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, ok := l.bodies[d.ID]; !ok {
		l.bodies[d.ID] = body{d.Event.ID, bytes.Clone(d.Event.Body)}
	} else if was.eventID != d.Event.ID || !bytes.Equal(was.bytes, d.Event.Body) {
		l.violateLocked("body", d.ID, "%v: %s %q, first %s %q", r.key, d.Event.ID, d.Event.Body, was.eventID, was.bytes)
	}
	if l.busy[d.Ref.WebhookID] == nil {
		l.busy[d.Ref.WebhookID] = new(busy)
	}
	r.webhook = l.busy[d.Ref.WebhookID]
	l.judgeTime(r, d)
	r.webhook.open++
	l.requests = append(l.requests, r)
	l.note(d.ID, "%s requests %v", who.name, r.key)
	l.judgeRepeat(r)
	l.byAttempt[r.key] = append(l.byAttempt[r.key], r)
	if before := l.last[d.ID]; before != nil {
		l.judgeOverlap(before, r)
	}
	l.last[d.ID] = r
	return r
}

func (l *ledger) ended(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.end = time.Now()
	l.note(r.key.delivery, "%s ended %v", r.life.name, r.key)
	r.webhook.open--
	r.webhook.last = r.end
}
