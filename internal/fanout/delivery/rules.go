package delivery

import (
	"errors"
	"strings"

	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// Rules say what a webhook may be given: its URL and its custom headers. They ask nobody, so that whoever saves a
// webhook can apply them at once. Safe for concurrent use.
type Rules struct {
	policy    *dial.Policy
	signature string
}

// NewRules returns the rules that a Sender with the same Config keeps to.
func NewRules(c Config) (*Rules, error) {
	c = c.withDefaults()
	if err := c.validateHead(); err != nil {
		return nil, err
	}
	policy, err := dial.NewPolicy(c.policy())
	if err != nil {
		return nil, err
	}
	return &Rules{policy: policy, signature: c.SignatureHeader}, nil
}

// CheckURL says whether raw may be a webhook's URL. The error is a sentence without a subject, such as "must begin with
// https://", for whoever entered the URL.
func (r *Rules) CheckURL(raw string) error { return r.policy.CheckURL(raw) }

// CheckHeader says whether name and value may be one of a webhook's custom headers. The error never repeats the value. How
// many there may be, and that none stands twice, is for the caller to see to.
func (r *Rules) CheckHeader(name, value string) error {
	switch {
	case !isToken(name):
		return errors.New("is not a header name")
	case reserved(name) || strings.EqualFold(name, r.signature):
		return errors.New("can't be set")
	case !isFieldValue(value):
		return errors.New("must have a value without control and non-ASCII characters")
	}
	return nil
}

// reserved says whether a header is ours, describes the connection or the body, or would change how a request is sent.
func reserved(name string) bool {
	var buf [24]byte
	low := buf[:0]
	for i := range min(len(name), len(buf)) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		low = append(low, c)
	}
	start := string(low)
	for _, prefix := range [...]string{"x-voxagent-", "webhook-", "content-", "proxy-"} {
		if strings.HasPrefix(start, prefix) {
			return true
		}
	}
	if len(name) > len(buf) {
		return false
	}
	switch start {
	case "host", "user-agent", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
		"http2-settings", "expect", "cookie2", "idempotency-key", "x-idempotency-key":
		return true
	}
	return false
}

// isToken says whether s is a header name as RFC 9110 defines it.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// isFieldValue says whether s may stand in a header: printable ASCII, so that nothing in it ends the line.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
