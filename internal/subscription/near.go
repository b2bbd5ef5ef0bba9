package subscription

import (
	"sync"
	"sync/atomic"
	"time"
)

// near is the cache in the process: compiled sets, and how new a set must be to be used. It is safe for concurrent use.
type near struct {
	max  int64 // bytes
	tick atomic.Int64

	mu     sync.RWMutex
	sets   map[string]*set
	bytes  int64
	floor  int64            // a set must be at least of this position
	fences map[string]fence // and, where its workspace changed lately, of this one
}

type fence struct {
	pos int64
	at  time.Time // when it was learned
}

func newNear(maxBytes int64) *near {
	return &near{max: maxBytes, sets: map[string]*set{}, fences: map[string]fence{}}
}

// get returns the workspace's set, nil when it is not here.
func (n *near) get(workspace string) *set {
	n.mu.RLock()
	s := n.current(workspace)
	n.mu.RUnlock()
	if s != nil {
		n.touch(s, n.tick.Load())
	}
	return s
}

// current is the workspace's set, nil when there is none that may be used; n.mu is held.
func (n *near) current(workspace string) *set {
	if s := n.sets[workspace]; s != nil && !s.outdated {
		return s
	}
	return nil
}

// touch notes the use of a set, in steps of a poll: a hot set's memory is only read.
func (n *near) touch(s *set, tick int64) {
	if s.used.Load() != tick {
		s.used.Store(tick)
	}
}

// demanded is the position that a workspace's set must have at least.
func (n *near) demanded(workspace string) int64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return max(n.floor, n.fences[workspace].pos)
}

// put keeps the set unless a change after it is already known; then it says no.
func (n *near) put(s *set) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.pos < max(n.floor, n.fences[s.workspace].pos) {
		return false
	}
	if old := n.sets[s.workspace]; old != nil {
		if old.pos >= s.pos {
			return true
		}
		s.inherit(old)
		n.bytes -= old.size
	}
	s.used.Store(n.tick.Load())
	s.near = n
	n.sets[s.workspace] = s
	n.bytes += s.size
	n.evict(s)
	return true
}

// grow counts what a set has come to hold. A nil near counts nothing.
func (n *near) grow(s *set, bytes int64) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.size += bytes
	if n.sets[s.workspace] == s {
		n.bytes += bytes
		n.evict(s)
	}
}

// evictSample is how many sets are looked at to find one that was not used for long. Go walks a map from a random place.
const evictSample = 8

func (n *near) evict(keep *set) {
	for n.bytes > n.max && len(n.sets) > 1 {
		var oldest *set
		seen := 0
		for _, s := range n.sets {
			if s != keep && (oldest == nil || s.used.Load() < oldest.used.Load()) {
				oldest = s
			}
			if seen++; seen > evictSample {
				break
			}
		}
		delete(n.sets, oldest.workspace)
		n.bytes -= oldest.size
	}
}

// invalidate demands pos of the workspace's set from now on. An older one stays, for the next to inherit from.
func (n *near) invalidate(workspace string, pos int64, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if pos > n.fences[workspace].pos {
		n.fences[workspace] = fence{pos, now}
	}
	if s := n.sets[workspace]; s != nil && s.pos < pos {
		s.outdated = true
	}
}

// reset drops everything that is older than pos: what happened before it is not known any more.
func (n *near) reset(pos int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.sets)
	clear(n.fences)
	n.bytes, n.floor = 0, pos
}

// forget drops fences that no entry of Redis can be behind any more.
func (n *near) forget(before time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for workspace, f := range n.fences {
		if f.at.Before(before) {
			delete(n.fences, workspace)
		}
	}
}

func (n *near) stats() (sets int, bytes int64) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.sets), n.bytes
}
