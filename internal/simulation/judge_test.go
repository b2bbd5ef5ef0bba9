package simulation

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/voxagent/dispatcher/internal/consumer/watermark"
	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/kafka"
)

// busy says whether a webhook has requests open, and when the last one ended.
type busy struct {
	open int
	last time.Time
}

// spill is how long the scheduler keeps what cannot start.
const spill = 5 * time.Second

// disruption is a time in which something was broken, for one life or for all (nil).
type disruption struct {
	what     string
	life     *life
	from, to time.Time
	// repeats says that attempts which were open then, or whose end was not committed, may be made again.
	repeats bool
}

// recovery is how long after a disruption the system may need to be in time again: a session runs out, two rebalances
// with a drain, what waited.
const recovery = 2 * time.Minute

// commitLag is how long after its facts an attempt's end may take to be committed while nothing is broken.
const commitLag = commitInterval + time.Second

func (l *ledger) disrupt(d disruption) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disruptions = append(l.disruptions, d)
}

// judgeTime says whether a retry comes in time.
func (l *ledger) judgeTime(r *request, d *fanout.Delivery) {
	if d.DueAt.IsZero() {
		return
	}
	if r.start.Before(d.DueAt) {
		l.violateLocked("early", r.key.delivery, "%v: %v before its time", r.key, d.DueAt.Sub(r.start))
	}
	delay := d.DueAt.Sub(l.marks[mark{d.ID, step{d.Chain, d.Attempt, d.Parked}, d.DueAt.UnixMilli()}])
	late := r.start.Sub(d.DueAt)
	allowed := max(delay, 0)/10 + time.Second
	if busy := r.webhook; busy.open > 0 || !busy.last.Before(d.DueAt) {
		allowed += spill // it waited for its own webhook's slot
	}
	// A record that Kafka was long in taking stands behind those that were written meanwhile, on its rung or the one before.
	allowed += l.delivery(d.ID).took[step{d.Chain, d.Attempt, d.Parked}]
	if late <= allowed {
		return
	}
	for _, x := range l.disruptions {
		if x.from.Before(r.start) && x.to.Add(recovery).After(d.DueAt) {
			return
		}
	}
	l.violateLocked("late", r.key.delivery, "%v: %v late after a delay of %v", r.key, late, delay)
}

// judgeRepeat says whether an attempt that was made before may be made again: a fault must have
// had a record of it handed out again (see reread), and each such record allows one repetition.
func (l *ledger) judgeRepeat(r *request) {
	made := l.byAttempt[r.key]
	if len(made) == 0 {
		return
	}
	l.repeated++
	if l.credits[r.key] > 0 {
		l.credits[r.key]--
		return
	}
	before := made[len(made)-1]
	l.violateLocked("duplicate", r.key.delivery, "%v: by %s at %s and again by %s", r.key, before.life.name,
		clock(before.start), r.life.name)
}

// recopied judges that a second record of a step was handed out. One life drops such copies; another one may repeat the
// attempt, if a fault made somebody write the record twice: it was refused, or the attempt before was repeated.
func (l *ledger) recopied(h *handed) {
	f := l.delivery(h.delivery)
	other := f.holder[h.step]
	if other == nil || other.owner == h.owner {
		return
	}
	repeated := len(l.byAttempt[attemptKey{h.delivery, h.step.chain, h.step.attempt - 1}]) > 1
	for _, x := range l.disruptions {
		repeated = repeated || x.repeats && x.from.After(other.at.Add(-2*time.Minute)) && x.from.Before(h.at)
	}
	if repeated {
		l.credits[attemptKey{h.delivery, h.step.chain, h.step.attempt}]++
		l.note(h.delivery, "may be repeated at %v, as another has a copy", h.step)
	}
}

// reread judges that a record was handed out again: if a fault struck while it was open, or before its end was
// committed, its attempt may be made once more. That its step is settled ends it, unless that came by a copy, since the next
// owner of a record that was open cannot know what became of its twin, or before it was handed out to the one who held it:
// then what that one did counts, and may have been lost in turn.
func (l *ledger) reread(delivery string, at step, held *handed) {
	f, key := l.delivery(delivery), attemptKey{delivery, at.chain, at.attempt}
	moved, ok := f.moved[at]
	if !ok && len(l.byAttempt[key]) == 0 && !f.leaves(at) && !l.cutOff(held.owner) {
		return
	}
	for _, x := range l.disruptions {
		if !x.repeats || x.life != nil && x.life != held.owner || held.at.After(x.to) {
			continue
		}
		if !ok || f.handed[at] > 1 || held.at.After(moved) || !moved.Add(commitLag).Before(x.from) {
			l.credits[key]++
			l.note(delivery, "may be repeated at %v, as of %s", at, x.what)
			return
		}
	}
}

// cutOff says whether a life is broken in a way that keeps it from hearing that it lost its partitions: it may yet make an
// attempt that another one has been handed.
func (l *ledger) cutOff(who *life) bool {
	now := time.Now()
	return slices.ContainsFunc(l.disruptions, func(x disruption) bool {
		return x.repeats && x.life == who && !x.from.After(now) && !x.to.Before(now)
	})
}

// judgeOverlap says whether two attempts of a delivery overlap. An attempt that a fault made somebody repeat may meet
// the one that followed from it when it was made first: the two come from different records, perhaps to different owners.
func (l *ledger) judgeOverlap(before, r *request) {
	if !before.end.IsZero() || l.repeats(before) || l.repeats(r) {
		return
	}
	l.violateLocked("overlap", r.key.delivery, "%v by %s at %s is still open when %v begins at %s", before.key, before.life.name,
		clock(before.start), r.key, r.life.name)
}

// repeats says whether the attempt was made before; judgeRepeat said whether it may be.
func (l *ledger) repeats(r *request) bool { return l.byAttempt[r.key][0] != r }

// commit judges an offset commit at the moment at which a broker gets it. It runs on the broker's goroutine.
func (l *ledger) commit(req kmsg.Request) bool {
	c := req.(*kmsg.OffsetCommitRequest)
	l.mu.Lock()
	defer l.mu.Unlock()
	marks, ok := l.committed[c.Group]
	if !ok {
		marks = make(map[kafka.TopicPartition]int64)
		l.committed[c.Group] = marks
	}
	for _, t := range c.Topics {
		for _, p := range t.Partitions {
			tp := kafka.TopicPartition{Topic: t.Topic, Partition: int(p.Partition)}
			for o := marks[tp]; o < p.Offset; o++ {
				l.pass(tp, o, c.Group)
			}
			marks[tp] = max(marks[tp], p.Offset)
			if p.Metadata != nil {
				l.passAbove(tp, p.Offset, *p.Metadata, c.Group)
			}
		}
	}
	return false
}

// passAbove judges what the metadata says to be done above the offset.
func (l *ledger) passAbove(tp kafka.TopicPartition, offset int64, metadata, group string) {
	top := l.tops[tp]
	if top <= offset {
		return
	}
	t := watermark.New(offset, watermark.Tag(metadata))
	t.Restore(offset, metadata)
	for o := offset + 1; o <= top; o++ {
		if l.records[tp][o] != nil && !t.Take(o, time.Time{}) {
			l.pass(tp, o, group)
		}
	}
}

// pass judges that a record was committed, once.
func (l *ledger) pass(tp kafka.TopicPartition, o int64, group string) {
	h := l.records[tp][o]
	switch {
	case h == nil:
		l.violateLocked("commit", "", "%s: %s/%d@%d was never handed out", group, tp.Topic, tp.Partition, o)
		return
	case h.passed:
		return
	}
	h.passed = true
	l.note(h.delivery, "%s commits %s/%d@%d", group, tp.Topic, tp.Partition, o)
	if h.delivery == "" {
		l.note(h.occurrence.String(), "%s commits %s/%d@%d", group, tp.Topic, tp.Partition, o)
		if open := l.unfinished(h); open != "" {
			l.violateLocked("commit", open, "%s: event %s/%d@%d is not done: %s is open", group, tp.Topic, tp.Partition, o, open)
		}
		return
	}
	f := l.delivery(h.delivery)
	if f.progress(h.step) {
		return
	}
	// A hop, or a copy that was dropped: another copy must be open.
	f.passed[h.step]++
	if f.passed[h.step] >= max(f.ladder[h.step], f.handed[h.step]) {
		l.violateLocked("commit", h.delivery, "%s: %s/%d@%d: %s %v is not done", group, tp.Topic, tp.Partition, o, h.delivery, h.step)
	}
}

// unfinished names what is open of an event: a delivery, or the event itself; empty: nothing.
func (l *ledger) unfinished(h *handed) string {
	e := l.event(h.occurrence)
	open := h.occurrence.String()
	if !e.payload {
		return open
	}
	for _, ids := range e.matched {
		if open = l.unfinishedOf(ids); open == "" {
			break
		}
	}
	return open
}

func (l *ledger) unfinishedOf(ids []string) string {
	for _, id := range ids {
		if f := l.delivery(id); !f.progress(first) && (len(ids) <= expand || f.ladder[first] == 0) {
			return id
		}
	}
	return ""
}

// progress says whether the next fact after at is durable: the attempt's end and what follows from it, a place on the
// ladder to wait at, or the delivery's end.
func (f *facts) progress(at step) bool {
	if f.ended {
		return true
	}
	if final, ok := f.attempts[[2]int{at.chain, at.attempt}]; ok && (final || f.ladder[step{at.chain, at.attempt + 1, 0}] > 0) {
		return true
	}
	for other := range f.ladder {
		if other.chain == at.chain && other.attempt == at.attempt && other.parked > at.parked {
			return true
		}
	}
	return false
}

// leaves says whether something that follows at was given to a producer: it may come to Kafka at any later time.
func (f *facts) leaves(at step) bool {
	for s := range f.written {
		if s.chain == at.chain && (s.attempt == at.attempt+1 || s.attempt == at.attempt && s.parked > at.parked) {
			return true
		}
	}
	return false
}
