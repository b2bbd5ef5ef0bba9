package schedule

import "github.com/voxagent/dispatcher/internal/fanout"

// meter is what a webhook or a workspace knows of its rate limit.
type meter struct {
	ref   fanout.Ref // WebhookID empty: the workspace
	hook  *hook      // nil: the workspace
	space *space
	rate  float64 // starts per second; 0: no limit
	paid  bool    // a start was granted and not used yet
	until int64   // while throttled: when to ask again
	place int     // in the heap + 1; 0: not throttled
	// horizon is the last start that was promised to a parked delivery.
	horizon int64
}

func (m *meter) throttled() bool { return m.place != 0 }

// room is how many deliveries may wait for their turn: as many as start within spill.
func (m *meter) room(spill int64) int {
	return max(1, int(min(m.rate*float64(spill)/1e9, 1<<30)))
}

// reserve promises a start behind all that waits and all that was promised, so that what is parked for a rate comes
// back spread as the rate allows, not all at once.
func (m *meter) reserve(now int64, waiting int) int64 {
	each := int64(interval(m.rate))
	ahead := min(float64(waiting)*float64(each), float64(farthest))
	m.horizon = min(max(m.horizon, now+int64(ahead))+each, now+farthest)
	return m.horizon
}

// heap holds the throttled meters, the earliest to ask again first.
type heap []*meter

func (h *heap) push(m *meter) {
	*h = append(*h, m)
	m.place = len(*h)
	h.up(m.place - 1)
}

// remove takes m out.
func (h *heap) remove(m *meter) {
	i, last := m.place-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	m.place = 0
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *heap) swap(i, j int) {
	s := *h
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i+1, j+1
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if (*h)[parent].until <= (*h)[i].until {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) {
	for s := *h; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s); child++ {
			if s[child].until < s[least].until {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
