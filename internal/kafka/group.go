package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// GroupConfig describes a membership; zero durations take the defaults.
type GroupConfig struct {
	// Group is the group's name, Topics what it reads; both are needed.
	Group  string
	Topics []string
	// Start is where topics begin that the group never committed. Partitions that are added to a topic later begin at
	// their first offset. The zero Position is not valid.
	Start Position
	// HeartbeatInterval, default 1 s, and SessionTimeout, default 6 s, after which the coordinator takes a silent
	// member for dead.
	HeartbeatInterval time.Duration
	SessionTimeout    time.Duration
	// RebalanceTimeout, default 30 s, is how long members may take to give up their partitions in a rebalance.
	RebalanceTimeout time.Duration
	// JoinBackoff, default 300 ms, is the pause after a join that failed.
	JoinBackoff time.Duration
	// WatchInterval, default 5 s, is how often the leader looks whether topics got more partitions or were made anew.
	WatchInterval time.Duration
}

// Validate joins everything that is wrong with the configuration.
func (c GroupConfig) Validate() error {
	var errs []error
	if c.Group == "" {
		errs = append(errs, errors.New("kafka group: no name"))
	}
	if len(c.Topics) == 0 {
		errs = append(errs, errors.New("kafka group: no topics"))
	}
	if c.Start == (Position{}) {
		errs = append(errs, errors.New("kafka group: no start position"))
	}
	return errors.Join(errs...)
}

func (c GroupConfig) withDefaults() GroupConfig {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&c.HeartbeatInterval, time.Second)
	set(&c.SessionTimeout, 6*time.Second)
	set(&c.RebalanceTimeout, 30*time.Second)
	set(&c.JoinBackoff, 300*time.Millisecond)
	set(&c.WatchInterval, 5*time.Second)
	return c
}

// Group is one membership in a consumer group with the classic protocol and range assignment: partition n of all
// topics with the same number of partitions goes to the same member.
type Group struct {
	client  *Client
	cfg     GroupConfig
	log     *zap.Logger
	metrics *Metrics
	member  string // owned by Run
	joined  atomic.Bool
}

// NewGroup validates the configuration; Run joins.
func NewGroup(client *Client, cfg GroupConfig, metrics *Metrics) (*Group, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Group{
		client: client, cfg: cfg.withDefaults(), metrics: metrics.orNone(),
		log: client.log.With(zap.String("group", cfg.Group)),
	}, nil
}

// Joined says whether this process is a member of a settled generation at the moment.
func (g *Group) Joined() bool { return g.joined.Load() }

// Run joins the group, generation after generation, and calls own for each. own owns the partitions until it returns,
// which it must do soon after Generation.Revoked; heartbeats go on until then, so that it may take up to the rebalance
// timeout to drain. When ctx ends the current generation is revoked; after own returned the group is left, which gives
// the partitions to others at once. Run survives every fault of the cluster and returns only after ctx ended.
func (g *Group) Run(ctx context.Context, own func(*Generation)) error {
	fails := 0
	for ctx.Err() == nil {
		gen, err := g.join(ctx)
		if err != nil {
			if errors.Is(err, kafkago.MemberIDRequired) {
				continue
			}
			g.joinFailed(ctx, err, fails)
			fails++
			continue
		}
		fails = 0
		g.metrics.rebalances.WithLabelValues(g.cfg.Group).Inc()
		g.serve(ctx, gen, own)
	}
	g.leave(ctx)
	return nil
}

func (g *Group) joinFailed(ctx context.Context, err error, fails int) {
	if ctx.Err() != nil {
		return
	}
	if fenced(err) && g.member != "" {
		g.member = ""
		if fails == 0 {
			return // with a new id at once; a coordinator that goes on refusing those is not pressed
		}
	}
	// During an outage each try fails; a line each ten seconds or so is enough.
	if fails%10 == 1 || fails == 0 && !errors.Is(err, kafkago.RebalanceInProgress) {
		g.log.Warn("joining the group failed, trying again", zap.Int("tries", fails+1), zap.Error(err))
	}
	pause(ctx, min(g.cfg.JoinBackoff<<min(fails, 2), time.Second))
}

// join takes part in one rebalance.
func (g *Group) join(ctx context.Context) (*Generation, error) {
	j, err := g.joinGroup(ctx)
	if err != nil {
		return nil, err
	}
	// The coordinator waits for us for the rebalance timeout: what the leader must find out fits into that.
	ctx, cancel := context.WithTimeout(ctx, g.cfg.RebalanceTimeout)
	defer cancel()
	info, err := g.client.Metadata(ctx, g.allTopics(j.members)...)
	if err != nil {
		return nil, err
	}
	var all map[string]assignment
	if j.leader {
		starts, err := g.starts(ctx, info)
		if err != nil {
			return nil, err
		}
		all = assign(j.members, info, starts)
	}
	mine, err := g.syncGroup(ctx, j.generation, all)
	if err != nil {
		return nil, err
	}
	gen := &Generation{
		ID: j.generation, Assigned: mine.partitions, Starts: mine.starts, group: g, member: g.member, leader: j.leader,
		topics: info.Topics, revoked: make(chan struct{}), lost: make(chan struct{}),
	}
	gen.seen.Store(time.Now().UnixNano())
	return gen, nil
}

// serve runs a generation to its end.
func (g *Group) serve(ctx context.Context, gen *Generation, own func(*Generation)) {
	n := 0
	for _, parts := range gen.Assigned {
		n += len(parts)
	}
	g.log.Info("kafka generation begins", zap.Int32("generation", gen.ID), zap.Int("partitions", n),
		zap.Bool("leader", gen.leader))
	g.joined.Store(true)
	defer g.joined.Store(false)
	defer context.AfterFunc(ctx, gen.revoke)()
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { g.beat(background, gen) })
	if gen.leader {
		wg.Go(func() { g.watch(background, gen) })
	}
	own(gen)
	gen.revoke()
	cancel()
	wg.Wait()
	gen.ended.Store(true)
	if gen.forgotten.Load() {
		g.member = ""
	}
}

// beat sends heartbeats until own returned. A heartbeat that fails is tried again: only the coordinator's word, or its
// silence for as long as it would wait for us, ends the membership.
func (g *Group) beat(ctx context.Context, gen *Generation) {
	tick := time.NewTicker(g.cfg.HeartbeatInterval)
	defer tick.Stop()
	for {
		expiry := time.NewTimer(g.left(gen))
		select {
		case <-ctx.Done():
		case <-gen.lost:
		case <-expiry.C:
			gen.expire()
		case <-tick.C:
			g.beatOnce(ctx, gen)
		}
		expiry.Stop()
		select {
		case <-ctx.Done():
			return
		case <-gen.lost:
			return
		default:
		}
	}
}

// left is how long the coordinator, as far as we know, still takes us for alive. The count begins when a request that
// succeeded was sent, and ends a twentieth early, so that we never think longer than it does that we own our partitions.
func (g *Group) left(gen *Generation) time.Duration {
	return g.cfg.SessionTimeout*19/20 - time.Since(time.Unix(0, gen.seen.Load()))
}

func (g *Group) beatOnce(ctx context.Context, gen *Generation) {
	sent := time.Now()
	one, cancel := context.WithTimeout(ctx, min(g.cfg.SessionTimeout/3, g.left(gen)))
	defer cancel()
	err := g.heartbeat(one, gen.ID, gen.member)
	switch {
	case err == nil:
		gen.alive(sent)
		return
	case ctx.Err() != nil:
		return
	case errors.Is(err, kafkago.RebalanceInProgress):
		gen.alive(sent)
		gen.revoke()
	case fenced(err):
		g.log.Warn("kafka membership lost", zap.Int32("generation", gen.ID), zap.Error(err))
		gen.forget()
	}
	g.metrics.heartbeatFails.WithLabelValues(g.cfg.Group, reasonOf(err)).Inc()
}

// watch ends the generation when a topic's partitions changed: a leader that joins again makes all members rebalance.
func (g *Group) watch(ctx context.Context, gen *Generation) {
	names := make([]string, 0, len(gen.topics))
	for name := range gen.topics {
		names = append(names, name)
	}
	for pause(ctx, g.cfg.WatchInterval) {
		info, err := g.client.Metadata(ctx, names...)
		if err != nil {
			continue
		}
		for name, was := range gen.topics {
			if changed(was, info.Topics[name]) {
				g.log.Info("kafka topic changed, rebalancing", zap.String("topic", name),
					zap.Int("partitions", len(info.Topics[name].Leaders)))
				gen.revoke()
				return
			}
		}
	}
}

func changed(was, is TopicInfo) bool {
	if is.Err != nil && !errors.Is(is.Err, ErrNoTopic) {
		return false // not a statement about partitions
	}
	return len(was.Leaders) != len(is.Leaders) || was.ID != is.ID
}

func (g *Group) leave(ctx context.Context) {
	if g.member == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := g.leaveGroup(ctx); err != nil && !fenced(err) {
		g.log.Warn("leaving the group failed: its partitions move after the session timeout", zap.Error(err))
	}
	g.member = ""
}

// Generation is one settled distribution of partitions.
type Generation struct {
	ID int32
	// Assigned holds this member's partitions by topic.
	Assigned map[string][]int
	// Starts holds, for topics that the group never committed, the offset at which each partition begins.
	Starts map[string][]int64

	group   *Group
	member  string
	leader  bool
	topics  map[string]TopicInfo
	revoked chan struct{}
	lost    chan struct{}
	once    sync.Once
	gone    sync.Once
	seen    atomic.Int64 // when the coordinator last knew us, Unix nanoseconds
	ended   atomic.Bool
	// forgotten says that the coordinator does not know the member any more: the next join needs a new id.
	forgotten atomic.Bool
}

// Revoked is closed when the partitions must be given up.
func (gen *Generation) Revoked() <-chan struct{} { return gen.revoked }

// Lost is closed when the membership is gone, or must be taken for gone: others may own the partitions.
func (gen *Generation) Lost() <-chan struct{} { return gen.lost }

// Forgotten says that the coordinator itself said so: nothing can be committed any more. A generation that is Lost by the
// clock alone may still be what the coordinator takes for the present one: when it was the coordinator that was away, its
// successor reads the group from the log and gives every member a session anew.
func (gen *Generation) Forgotten() bool { return gen.forgotten.Load() }

// TopicID is the identity of a topic at the beginning of the generation.
func (gen *Generation) TopicID(topic string) TopicID { return gen.topics[topic].ID }

func (gen *Generation) revoke() { gen.once.Do(func() { close(gen.revoked) }) }

func (gen *Generation) lose() {
	gen.gone.Do(func() { close(gen.lost) })
	gen.revoke()
}

// Expired says whether the coordinator has heard nothing of us for so long that it may have given our partitions to others;
// the membership is then lost. It costs a look at the clock: a process that stood still for longer than its session asks
// before each thing that only the owner may begin, and so begins none before its heartbeats find out.
func (gen *Generation) Expired() bool {
	if gen.group.left(gen) > 0 {
		return false
	}
	gen.expire()
	return true
}

// expire is lose on the clock's word.
func (gen *Generation) expire() {
	gen.gone.Do(func() {
		gen.group.log.Warn("kafka coordinator out of reach for a session timeout", zap.Int32("generation", gen.ID))
		close(gen.lost)
	})
	gen.revoke()
}

// forget is lose on the coordinator's word.
func (gen *Generation) forget() {
	gen.forgotten.Store(true)
	gen.lose()
}

func (gen *Generation) alive(at time.Time) { gen.seen.Store(max(gen.seen.Load(), at.UnixNano())) }

// Commit writes marks of this generation in one request. The map holds the partitions that failed; ErrFenced, wrapped,
// says that the generation ended, for good. A successful commit also counts as a heartbeat.
func (gen *Generation) Commit(ctx context.Context, marks []Mark) (map[TopicPartition]error, error) {
	if gen.ended.Load() || gen.Forgotten() {
		return nil, ErrFenced
	}
	sent := time.Now()
	faults, err := gen.group.commit(ctx, gen.ID, gen.member, marks)
	if err != nil {
		return nil, err
	}
	for _, fault := range faults {
		if fenced(fault) {
			gen.forget()
			return nil, fmt.Errorf("%w: %w", ErrFenced, fault)
		}
	}
	if len(faults) == 0 {
		gen.alive(sent)
	}
	return faults, nil
}

// Committed reads the group's marks for the assigned partitions.
func (gen *Generation) Committed(ctx context.Context) ([]Mark, error) {
	var tps []TopicPartition
	for topic, parts := range gen.Assigned {
		for _, p := range parts {
			tps = append(tps, TopicPartition{topic, p})
		}
	}
	if len(tps) == 0 {
		return nil, nil
	}
	return gen.group.Committed(ctx, tps...)
}
