package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// The functions of this file are the rules of folding: pure, and each join gives the same result in any order and with
// any repetition (invariant commutative).

const pending = string(event.Pending)

// base is the statement that supersedes all others about the delivery, if any was made.
func (r *deliveryRow) base() (event.State, bool) {
	return event.State{
		Status: event.Status(r.baseStatus), Cause: event.Cause(r.baseCause),
		Chain: int(r.baseChain), Attempts: int(r.baseAttempts),
		At: instant(r.baseAt), NextAttemptAt: instant(r.baseNextAt),
	}, r.baseChain > 0
}

// setBase makes s the base. Chains count from 1; a 0 would read as "no statement".
func (r *deliveryRow) setBase(s event.State) {
	r.baseStatus, r.baseCause = clean(string(s.Status)), clean(string(s.Cause))
	r.baseChain, r.baseAttempts = int64(max(s.Chain, 1)), int64(s.Attempts)
	r.baseAt, r.baseNextAt = millis(s.At), millis(s.NextAttemptAt)
}

// join takes over what o knows about the same delivery.
func (r *deliveryRow) join(o *deliveryRow) {
	mine, known := r.base()
	if theirs, ok := o.base(); ok && (!known || theirs.Supersedes(mine)) {
		r.setBase(theirs)
	}
	r.epoch = max(r.epoch, o.epoch)
	r.generation = max(r.generation, o.generation)
	r.attempted = max(r.attempted, o.attempted)
	r.revived = max(r.revived, o.revived)
	r.createdAt = earlier(r.createdAt, o.createdAt)
}

// earlier is the smaller of two times of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// eventHead is what of an event decides about its deliveries.
type eventHead struct {
	occurrence                       string
	generation, receivedAt, erasedAt int64
}

func (r *eventRow) head() *eventHead {
	return &eventHead{r.occurrence, r.generation, r.receivedAt, r.erasedAt}
}

// settle computes the delivery's state from its base, its event (nil: not known yet) and the epochs of its webhook, in
// rising order.
func (r *deliveryRow) settle(ev *eventHead, epochs []epochRow) {
	r.status, r.cause, r.nextAt, r.doneAt = r.baseStatus, r.baseCause, 0, 0
	if r.baseStatus != pending {
		r.doneAt = r.baseAt
		return
	}
	if cause, at := r.cancelledBy(ev, epochs); cause != "" {
		r.status, r.cause, r.doneAt = string(event.Cancelled), cause, at
		return
	}
	r.nextAt = r.baseNextAt
}

// cancelledBy says why a delivery that is pending by its own records is not any more, and since when: its body was
// erased; its webhook was disabled or deleted; or the event was matched again, without this webhook, before anything
// was sent.
func (r *deliveryRow) cancelledBy(ev *eventHead, epochs []epochRow) (cause string, at int64) {
	if ev != nil && ev.erasedAt != 0 {
		return string(event.CauseErased), ev.erasedAt
	}
	for i := range epochs {
		if epochs[i].epoch > r.epoch {
			return epochs[i].cause, epochs[i].at
		}
	}
	if ev != nil && r.generation < ev.generation && r.attempted == 0 && r.revived == 0 {
		return string(event.CauseSuperseded), ev.receivedAt
	}
	return "", 0
}

// supersedes tells whether r is kept rather than o, where both are of one occurrence.
func (r *eventRow) supersedes(o *eventRow) bool {
	mine := event.EventRecord{Generation: r.generation, ReceivedAt: instant(r.receivedAt)}
	return mine.Supersedes(&event.EventRecord{Generation: o.generation, ReceivedAt: instant(o.receivedAt)})
}

// join takes over o where it is the later match of the same occurrence. Erasure and version are the row's own.
func (r *eventRow) join(o *eventRow) (changed bool) {
	if !o.supersedes(r) {
		return false
	}
	erased, version := r.erasedAt, r.version
	*r = *o
	r.erasedAt, r.version = erased, version
	return true
}

// supersedes tells whether r is kept rather than o, where both are of one webhook and epoch.
func (r *epochRow) supersedes(o *epochRow) bool {
	mine := event.WebhookRecord{At: instant(r.at), Cause: event.Cause(r.cause)}
	return mine.Supersedes(&event.WebhookRecord{At: instant(o.at), Cause: event.Cause(o.cause)})
}

// sortEpochs brings epochs into rising order.
func sortEpochs(epochs []epochRow) {
	slices.SortFunc(epochs, func(a, b epochRow) int { return cmp.Compare(a.epoch, b.epoch) })
}

// observe counts an attempt for the webhook's health.
func (r *healthRow) observe(a *event.AttemptRecord) {
	at := millis(a.Timestamp)
	r.lastTry = max(r.lastTry, at)
	if a.Status == event.Succeeded {
		r.lastSuccess = max(r.lastSuccess, at)
	} else {
		r.lastFailure = max(r.lastFailure, at)
	}
}

// covers tells whether an erasure asked for at a time covers what was recorded then.
func covers(erasedAt, recordTime int64) bool { return recordTime <= erasedAt }

// duration is what rows hold of one: microseconds.
func duration(d time.Duration) int64 { return d.Microseconds() }
