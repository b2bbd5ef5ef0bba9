package event

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	utc := func(y int, mo time.Month, d, h, mi, s, ns int) time.Time {
		return time.Date(y, mo, d, h, mi, s, ns, time.UTC)
	}
	for in, want := range map[string]time.Time{
		"2026-11-23T08:00:00Z":            utc(2026, 11, 23, 8, 0, 0, 0),
		"2026-11-23t08:00:00z":            utc(2026, 11, 23, 8, 0, 0, 0),
		"2026-11-23T08:00:00.5Z":          utc(2026, 11, 23, 8, 0, 0, 5e8),
		"2026-11-23T08:00:00.1234567891Z": utc(2026, 11, 23, 8, 0, 0, 123456789),
		"2026-11-23T08:00:00+05:30":       utc(2026, 11, 23, 2, 30, 0, 0),
		"2026-11-23T08:00:00-00:00":       utc(2026, 11, 23, 8, 0, 0, 0),
		"2026-12-31T23:00:00-23:59":       utc(2027, 1, 1, 22, 59, 0, 0),
		"2016-12-31T23:59:60Z":            utc(2017, 1, 1, 0, 0, 0, 0),
		"2024-02-29T00:00:00Z":            utc(2024, 2, 29, 0, 0, 0, 0),
		"2000-02-29T00:00:00Z":            utc(2000, 2, 29, 0, 0, 0, 0),
		"0000-01-01T00:00:00Z":            utc(0, 1, 1, 0, 0, 0, 0),
		"9999-12-31T23:59:59.999Z":        utc(9999, 12, 31, 23, 59, 59, 999e6),
	} {
		if got, ok := parseTime(in); !ok || !got.Equal(want) {
			t.Errorf("%s: %v %v, want %v", in, got, ok, want)
		}
	}
	for in := range strings.SplitSeq("|2026|2026-11-23|2026-11-23T08:00Z|2026-11-23T08:00:00|2026-11-23T08:00:00,5Z|2026-11-23T08:00:00.Z|"+
		"2026-11-23T8:00:00Z|2026-11-23 08:00:00Z|2026-13-01T00:00:00Z|2026-00-01T00:00:00Z|2026-02-29T00:00:00Z|1900-02-29T00:00:00Z|"+
		"2026-04-31T00:00:00Z|2026-11-00T00:00:00Z|2026-11-23T24:00:00Z|2026-11-23T08:60:00Z|2026-11-23T08:00:61Z|2026-11-23T08:00:00+24:00|"+
		"2026-11-23T08:00:00+05:60|2026-11-23T08:00:00+0530|2026-11-23T08:00:00+5:30|2026-11-23T08:00:00ZZ|2026-11-23T08:00:00.5|-026-11-23T08:00:00Z|"+
		"2026-11-23T08:00:00.5+|0000-01-01T00:00:00+00:01|9999-12-31T23:59:59-00:01|9999-12-31T23:59:60Z|2026:11-23T08:00:00Z|20261123T080000Z", "|") {
		if got, ok := parseTime(in); ok {
			t.Errorf("%q taken as %v", in, got)
		}
	}
}

// FuzzParseTime holds parseTime against a grammar and package time, which takes more (a decimal
// comma, hours of one digit) and less (leap seconds, lower case) than the RFC.
func FuzzParseTime(f *testing.F) {
	f.Add("2026-11-23T08:00:00.123Z")
	f.Add("2024-02-29T23:59:59.999999999-12:34")
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime(s)
		upper := strings.ToUpper(s)
		if len(s) > 19 && strings.HasPrefix(s[17:], "60") {
			upper = upper[:17] + "59" + upper[19:]
			got = got.Add(-time.Second)
		}
		want, err := time.Parse(time.RFC3339, upper)
		inUTC := want.UTC()
		if len(s) > 19 && s[17:19] == "60" {
			inUTC = inUTC.Add(time.Second)
		}
		year := inUTC.Year()
		if valid := err == nil && form.MatchString(upper) && year >= 0 && year <= 9999; ok != valid || ok && !got.Equal(want) {
			t.Fatalf("%q: %v %v, want %v %v", s, got, ok, want, err)
		}
	})
}

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(1795420800123), time.Date(2026, 1, 2, 3, 4, 5, 6e6+999, time.FixedZone("", 7200)),
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, want := FormatTime(at), at.UTC().Format(timeLayout); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`plain`: "plain", ``: "", `\"\\\/\b\f\n\r\t`: "\"\\/\b\f\n\r\t", `a\u00e9b`: "aéb", `\ud83d\ude00`: "😀", `\ud83d`: "\uFFFD",
		`\ud83dx`: "\uFFFDx", `\ud83d\n`: "\uFFFD\n", `\ude00\ud83d`: "\uFFFD\uFFFD", `\ud83d\u0041`: "\uFFFDA", `\u212A`: "\u212A",
	} {
		if got := string(unescape([]byte(in))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
