package fanout

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/pkg/event"
)

// IntakeConfig says what an intake accepts.
type IntakeConfig struct {
	// MaxEventBytes is the largest record value that is taken as an event.
	MaxEventBytes int
	// Expand is how many webhooks an event may match before its deliveries are written to the ladder first. A record
	// with thousands of webhooks would otherwise be open for as long as the slowest of them, and what is done of it
	// would not fit into the commit's metadata.
	Expand int
	// Type returns how old an event of a type may be (0: no limit), and whether the catalogue lists the type; one that
	// it does not is only counted. Nil: all are listed and none has a limit.
	Type func(name string) (maxAge time.Duration, listed bool)
}

// Intake takes the records of the source topics.
type Intake struct {
	cfg     IntakeConfig
	engine  *Engine
	next    Scheduler
	dedupe  Deduper
	dead    DeadLetters
	room    func(ctx context.Context) error
	metrics *Metrics
}

// Exits are where an intake's records go.
type Exits struct {
	Scheduler   Scheduler
	Dedupe      Deduper // nil: no deduplication
	DeadLetters DeadLetters
	// Room waits until the producer takes more without growing: asked while a large fan-out is written to the ladder.
	Room func(ctx context.Context) error
}

// NewIntake returns an intake that hands deliveries to exits.Scheduler.
func NewIntake(cfg IntakeConfig, engine *Engine, exits Exits) *Intake {
	if cfg.Type == nil {
		cfg.Type = func(string) (time.Duration, bool) { return 0, true }
	}
	return &Intake{
		cfg: cfg, engine: engine, next: exits.Scheduler, dedupe: exits.Dedupe, dead: exits.DeadLetters,
		room:    exits.Room,
		metrics: engine.metrics,
	}
}

// arrival is one event of a batch with what the steps find out about it.
type arrival struct {
	record *Record
	event  *Event
	dup    bool
	match  *Match
}

// Handle takes the records of one partition, in order, and copies what it needs of their bytes. It blocks while the budget is exhausted or nobody can say which
// webhooks an event has, and returns an error only when ctx ended: the records not yet taken are then abandoned.
func (in *Intake) Handle(ctx context.Context, records []*Record) error {
	batch, err := in.decode(ctx, records)
	if err != nil || len(batch) == 0 {
		return err
	}
	events := make([]*Event, len(batch))
	for i := range batch {
		events[i] = batch[i].event
	}
	in.findDuplicates(ctx, batch, events)
	matches, err := in.engine.Subscriptions.Match(ctx, events)
	if err != nil {
		abandon(batch)
		return err
	}
	for i := range batch {
		batch[i].match = matches[i]
		if err := in.take(ctx, &batch[i]); err != nil {
			abandon(batch[i+1:])
			return err
		}
	}
	return nil
}

func abandon(batch []arrival) {
	for i := range batch {
		batch[i].record.Ticket.Abandon()
	}
}

func abandonRecords(records []*Record) {
	for _, r := range records {
		r.Ticket.Abandon()
	}
}

// decode turns records into events; what is not one ends here, in the dead-letter topic. When ctx ends while that waits
// for room, no record is taken any more.
func (in *Intake) decode(ctx context.Context, records []*Record) ([]arrival, error) {
	batch := make([]arrival, 0, len(records))
	for i, r := range records {
		if r.Value == nil {
			in.metrics.skipped.Inc()
			r.Ticket.Done()
			continue
		}
		meta := event.Meta{Topic: r.Source.Topic, Partition: r.Source.Partition, Offset: r.Source.Offset, Time: r.Time}
		parsed, err := event.Parse(r.Value, meta, in.cfg.MaxEventBytes)
		if err != nil {
			if err := in.reject(ctx, r, err); err != nil {
				abandon(batch)
				abandonRecords(records[i+1:])
				return nil, err
			}
			continue
		}
		batch = append(batch, arrival{record: r, event: newEvent(&parsed, meta, string(r.Key))})
	}
	return batch, nil
}

func newEvent(p *event.Event, meta event.Meta, sessionID string) *Event {
	body := event.Body(p)
	return &Event{
		ID: p.ID, Derived: p.Derived, Type: p.Type, WorkspaceID: p.WorkspaceID, SessionID: sessionID,
		Timestamp: p.Timestamp, Time: p.Time, RecordTime: meta.Time,
		Occurrence: meta.Occurrence(p.WorkspaceID), Source: meta.Source(), Body: body,
	}
}

// findDuplicates marks the events that were published before. It is best effort: a fault means "deliver".
func (in *Intake) findDuplicates(ctx context.Context, batch []arrival, events []*Event) {
	if in.dedupe == nil {
		return
	}
	first, err := in.dedupe.FirstSeen(ctx, events)
	if err != nil {
		in.metrics.dedupeFaults.Inc()
		return
	}
	for i := range batch {
		batch[i].dup = !first[i]
	}
}

// take records one event and hands its deliveries on.
func (in *Intake) take(ctx context.Context, a *arrival) error {
	now := time.Now()
	maxAge, listed := in.cfg.Type(a.event.Type)
	targets, reason := verdict(a, maxAge, now)
	size, err := in.engine.budget.Acquire(ctx, cost(a.record.Value, a.event.Body))
	if err != nil {
		a.record.Ticket.Abandon()
		return err
	}
	o := newOpen(a.record.Ticket, in.engine.budget, size, len(targets))
	defer o.release() // the part that this function holds: the ticket can't settle before all parts are added
	o.expect(2)
	in.engine.Recorder.Event(eventRecord(a, targets, reason, now), o)
	in.engine.Recorder.Payload(a.event, o)
	in.metrics.event(reason, listed, len(targets))
	if len(targets) > in.cfg.Expand {
		return in.expand(ctx, a, targets, o, now)
	}
	for _, t := range targets {
		d := in.delivery(a, t, o, now)
		if d == nil {
			continue
		}
		if err := offer(ctx, in.next, d); err != nil {
			return err
		}
	}
	return nil
}

// expand writes the deliveries of a large fan-out to the ladder, so that the record is soon done. Each is a copy of the
// body, so the producer's room is asked for; when ctx ends before, the record is lost and its next owner begins anew.
func (in *Intake) expand(ctx context.Context, a *arrival, targets []*Target, o *open, now time.Time) error {
	for _, t := range targets {
		if err := in.room(ctx); err != nil {
			o.lost.Store(true)
			return err
		}
		d := in.delivery(a, t, o, now)
		if d == nil {
			continue
		}
		d.DueAt = now
		d.facts.Store(1)
		in.engine.Ladder.Park(d, d)
	}
	return nil
}

// verdict says who gets the event, or why nobody does.
func verdict(a *arrival, maxAge time.Duration, now time.Time) ([]*Target, event.MissReason) {
	if a.match.Reason != "" {
		return nil, a.match.Reason
	}
	if a.dup {
		return nil, event.MissDuplicate
	}
	if maxAge > 0 && now.Sub(a.event.Time) > maxAge {
		return nil, event.MissExpired
	}
	return a.match.Targets, ""
}

// delivery makes the delivery of a's event to t; nil if a former owner of the partition finished it.
func (in *Intake) delivery(a *arrival, t *Target, o *open, now time.Time) *Delivery {
	if o.parts > 1 && a.record.Ticket.PartWasDone(PartKey(t.WebhookID)) {
		return nil
	}
	o.expect(1)
	return &Delivery{
		ID: a.event.Occurrence.DeliveryID(t.WebhookID), Event: a.event, Ref: t.Ref(), Epoch: t.Epoch,
		Chain: 1, Attempt: 1, Trigger: event.TriggerEvent, CreatedAt: now, Deadline: in.engine.Policy.Expires(now), open: o,
	}
}

// reject puts a record that is not an event into the dead-letter topic, bytes untouched, and tells the platform. It waits
// for room in the budget, as for an event: a topic full of such records must not fill the memory while Kafka takes no writes.
func (in *Intake) reject(ctx context.Context, r *Record, cause error) error {
	size, err := in.engine.budget.Acquire(ctx, cost(r.Value, nil))
	if err != nil {
		r.Ticket.Abandon()
		return err
	}
	r = r.clone()
	invalid := asInvalid(cause)
	in.metrics.rejected.WithLabelValues(string(invalid.Reason)).Inc()
	in.engine.log.Warn("dead-lettered a record", zap.String("topic", r.Source.Topic),
		zap.Int("partition", r.Source.Partition), zap.Int64("offset", r.Source.Offset),
		zap.String("reason", string(invalid.Reason)), zap.String("detail", invalid.Detail))
	o := newOpen(r.Ticket, in.engine.budget, size, 0)
	o.expect(1)
	in.dead.DeadLetter(r, invalid.Reason, invalid.Detail, o)
	in.engine.Notifier.Notice(deadLetterNotice(r, invalid), o)
	return nil
}
