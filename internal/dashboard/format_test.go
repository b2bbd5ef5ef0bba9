package dashboard

import (
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ got, want string }{
		{ago(now, now), "now"},
		{ago(now.Add(-59*time.Second), now), "59 s ago"},
		{ago(now.Add(-61*time.Minute), now), "1 h ago"},
		{ago(now.Add(4*time.Minute+time.Second), now), "in 4 m"},
		{ago(now.Add(-50*time.Hour), now), "2 d ago"},
		{clock(now.Add(-time.Hour), now), "11:00:00"},
		{clock(now.Add(-30*time.Hour), now), "22 Nov 06:00:00"},
		{clock(now.AddDate(-1, 0, 0), now), "23 Nov 2025"},
		{span(410 * time.Microsecond), "0.4 ms"},
		{span(182 * time.Millisecond), "182 ms"},
		{span(5 * time.Second), "5.00 s"},
		{span(31400 * time.Millisecond), "31.4 s"},
		{span(130 * time.Second), "2 m 10 s"},
		{wait(27 * time.Hour), "1 d 3 h"},
		{wait(0), "0 s"},
		{size(812), "812 B"},
		{size(6800), "6.6 KB"},
		{size(30 << 10), "30 KB"},
		{size(1258291), "1.2 MB"},
		{count(0), "0"},
		{count(1204), "1,204"},
		{count(1234567), "1,234,567"},
		{plural(1, "type", "types"), "1 type"},
		{plural(2, "type", "types"), "2 types"},
		{iso(now), "2026-11-23T12:00:00.000Z"},
		{utc(now), "2026-11-23 12:00:00.000 UTC"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}
