package subscription

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// private is the part of a webhook that is sealed, in SQL and in Redis alike. Its fields are plain text on purpose:
// only sealPrivate and openPrivate may handle it.
type private struct {
	URL      string
	Secret   string
	Previous string // of a rotation; empty when there is none
	Headers  []event.Header
}

// Format keeps a private out of every log line.
func (*private) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("***")) }

// privateFormat is the first byte of an encoded private.
const privateFormat = 1

func (r *Keyring) sealPrivate(workspace, id string, p *private) []byte {
	b := appendText(appendText(appendText([]byte{privateFormat}, p.URL), p.Secret), p.Previous)
	b = binary.AppendUvarint(b, uint64(len(p.Headers)))
	for _, h := range p.Headers {
		b = appendText(appendText(b, h[0]), h[1])
	}
	return r.seal(workspace, id, b)
}

func (r *Keyring) openPrivate(workspace, id string, sealed []byte) (*private, error) {
	plain, err := r.open(workspace, id, sealed)
	if err != nil {
		return nil, err
	}
	in := reader{rest: plain}
	format := in.byte()
	p := &private{URL: string(in.text()), Secret: string(in.text()), Previous: string(in.text())}
	for range in.count() {
		p.Headers = append(p.Headers, event.Header{string(in.text()), string(in.text())})
	}
	if format != privateFormat || in.bad || len(in.rest) > 0 {
		return nil, fmt.Errorf("webhook %s: %w", id, ErrSealed) // sealed by a newer program
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

// publicURL is raw without what may be a credential: no userinfo, and of the query what history shows too. It is what stands
// in tables and in the audit log.
func publicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return "***"
	}
	query := u.RawQuery
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	var b strings.Builder
	b.WriteString(u.String())
	fanout.WriteQuery(&b, query)
	return b.String()
}
