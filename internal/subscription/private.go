package subscription

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// private is the part of a webhook that is sealed, in SQL and in Redis alike. Its fields are plain text on purpose:
// only seal and open may handle it.
type private struct {
	URL      string         `json:"u"`
	Secret   string         `json:"s"`
	Previous string         `json:"p,omitempty"`
	Headers  []event.Header `json:"h,omitempty"`
}

// Format keeps a private out of every log line.
func (private) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("***")) }

func (r *Keyring) sealPrivate(workspace, id string, p *private) ([]byte, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("seal webhook %s: %w", id, err)
	}
	return r.seal(workspace, id, plain), nil
}

func (r *Keyring) openPrivate(workspace, id string, sealed []byte) (*private, error) {
	plain, err := r.open(workspace, id, sealed)
	if err != nil {
		return nil, err
	}
	p := &private{}
	if err := json.Unmarshal(plain, p); err != nil {
		return nil, fmt.Errorf("webhook %s: %w", id, ErrSealed) // the decoder's error would quote the text
	}
	return p, nil
}

// secrets returns the secrets that sign at the time now.
func (p *private) secrets(previousExpires, now time.Time) Secrets {
	s := Secrets{Current: fanout.Secret(p.Secret)}
	if p.Previous != "" && now.Before(previousExpires) {
		s.Previous, s.PreviousExpiresAt = fanout.Secret(p.Previous), previousExpires
	}
	return s
}

// names returns the headers with *** for each value.
func names(headers []event.Header) []event.Header {
	if len(headers) == 0 {
		return nil
	}
	out := make([]event.Header, len(headers))
	for i, h := range headers {
		out[i] = event.Header{h[0], "***"}
	}
	return out
}

// publicURL is raw without what may be a credential: no userinfo, *** for each query value. It is what stands in tables
// and in the audit log.
func publicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "***"
	}
	u.User = nil
	if u.RawQuery == "" {
		return u.String()
	}
	query := u.Query()
	u.RawQuery, u.Fragment = "", ""
	out := u.String()
	sep := "?"
	for _, key := range sortedKeys(query) {
		out += sep + url.QueryEscape(key) + "=***"
		sep = "&"
	}
	return out
}
