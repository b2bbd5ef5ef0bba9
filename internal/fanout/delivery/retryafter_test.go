package delivery

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for value, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, "120": 2 * time.Minute, "007": 7 * time.Second, " 5\t": 5 * time.Second,
		"86400": day, "86401": day, "99999999999": day, "9223372036854775807": day, "9223372036854775808": day,
		"9223372037": day, "18446744073709551616": day, strings.Repeat("9", 4000): day, strings.Repeat("0", 4000) + "3": 3 * time.Second,
		"Tue, 24 Nov 2026 08:00:30 GMT":   30 * time.Second,
		"Tuesday, 24-Nov-26 08:01:00 GMT": time.Minute,
		"Tue Nov 24 09:00:00 2026":        time.Hour,
		"Fri, 01 Jan 2100 00:00:00 GMT":   day,
	} {
		if got, ok := ParseRetryAfter(value, now); !ok || got != want {
			t.Errorf("%.40q: %v, %v, want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{
		"", " ", "-1", "+1", "1.5", "1e3", "0x10", "1 2", "soon", "５", "1s", "1;2",
		"Tue, 24 Nov 2026 08:00:00 GMT", "Tue, 24 Nov 2026 07:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
		"Tue, 24 Nov 2026", "2026-11-24T09:00:00Z", strings.Repeat("9", 100) + "x",
	} {
		if got, ok := ParseRetryAfter(value, now); ok || got != 0 {
			t.Errorf("%.40q: %v, %v, want it ignored", value, got, ok)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"0", "120", "9223372036854775807", "-1", "1.5", "Tue, 24 Nov 2026 08:00:30 GMT"} {
		f.Add(seed, int64(1_795_507_200))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		now := time.Unix(unix%(1<<40), 0)
		got, ok := ParseRetryAfter(value, now)
		if got < 0 || got > maxRetryAfter || !ok && got != 0 {
			t.Fatalf("%q: %v, %v", value, got, ok)
		}
		if at, err := http.ParseTime(value); err == nil && ok && !at.After(now) {
			t.Fatalf("%q has passed at %v, but gives %v", value, now, got)
		}
	})
}
