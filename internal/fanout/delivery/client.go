package delivery

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// newClient returns the program's only HTTP client. It asks rt once for each request: no retries, no redirects, no
// cookies, no proxy from the environment, no log of its own.
func newClient(rt http.RoundTripper) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     rt,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     0,
		CheckRetry:   func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		Backoff:      retryablehttp.DefaultBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// recorder keeps what a transport answers in the attempt that asked.
//
// It has RoundTrip and nothing else: retryablehttp calls CloseIdleConnections after every failure, so that a single
// dead receiver would cost all others their open connections.
type recorder struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper. The response that it returns has no header, because the client above would
// fail on a Location that does not parse; the real one stays in the attempt.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Body.(*attempt)
	if !ok {
		return nil, errors.New("not a request of Send")
	}
	a.reached = true
	resp, err := r.next.RoundTrip(req)
	a.answered = time.Now()
	if err != nil {
		a.err = err
		return nil, err
	}
	a.take(resp)
	resp.Header, resp.Body = nil, http.NoBody
	return resp, nil
}
