package subscription

import (
	"maps"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/filter"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// set is a workspace's webhooks, ready to be matched. It never changes but for what it remembers.
type set struct {
	workspace string
	pos       int64
	suspended bool
	rate      float64
	hooks     []compiled // by id
	keys      *Keyring
	broken    func(fanout.Ref) // told of each webhook that cannot be opened; nil: nobody is
	used      atomic.Int64
	near      *near // that has taken it in; nil: none has
	size      int64 // bytes, estimated; near's to guard, once it has taken the set in
	outdated  bool  // a change after it is known; near's to guard

	verdicts atomic.Pointer[map[string]*verdict] // by event type; replaced as a whole
	mu       sync.Mutex                          // of those who replace it
}

// compiled is one webhook. Most of a large workspace's webhooks are not wanted for an event, so what is sealed is opened
// when it is first needed.
type compiled struct {
	state  *hookState
	opened atomic.Pointer[fanout.Target]
	filter *lazyFilter // nil: it has none
}

// lazyFilter is a webhook's filter, compiled when it is first asked.
type lazyFilter struct {
	text     string
	once     sync.Once
	compiled atomic.Pointer[filter.Filter] // nil: not yet, or it cannot be
}

// verdict is the judgement on one event type. Without filtered webhooks it is the whole answer.
type verdict struct {
	match    *fanout.Match
	filtered []*compiled // they select the type; their filter decides
}

// maxVerdicts bounds how many types a set remembers: producers may invent types without end.
const maxVerdicts = 256

// What a webhook takes in memory beyond its texts, and what more once it is opened: target, URL, two signers whose hashes
// are kept once used.
const (
	setBytes    = 512
	hookBytes   = 512
	typeBytes   = 24 // of each chosen event type
	openedBytes = 1536
)

// compile prepares matching. A webhook that cannot be opened has a target without a signer: its events are matched, so that
// nothing is lost, but no attempt can be made until the key is back.
func compile(snap *snapshot, keys *Keyring, broken func(fanout.Ref)) *set {
	s := &set{workspace: snap.workspace, pos: snap.pos, suspended: snap.suspended, rate: snap.rate, keys: keys, broken: broken, size: setBytes}
	s.hooks = make([]compiled, len(snap.hooks))
	for i := range snap.hooks {
		state := &snap.hooks[i]
		h := &s.hooks[i]
		h.state = state
		s.size += hookBytes + int64(len(state.id)+len(state.sealed))
		for _, t := range state.types {
			s.size += typeBytes + int64(len(t))
		}
		if state.filter != "" {
			s.size += int64(len(state.filter))
			h.filter = &lazyFilter{text: state.filter}
		}
	}
	s.verdicts.Store(&map[string]*verdict{})
	return s
}

// inherit takes over the filters that an older set of the workspace has compiled, where they are the same: a change of one
// webhook does not cost the reading of all. It is called before anybody else knows s.
func (s *set) inherit(old *set) {
	for i := range s.hooks {
		h := &s.hooks[i]
		if h.filter == nil {
			continue
		}
		before := old.hook(h.state.id)
		if before == nil || before.filter == nil || before.filter.text != h.filter.text {
			continue
		}
		if f := before.filter.compiled.Load(); f != nil {
			h.filter = before.filter
			s.size += int64(f.Size())
		}
	}
}

// ask returns the webhook's filter; nil when an earlier version accepted it and this one cannot compile it.
func (s *set) ask(l *lazyFilter) *filter.Filter {
	l.once.Do(func() {
		if f, err := filter.Compile(l.text); err == nil {
			l.compiled.Store(f)
			s.near.grow(s, int64(f.Size()))
		}
	})
	return l.compiled.Load()
}

// open returns the webhook's target. All who ask get the same one.
func (s *set) open(h *compiled) *fanout.Target {
	if t := h.opened.Load(); t != nil {
		return t
	}
	t := s.newTarget(h.state)
	if !h.opened.CompareAndSwap(nil, t) {
		return h.opened.Load()
	}
	s.near.grow(s, openedBytes+int64(len(h.state.sealed))) // what was sealed is there once more, in the clear
	if t.Signer == nil && s.broken != nil {
		s.broken(t.Ref())
	}
	return t
}

func (s *set) newTarget(state *hookState) *fanout.Target {
	t := &fanout.Target{
		WorkspaceID: s.workspace, WebhookID: state.id, URL: &url.URL{}, Enabled: state.enabled, Suspended: s.suspended, Epoch: state.epoch,
		MaxPerSecond: state.rate,
	}
	p, err := s.keys.openPrivate(s.workspace, state.id, state.sealed)
	if err != nil {
		return t
	}
	u, errURL := url.Parse(p.URL)
	signer, errSecret := webhook.NewSigner(p.Secret)
	if errURL != nil || errSecret != nil {
		return t
	}
	t.URL, t.Headers, t.Signer = u, p.Headers, signer
	if p.Previous != "" {
		if previous, err := webhook.NewSigner(p.Previous); err == nil {
			t.Previous, t.PreviousUntil = previous, fromMillis(state.previousExpires)
		}
	}
	return t
}

// Selects says whether a webhook with these event types (names, `*`, a prefix with a trailing `*`) wants events of a type.
func Selects(types []string, eventType string) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		prefix, open := strings.CutSuffix(t, "*")
		return t == eventType || open && strings.HasPrefix(eventType, prefix)
	})
}

// match judges one event. Its answer is shared between events of one type unless a filter had to be asked; failed is how many
// filters failed.
func (s *set) match(e *fanout.Event) (m *fanout.Match, failed int) {
	v := (*s.verdicts.Load())[e.Type]
	if v == nil {
		v = s.judge(e.Type)
	}
	if len(v.filtered) == 0 {
		return v.match, 0
	}
	m = &fanout.Match{
		Targets: slices.Clone(v.match.Targets), Unmatched: slices.Clone(v.match.Unmatched), Version: v.match.Version,
	}
	in := filter.NewInput(e.Type, event.DataOf(e.Body))
	for _, h := range v.filtered {
		if reason := s.keepsBack(h, in); reason != "" {
			m.Unmatched = append(m.Unmatched, event.Miss{WebhookID: h.state.id, Reason: reason})
			if reason == event.MissFilterError {
				failed++
			}
			continue
		}
		m.Targets = append(m.Targets, s.open(h))
	}
	return m, failed
}

// keepsBack returns why h's filter keeps the event back; empty: it does not. One that cannot be compiled fails on each event.
func (s *set) keepsBack(h *compiled, in *filter.Input) event.MissReason {
	if !in.Read(h.filter.text) {
		return event.MissFilterError
	}
	f := s.ask(h.filter)
	if f == nil {
		return event.MissFilterError
	}
	switch yes, err := f.Match(in); {
	case err != nil:
		return event.MissFilterError
	case !yes:
		return event.MissFilter
	}
	return ""
}

// judge makes the verdict on a type and remembers it.
func (s *set) judge(eventType string) *verdict {
	v := &verdict{match: &fanout.Match{Version: s.pos}}
	miss := func(h *compiled, why event.MissReason) {
		v.match.Unmatched = append(v.match.Unmatched, event.Miss{WebhookID: h.state.id, Reason: why})
	}
	if s.suspended {
		v.match.Reason = event.MissSuspended
	}
	for i := range s.hooks {
		switch h := &s.hooks[i]; {
		case s.suspended:
			miss(h, event.MissSuspended)
		case !h.state.enabled:
			miss(h, event.MissDisabled)
		case !Selects(h.state.types, eventType):
			miss(h, event.MissTypeNotSelected)
		case h.filter != nil:
			v.filtered = append(v.filtered, h)
		default:
			v.match.Targets = append(v.match.Targets, s.open(h))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.verdicts.Load()
	if len(known) < maxVerdicts {
		next := make(map[string]*verdict, len(known)+1)
		maps.Copy(next, known)
		next[strings.Clone(eventType)] = v // the event's type is a piece of its record
		s.verdicts.Store(&next)
	}
	return v
}

// hook finds a webhook by id, nil when there is none.
func (s *set) hook(id string) *compiled {
	i := sort.Search(len(s.hooks), func(i int) bool { return s.hooks[i].state.id >= id })
	if i == len(s.hooks) || s.hooks[i].state.id != id {
		return nil
	}
	return &s.hooks[i]
}
