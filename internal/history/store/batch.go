package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

type webhookKey struct{ workspace, webhook string }

type epochKey struct {
	webhookKey
	epoch int64
}

// batch is records joined by what they are about, so that each row is touched once. Folding only reads it: a
// transaction may have to run again.
type batch struct {
	now        int64
	events     map[string]*eventRow
	deliveries map[string]*deliveryRow
	attempts   map[string]*event.AttemptRecord
	payloads   map[string]payloadRow
	epochs     map[epochKey]*epochRow
	erasures   map[erasureRow]*event.ErasureRecord
	health     map[webhookKey]*healthRow
}

// newBatch sorts records out. Payloads of occurrences that are older than keep are left out: their retention is over, and
// the mark that they were erased may be gone already.
func newBatch(records []Record, now time.Time, keep time.Duration) (*batch, error) {
	b := &batch{
		now:    millis(now),
		events: map[string]*eventRow{}, deliveries: map[string]*deliveryRow{},
		attempts: map[string]*event.AttemptRecord{}, payloads: map[string]payloadRow{},
		epochs: map[epochKey]*epochRow{}, erasures: map[erasureRow]*event.ErasureRecord{},
		health: map[webhookKey]*healthRow{},
	}
	for i := range records {
		switch r := records[i].History.(type) {
		case nil:
			b.addPayload(&records[i], now.Add(-keep))
		case *event.EventRecord:
			b.addEvent(r)
		case *event.AttemptRecord:
			b.addAttempt(r)
		case *event.DeliveryRecord:
			b.addDelivery(r)
		case *event.ErasureRecord:
			b.erasures[erasureRow{subjectOf(r), millis(r.At)}] = r
		case *event.WebhookRecord:
			b.addEpoch(r)
		default:
			return nil, fmt.Errorf("fold %s record %s: %w", r.RecordType(), r.RecordID(), event.ErrUnknownRecord)
		}
	}
	return b, nil
}

func (b *batch) addPayload(r *Record, keep time.Time) {
	if r.Occurrence.Time().Before(keep) {
		return
	}
	key := r.Occurrence.String()
	if _, ok := b.payloads[key]; !ok {
		b.payloads[key] = payloadRow{occurrence: key, body: r.Payload}
	}
}

func (b *batch) addEvent(r *event.EventRecord) {
	row := newEventRow(r)
	for _, m := range r.Matched {
		b.say(&deliveryRow{
			identity: row.identity, origin: row.origin, id: clean(m.DeliveryID), webhook: clean(m.WebhookID),
			baseStatus: pending, epoch: m.Epoch, generation: r.Generation, createdAt: row.receivedAt,
		})
	}
	if known, ok := b.events[row.occurrence]; ok {
		known.join(row)
		return
	}
	b.events[row.occurrence] = row
}

func newEventRow(r *event.EventRecord) *eventRow {
	misses := r.Unmatched
	if misses == nil {
		misses = []event.Miss{}
	}
	list, err := json.Marshal(misses)
	if err != nil {
		panic(err) // a list of strings always encodes
	}
	row := &eventRow{
		identity: identity{
			clean(r.WorkspaceID), r.Occurrence.String(), clean(r.EventID), clean(r.Event), cleanSession(r.SessionID),
		},
		origin:     originOf(r.Timestamp, r.Source),
		recordTime: millis(r.Occurrence.Time()), receivedAt: millis(r.ReceivedAt), generation: r.Generation,
		bodySize: int64(r.BodySize), matched: int64(len(r.Matched)), unmatched: int64(len(r.Unmatched)),
		misses: string(list), reason: clean(string(r.Reason)),
	}
	if !r.BodySHA256.IsZero() {
		row.bodySHA256 = r.BodySHA256.String()
	}
	return row
}

func (b *batch) addAttempt(r *event.AttemptRecord) {
	key := clean(r.ID)
	if known, ok := b.attempts[key]; !ok || r.Supersedes(known) {
		b.attempts[key] = r
	}
	row := &deliveryRow{
		identity: attemptIdentity(r), origin: originOf(r.EventTimestamp, r.Source),
		id: clean(r.DeliveryID), webhook: clean(r.WebhookID),
		epoch: r.Epoch, attempted: 1, createdAt: millis(r.Timestamp),
	}
	row.setBase(r.State())
	b.say(row)
	if r.Trigger == event.TriggerTest {
		return
	}
	at := webhookKey{row.workspace, row.webhook}
	if b.health[at] == nil {
		b.health[at] = &healthRow{workspace: at.workspace, webhook: at.webhook}
	}
	b.health[at].observe(r)
}

func attemptIdentity(r *event.AttemptRecord) identity {
	return identity{
		clean(r.WorkspaceID), r.Occurrence.String(), clean(r.EventID), clean(r.Event), cleanSession(r.SessionID),
	}
}

func (b *batch) addDelivery(r *event.DeliveryRecord) {
	row := &deliveryRow{
		identity: identity{
			clean(r.WorkspaceID), r.Occurrence.String(), clean(r.EventID), clean(r.Event), cleanSession(r.SessionID),
		},
		origin: originOf(r.EventTimestamp, r.Source), id: clean(r.DeliveryID), webhook: clean(r.WebhookID),
		epoch: r.Epoch, attempted: flag(r.Attempts > 0), createdAt: millis(r.At),
		revived: flag(r.Chain > 1 || r.Cause == event.CauseResend || r.Cause == event.CauseRecovery),
	}
	row.setBase(r.State())
	b.say(row)
}

// say joins what row says about its delivery to what the batch knows.
func (b *batch) say(row *deliveryRow) {
	if known, ok := b.deliveries[row.id]; ok {
		known.join(row)
		return
	}
	b.deliveries[row.id] = row
}

func (b *batch) addEpoch(r *event.WebhookRecord) {
	row := &epochRow{
		webhook: clean(r.WebhookID), workspace: clean(r.WorkspaceID),
		epoch: r.Epoch, cause: clean(string(r.Cause)), at: millis(r.At),
	}
	key := epochKey{webhookKey{row.workspace, row.webhook}, r.Epoch}
	if known, ok := b.epochs[key]; !ok || row.supersedes(known) {
		b.epochs[key] = row
	}
}

// subjectOf names what an erasure is about.
func subjectOf(r *event.ErasureRecord) string {
	if r.EventID != "" {
		return eventSubject(clean(r.WorkspaceID), clean(r.EventID))
	}
	return sessionSubject(clean(r.WorkspaceID), cleanSession(r.SessionID))
}

func eventSubject(workspace, eventID string) string   { return workspace + "/e/" + eventID }
func sessionSubject(workspace, session string) string { return workspace + "/s/" + session }

// sweeping tells whether the batch changes what earlier and later batches say: it must then be alone.
func (b *batch) sweeping() bool { return len(b.epochs) > 0 || len(b.erasures) > 0 }

// sorted returns a map's keys in order: rows are always written in one order, so that two writers do not lock each other
// out.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
