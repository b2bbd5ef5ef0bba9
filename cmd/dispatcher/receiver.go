package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

// maxReceived bounds the body that a local receiver reads.
const maxReceived = 64 << 20

// received is what a local receiver knows of one request.
type received struct {
	Header http.Header
	Body   []byte
	// Verified is nil when both signatures fit, errNoSecret when there was nothing to check by.
	Verified error
}

// receiver is a webhook endpoint for developers: it checks signatures, reports each request and answers as it is told.
type receiver struct {
	secrets []string
	status  int
	delay   time.Duration
	forward string
	do      func(*http.Request) (*http.Response, error) // for forward
	report  func(received)
	mu      sync.Mutex // one report at a time
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxReceived))
	if err != nil {
		http.Error(w, "body not read", http.StatusBadRequest)
		return
	}
	got := received{Header: req.Header, Body: body, Verified: r.verify(req.Header, body)}
	r.mu.Lock()
	r.report(got)
	r.mu.Unlock()
	if r.delay > 0 {
		select {
		case <-req.Context().Done():
			return
		case <-time.After(r.delay):
		}
	}
	if r.forward != "" {
		r.pass(w, req, body)
		return
	}
	w.WriteHeader(r.status)
	_, _ = fmt.Fprintln(w, http.StatusText(r.status))
}

// verify checks both signatures, as a careful receiver would.
func (r *receiver) verify(h http.Header, body []byte) error {
	if len(r.secrets) == 0 {
		return errNoSecret
	}
	if err := webhook.Verify(h, body, r.secrets...); err != nil {
		return err
	}
	var err error
	for _, secret := range r.secrets {
		if err = webhook.VerifyHex(body, h.Get(webhook.HeaderSignature), secret); err == nil {
			return nil
		}
	}
	return err
}

// pass sends the request on and the answer back.
func (r *receiver) pass(w http.ResponseWriter, req *http.Request, body []byte) {
	out, err := http.NewRequestWithContext(req.Context(), http.MethodPost, r.forward, bytes.NewReader(body))
	if err != nil {
		http.Error(w, "forward: "+err.Error(), http.StatusBadGateway)
		return
	}
	out.Header = req.Header.Clone()
	resp, err := r.do(out)
	if err != nil {
		http.Error(w, "forward: "+err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
