package retry

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const standard = "5s,5m,30m,2h,5h,10h,10h"

func TestParseSchedule(t *testing.T) {
	got := schedule(t, " 5s, 5m,30m,2h,5h,10h,10h")
	want := Schedule{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
	if !slices.Equal(got, want) || got.String() != standard {
		t.Fatalf("%v, %q", []time.Duration(got), got)
	}
	if got := schedule(t, ""); len(got) != 0 || got.String() != "" || got.Sum() != 0 {
		t.Fatalf("no retries: %q", got)
	}
	for _, bad := range []string{"5", "5s,", ",", "-5s", "0s", "999ms", "169h", "5s;5m", strings.Repeat("1s,", 64) + "1s"} {
		if _, err := ParseSchedule(bad); err == nil {
			t.Errorf("%.20q is taken", bad)
		}
	}
}

// TestScheduleText: what String writes is what ParseSchedule reads.
func TestScheduleText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Schedule
		for _, d := range rapid.SliceOfN(rapid.Int64Range(int64(minDelay), int64(maxDelay)), 1, maxSteps).Draw(t, "delays") {
			s = append(s, time.Duration(d))
		}
		got, err := ParseSchedule(s.String())
		if err != nil || !slices.Equal(got, s) {
			t.Fatalf("%s: %v, %v", s, got, err)
		}
	})
}

func TestSum(t *testing.T) {
	s := schedule(t, "10s,1m")
	if got := s.Sum(); got != 77*time.Second {
		t.Fatalf("%v, want 70 s and a tenth", got)
	}
	if got := NewPolicy(s).Expires(epoch); !got.Equal(epoch.Add(24*time.Hour + 77*time.Second)) {
		t.Fatalf("expires at %v", got)
	}
}
