package delivery

import (
	"net/http"
	"strings"
	"time"
)

// maxRetryAfter is the longest wait that a receiver may ask for.
const maxRetryAfter = 24 * time.Hour

// ParseRetryAfter reads the value of a Retry-After header: seconds in any number of digits, or an HTTP date after now.
// The result is at most 24 h. It is false for what is to be ignored: negative or decimal numbers, dates that have
// passed, and everything else.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0, false
	}
	if wait, ok := parseSeconds(value); ok {
		return wait, true
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0, false
	}
	return min(at.Sub(now), maxRetryAfter), true
}

// parseSeconds reads digits. Once the cap is reached the rest only has to be digits, so nothing overflows.
func parseSeconds(s string) (time.Duration, bool) {
	var wait time.Duration
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		wait = min(wait*10+time.Duration(s[i]-'0')*time.Second, maxRetryAfter)
	}
	return wait, true
}
