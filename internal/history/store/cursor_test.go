package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

func FuzzParseCursor(f *testing.F) {
	for _, c := range []cursor{
		{attemptList, now.UnixMilli(), "att_01J00000000000000000000000"}, {deliveryList, 0, "dlv_1"}, {eventList, -1, "x"},
	} {
		f.Add(c.String(), byte(c.kind))
		f.Add(c.String()[1:], byte(c.kind))
	}
	f.Add("", byte(1))
	f.Add("AAAA====", byte(2))
	f.Fuzz(func(t *testing.T, s string, kind byte) {
		c, err := parseCursor(s, listKind(kind))
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Fatalf("%q gave %v", s, err)
			}
			return
		}
		if c.id == "" || c.String() != s || byte(c.kind) != kind {
			t.Fatalf("%q was read as %+v", s, c)
		}
	})
}

func TestCursorOfAnotherList(t *testing.T) {
	s := cursor{attemptList, 5, "att_1"}.String()
	if c, err := parseCursor(s, attemptList); err != nil || c.id != "att_1" || c.at != 5 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := parseCursor(s, eventList); !errors.Is(err, ErrCursor) {
		t.Errorf("another list took the cursor: %v", err)
	}
	for i := range len(s) {
		damaged := []byte(s)
		damaged[i] ^= 1
		if _, err := parseCursor(string(damaged), attemptList); !errors.Is(err, ErrCursor) {
			t.Errorf("damage at %d was not noticed: %v", i, err)
		}
	}
}

// TestPagesAreStable pages through attempts while newer ones arrive: the reader sees each older one once, and none twice.
func TestPagesAreStable(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		add := func(i int) {
			st := story{eventID: fmt.Sprintf("evt_%d", i), offset: i, at: now.Add(-time.Hour)}
			// Many begin in the same millisecond: the id decides.
			fold(t, s, history(st.attempt("wh_1", 1, 200, time.Duration(i/10)*time.Second)))
		}
		const old = 60
		for i := range old {
			add(i)
		}
		seen := map[string]bool{}
		page := Page{Limit: 7}
		for n := 0; ; n++ {
			list, err := s.Attempts(t.Context(), AttemptQuery{WorkspaceID: "ws_a", WebhookIDs: []string{"wh_1"}, Page: page})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list.Data {
				if seen[a.ID] {
					t.Fatalf("%s twice", a.ID)
				}
				seen[a.ID] = true
			}
			if list.Next == "" {
				break
			}
			page.Cursor = list.Next
			add(1000 + 10*n)
		}
		if len(seen) != old {
			t.Errorf("%d attempts seen, want the %d old ones", len(seen), old)
		}
	})
}

func TestPageBounds(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for _, limit := range []int{-1, 251, 1 << 40} {
			if _, err := s.Events(ctx, EventQuery{WorkspaceID: "ws", Page: Page{Limit: limit}}); !errors.Is(err, ErrQuery) {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
		if _, err := s.Deliveries(ctx, DeliveryQuery{WorkspaceID: "ws", Page: Page{Cursor: "x"}}); !errors.Is(err, ErrCursor) {
			t.Errorf("bad cursor: %v", err)
		}
		many := make([]string, maxValues+1)
		if _, err := s.Attempts(ctx, AttemptQuery{WorkspaceID: "ws", SessionIDs: many}); !errors.Is(err, ErrQuery) {
			t.Errorf("too many values: %v", err)
		}
		// A cursor may say anything: it never leaves its workspace.
		fold(t, s, history(story{workspace: "ws_other"}.event(1, "wh_1")))
		far := cursor{kind: eventList, id: event.NewOccurrence(now.Add(time.Hour)).String()}
		list, err := s.Events(ctx, EventQuery{WorkspaceID: "ws", Page: Page{Cursor: far.String()}})
		if err != nil || len(list.Data) != 0 {
			t.Errorf("%v, %v", list, err)
		}
	})
}
