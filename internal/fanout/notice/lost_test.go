package notice

import (
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

func TestLost(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	gap := event.Source{Topic: "t", Partition: 3, Offset: 100}
	n := Lost(gap, 150, now)
	if n.Type != event.NoticeEventsLost || n.Count != 50 || n.Source != gap || n.Detail == "" || n.WorkspaceID != "" {
		t.Errorf("%+v", n)
	}
	if again := Lost(gap, 150, now.Add(time.Hour)); again.ID != n.ID {
		t.Errorf("found again it is %s, was %s", again.ID, n.ID)
	}
	anew := Lost(gap, -1, now)
	if anew.Count != 0 || anew.ID == n.ID {
		t.Errorf("made anew: %+v", anew)
	}
}
