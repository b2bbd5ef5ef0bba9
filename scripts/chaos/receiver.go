package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// behaviour is how a webhook's receiver answers.
type behaviour uint8

const (
	healthy behaviour = iota // 200 at once
	flaky                    // 500 to the first or the first two attempts of a delivery, then 200
	slow                     // 200 after one to two seconds
	hanging                  // no answer to the first attempt of one delivery in twenty, else 200
	failing                  // 500, always
)

var behaviourNames = [...]string{healthy: "healthy", flaky: "flaky", slow: "slow", hanging: "hanging", failing: "failing"}

func (b behaviour) String() string { return behaviourNames[b] }

// attemptKey names one attempt. All deliveries of a run have one chain: nobody resends.
type attemptKey struct {
	delivery string
	number   int
}

// request is one request as a receiver saw it.
type request struct {
	attemptKey
	event    string // webhook-id
	hook     string // the webhook whose URL it came to
	sender   string // the dispatcher process
	begin    time.Time
	end      time.Time
	status   int // as it was answered; 0: the sender went away, or no answer was given
	bodyHash [32]byte
}

// receiver is the HTTP server of all webhooks of the run, with its log.
type receiver struct {
	server *http.Server
	url    string

	mu    sync.Mutex
	hooks map[string]behaviour // by the name in the path
	seen  []*request
	open  int
}

func startReceiver(ctx context.Context) (*receiver, error) {
	r := &receiver{hooks: make(map[string]behaviour)}
	var cfg net.ListenConfig
	l, err := cfg.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.url = "http://" + l.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := r.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // a listener on loopback does not fail
		}
	}()
	return r, nil
}

func (r *receiver) stop() { _ = r.server.Close() }

// add opens an address for a webhook and returns its URL.
func (r *receiver) add(name string, b behaviour) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks[name] = b
	return r.url + "/" + name
}

// ServeHTTP notes the request, answers as the webhook does, and notes the answer.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	q := &request{begin: time.Now(), event: req.Header.Get("webhook-id"), hook: strings.TrimPrefix(req.URL.Path, "/")}
	q.delivery = req.Header.Get("X-Voxagent-Delivery")
	q.number, _ = strconv.Atoi(req.Header.Get("X-Voxagent-Attempt"))
	q.sender = sender(req.Header)
	digest := sha256.New()
	if _, err := io.Copy(digest, req.Body); err != nil {
		return // the sender died in the middle of it: no attempt that a receiver could act on
	}
	digest.Sum(q.bodyHash[:0])
	r.mu.Lock()
	b := r.hooks[q.hook]
	r.seen = append(r.seen, q)
	r.open++
	r.mu.Unlock()

	status := answer(req.Context(), b, q)
	if status != 0 && req.Context().Err() == nil {
		w.WriteHeader(status)
	} else {
		status = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q.status, q.end = status, time.Now()
	r.open--
}

// hang is how long a receiver that does not answer holds the connection: longer than any request.
const hang = 30 * time.Second

// answer waits as the webhook does and returns its status, 0 for none.
func answer(ctx context.Context, b behaviour, q *request) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(q.delivery))
	chance := int(h.Sum32() % 1000)
	switch b {
	case flaky:
		if q.number <= 1+chance%2 {
			return http.StatusInternalServerError
		}
	case slow:
		wait(ctx, time.Second+time.Duration(chance)*time.Millisecond)
	case hanging:
		if q.number == 1 && chance < 50 {
			wait(ctx, hang)
			return 0
		}
	case failing:
		return http.StatusInternalServerError
	case healthy:
	}
	return http.StatusOK
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// sender finds the process that sent the request by the name of its signature header.
func sender(h http.Header) string {
	for name := range h {
		if rest, ok := strings.CutPrefix(name, signatureHeader); ok {
			return rest
		}
	}
	return ""
}

// take returns what was seen of the named webhooks and forgets them. Requests that are still open are taken as they stand.
func (r *receiver) take(names map[string]bool) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []request
	kept := r.seen[:0:0]
	for _, q := range r.seen {
		if !names[q.hook] {
			kept = append(kept, q)
			continue
		}
		taken = append(taken, *q)
	}
	r.seen = kept
	return taken
}

// since counts the requests of a process that came since then.
func (r *receiver) since(sender string, then time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for i := len(r.seen) - 1; i >= 0 && r.seen[i].begin.After(then.Add(-time.Second)); i-- {
		if r.seen[i].sender == sender && r.seen[i].begin.After(then) {
			n++
		}
	}
	return n
}
