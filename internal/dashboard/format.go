package dashboard

import (
	"fmt"
	"strconv"
	"time"
)

const (
	isoLayout  = "2006-01-02T15:04:05.000Z"
	utcLayout  = "2006-01-02 15:04:05.000 UTC"
	dayLayout  = "2 Jan 2006"
	hourLayout = "15:04"
)

// iso is a time as the datetime attribute takes it.
func iso(t time.Time) string { return t.UTC().Format(isoLayout) }

// utc is the exact time as a reader sees it.
func utc(t time.Time) string { return t.UTC().Format(utcLayout) }

// clock is the time of day of something recent, else the day.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if age := now.Sub(t).Abs(); age < 20*time.Hour {
		return t.Format("15:04:05")
	}
	if t.Year() == now.Year() {
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format(dayLayout)
}

// ago says how far away t is in one unit: `12 s ago`, `in 4 m`.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	size := d.Abs()
	var text string
	switch {
	case size < 2*time.Second:
		return "now"
	case size < time.Minute:
		text = strconv.Itoa(int(size/time.Second)) + " s"
	case size < time.Hour:
		text = strconv.Itoa(int(size/time.Minute)) + " m"
	case size < 24*time.Hour:
		text = strconv.Itoa(int(size/time.Hour)) + " h"
	default:
		text = strconv.Itoa(int(size/(24*time.Hour))) + " d"
	}
	if d < 0 {
		return "in " + text
	}
	return text + " ago"
}

// span writes a duration with three figures: `0.4 ms`, `182 ms`, `5.00 s`, `2 m 10 s`.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return wait(d)
	}
}

// wait writes a delay of the schedule: `5 s`, `30 m`, `2 h`, `1 d 3 h`.
func wait(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		text := strconv.Itoa(int(d/u.size)) + " " + u.name
		if i+1 < len(units) {
			if rest := d % u.size / units[i+1].size; rest > 0 {
				text += " " + strconv.Itoa(int(rest)) + " " + units[i+1].name
			}
		}
		return text
	}
	return "0 s"
}

// size writes a number of bytes: `812 B`, `30 KB`, `1.2 MB` (1 KB = 1024 B).
func size(n int64) string {
	const kb, mb = 1 << 10, 1 << 20
	switch {
	case n < kb:
		return strconv.FormatInt(n, 10) + " B"
	case n < 10*kb:
		return fmt.Sprintf("%.1f KB", float64(n)/kb)
	case n < mb:
		return strconv.FormatInt(n/kb, 10) + " KB"
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/mb)
	}
}

// count writes a number with commas: 1,204.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is `1 type`, `2 types`.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
