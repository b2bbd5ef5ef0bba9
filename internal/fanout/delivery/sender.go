package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/dial"
)

// Sender makes attempts; it implements fanout.Sender. Safe for concurrent use; it owns no goroutine between attempts.
type Sender struct {
	rules   *Rules
	client  *retryablehttp.Client
	timeout time.Duration
	close   func()
	stats   func() (open, idle int)
	bodies  sync.Pool // of *bodyBuffer

	signatureHeader string
	userAgent       string
	fixedHead       string // the header lines that are the same in every request
	proto           *http.Request
}

var _ fanout.Sender = (*Sender)(nil)

// New returns a Sender. The error joins all that is wrong with c.
func New(c Config) (*Sender, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	rules, err := NewRules(c)
	if err != nil {
		return nil, err
	}
	dialer, err := c.dialer(rules.policy)
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(c, dialer)
	if err != nil {
		return nil, err
	}
	return &Sender{
		rules: rules, timeout: c.RequestTimeout, close: engine.close, stats: engine.stats,
		client:          newClient(&recorder{next: engine}),
		signatureHeader: c.SignatureHeader,
		userAgent:       c.UserAgent,
		fixedHead: headerContentType + ": " + contentType + "\r\n" +
			headerUserAgent + ": " + c.UserAgent + "\r\n",
		proto: &http.Request{Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
	}, nil
}

// Rules returns what a webhook may be given so that this Sender serves it.
func (s *Sender) Rules() *Rules { return s.rules }

// Close closes the connections that no attempt uses. Attempts in flight go on.
func (s *Sender) Close() { s.close() }

// Connections says how many connections are open, and how many of them are idle. EngineNetHTTP does not count: 0.
func (s *Sender) Connections() (open, idle int) { return s.stats() }

// Send implements fanout.Sender.
func (s *Sender) Send(ctx context.Context, t *fanout.Target, d *fanout.Delivery) (fanout.Outcome, error) {
	if t.Signer == nil {
		return fanout.Outcome{}, fmt.Errorf("attempt %d of %s: webhook %s has no secret to sign with", d.Attempt, d.ID, t.WebhookID)
	}
	a := s.newAttempt(t, d)
	err := s.do(ctx, a)
	a.end = time.Now()
	if a.status != 0 {
		return a.outcome(), nil
	}
	if ctx.Err() != nil {
		// The caller gave up: nobody knows what the receiver would have said.
		return fanout.Outcome{}, fmt.Errorf("attempt %d of %s: %w", d.Attempt, d.ID, context.Cause(ctx))
	}
	verdict := Classify(err)
	if verdict.Own {
		return fanout.Outcome{}, fmt.Errorf("attempt %d of %s: %w", d.Attempt, d.ID, err)
	}
	out := a.outcome()
	out.Error, out.Detail = verdict.Code, verdict.Detail
	return out, nil
}

// do puts the request on the wire, if it may go there, and returns why there was no answer.
func (s *Sender) do(ctx context.Context, a *attempt) error {
	if err := s.checkTarget(a.target.URL); err != nil {
		return err
	}
	req := s.proto.WithContext(ctx)
	req.URL, req.Host, req.Header = a.target.URL, a.target.URL.Host, http.Header{}
	req.Body, req.ContentLength = a, int64(len(a.Payload()))
	resp, err := s.client.Do(&retryablehttp.Request{Request: req})
	if resp != nil {
		resp.Body.Close()
	}
	if a.reached {
		return a.err
	}
	// The client's own refusal; without the URL that it puts into its errors.
	if refused, ok := errors.AsType[*url.Error](err); ok {
		err = refused.Err
	}
	return err
}

// checkTarget repeats the parts of CheckURL that the wire depends on, for webhooks saved under other rules.
func (s *Sender) checkTarget(u *url.URL) error {
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || s.rules.policy.HTTPSOnly()):
		return &dial.BlockedError{Reason: "destination not allowed: the URL begins with a scheme that is not allowed"}
	case u.User != nil:
		return &dial.BlockedError{Reason: "destination not allowed: the URL must not contain a user name or password"}
	case u.Host == "" || u.Opaque != "" || hasSpace(u.Host):
		return &dial.BlockedError{Reason: "destination not allowed: the URL must name a host"}
	case !isFieldValue(u.RawQuery) || hasSpace(u.RawQuery):
		return &dial.BlockedError{Reason: "destination not allowed: the URL's query must be percent-encoded"}
	}
	return nil
}

// hasSpace says whether s has what would end the first line of a request, or a part of it.
func hasSpace(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
