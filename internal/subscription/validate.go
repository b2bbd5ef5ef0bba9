package subscription

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/internal/filter"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// Sizes of what a customer may store. Texts are counted in bytes but for the description, which people see.
const (
	maxDescription = 1024 // characters
	maxEventType   = 128
	minRate        = 0.0001 // a start in 10,000 s: below it, the time between two comes near what a bucket can count
	maxRate        = 100_000
	maxHeaders     = 20
	maxHeaderBytes = 4 << 10
	maxIdempotency = 255
	maxKeyName     = 100 // characters
	maxWorkspaceID = 64
	maxGivenID     = 64
)

// complete is a webhook that is to be stored, with what the private part holds.
type complete struct {
	URL, Description, Filter string
	EventTypes               []string
	MaxPerSecond             float64
	Headers                  []event.Header
}

// check judges all of c but what is equal in before: what was accepted once stays accepted, also when the catalogue or
// the policy is another one now.
func (cfg *Config) check(c, before *complete) Invalid {
	var faults Invalid
	if before == nil || c.URL != before.URL {
		cfg.checkURL(&faults, c.URL)
	}
	if n := utf8.RuneCountInString(c.Description); n > maxDescription || !isText(c.Description) {
		faults.add("body.description", fmt.Sprintf("want at most %d characters of text", maxDescription), nil)
	}
	var known []string
	if before != nil {
		known = before.EventTypes
	}
	cfg.checkEventTypes(&faults, c.EventTypes, known)
	if c.MaxPerSecond != 0 && !validRate(c.MaxPerSecond) {
		faults.add("body.max_per_second", fmt.Sprintf("want a number from %g to %d, or null", minRate, maxRate), jsonNumber(c.MaxPerSecond))
	}
	if before == nil || c.Filter != before.Filter {
		checkFilter(&faults, c.Filter)
	}
	if before == nil || !slices.Equal(c.Headers, before.Headers) {
		cfg.checkHeaders(&faults, c.Headers)
	}
	return faults
}

func (cfg *Config) checkURL(faults *Invalid, url string) {
	const at = "body.url"
	switch {
	case url == "":
		faults.add(at, "is required", nil)
	case len(url) > cfg.MaxURLBytes:
		faults.add(at, fmt.Sprintf("is %d bytes long, at most %d are allowed", len(url), cfg.MaxURLBytes), nil)
	default:
		if err := cfg.CheckURL(url); err != nil {
			faults.add(at, err.Error(), publicURL(url))
		}
	}
}

// checkEventTypes takes names that the catalogue knows, names in kept, `*`, and a valid beginning with a trailing `*`.
func (cfg *Config) checkEventTypes(faults *Invalid, types, kept []string) {
	const at = "body.event_types"
	if len(types) == 0 {
		faults.add(at, "want at least one", nil)
	}
	if len(types) > cfg.MaxEventTypes {
		faults.add(at, fmt.Sprintf("are %d, at most %d are allowed", len(types), cfg.MaxEventTypes), nil)
		return
	}
	known := cfg.EventTypes()
	for i, t := range types {
		if slices.Contains(kept, t) || slices.Contains(known, t) {
			continue
		}
		prefix, isPrefix := strings.CutSuffix(t, "*")
		if isPrefix && len(t) <= maxEventType && isTypeName(prefix) {
			continue
		}
		faults.add(fmt.Sprintf("%s[%d]", at, i),
			"is no known event type; known are "+strings.Join(known, ", ")+", and * at the end stands for anything", shorten(t))
	}
}

func checkFilter(faults *Invalid, text string) {
	if text == "" {
		return
	}
	if _, err := filter.Compile(text); err != nil {
		faults.add("body.filter", err.Error(), text)
	}
}

// checkHeaders never repeats a value.
func (cfg *Config) checkHeaders(faults *Invalid, headers []event.Header) {
	const at = "body.headers"
	if len(headers) > maxHeaders {
		faults.add(at, fmt.Sprintf("are %d, at most %d are allowed", len(headers), maxHeaders), nil)
		return
	}
	size, seen := 0, map[string]bool{}
	for _, h := range headers {
		size += len(h[0]) + len(h[1])
		lower := strings.ToLower(h[0])
		if seen[lower] {
			faults.add(at+"."+shorten(h[0]), "is there twice; case makes no difference", nil)
		}
		seen[lower] = true
		if err := cfg.CheckHeader(h[0], h[1]); err != nil {
			faults.add(at+"."+shorten(h[0]), err.Error(), nil)
		}
	}
	if size > maxHeaderBytes {
		faults.add(at, fmt.Sprintf("are %d bytes together, at most %d are allowed", size, maxHeaderBytes), nil)
	}
}

func checkGiven(faults *Invalid, n *New, idem Idempotency) {
	if suffix, ok := strings.CutPrefix(n.ID, event.PrefixWebhook); n.ID != "" && (!ok || !isID(suffix) || len(n.ID) > maxGivenID) {
		faults.add("body.id", fmt.Sprintf("want wh_ and A-Z a-z 0-9 _ -, at most %d characters together", maxGivenID), shorten(n.ID))
	}
	if n.Secret != "" && webhook.CheckSecret(string(n.Secret)) != nil {
		faults.add("body.secret", fmt.Sprintf("want %d to %d printable ASCII characters", webhook.MinSecret, webhook.MaxSecret), nil)
	}
	checkIdempotency(faults, idem)
}

func checkIdempotency(faults *Invalid, idem Idempotency) {
	if len(idem.Key) > maxIdempotency || !isText(idem.Key) {
		faults.add("header.Idempotency-Key", fmt.Sprintf("want at most %d bytes of text", maxIdempotency), nil)
	}
}

// checkWorkspace takes 1–64 of A-Z a-z 0-9 _ -.
func checkWorkspace(workspace string) error {
	if !isID(workspace) || len(workspace) > maxWorkspaceID {
		return Invalid{{"path.workspace_id", "want 1 to 64 of A-Z a-z 0-9 _ -", shorten(workspace)}}
	}
	return nil
}

func validRate(r float64) bool { return r >= minRate && r <= maxRate }

// jsonNumber keeps NaN and the infinities out of answers, which cannot encode them.
func jsonNumber(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

func isID(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r == '.' || !isTypeRune(r) }) < 0
}

// isTypeName also takes the empty beginning, of `*`.
func isTypeName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !isTypeRune(r) }) < 0
}

func isTypeRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// isText refuses what PostgreSQL cannot keep as text.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// shorten makes what was given fit to be repeated.
func shorten(s string) string {
	const limit = 128
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// distinct drops repeated entries and keeps the order.
func distinct(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
