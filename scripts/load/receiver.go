package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/voxagent/dispatcher/scripts/rig"
)

// What the receiver's paths do. Each is followed by a number, so that webhooks have different URLs.
const (
	steadyPath = "/steady/" // answers 200
	apartPath  = "/apart/"  // answers 200, as slowly as it is told to, or never
	retryPath  = "/retry/"  // answers 500 to the first request for an event, then 200
)

// receive is the receiver's process. Its first line is its two addresses: of the steady receivers, and of those apart,
// which share no connection with the others.
func receive(ctx context.Context) error {
	r := &receiver{ctx: ctx}
	here, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	there, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(here.Addr(), there.Addr())
	srv := &http.Server{Handler: r.routes(), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	failed := make(chan error, 2) // 2: both may fail, one is heard
	go func() { failed <- srv.Serve(here) }()
	go func() { failed <- srv.Serve(there) }()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type receiver struct {
	ctx  context.Context //nolint:containedctx // the process's: ends what does not answer
	seen arrivals
	slow atomic.Int64 // nanoseconds that those apart take
}

func (r *receiver) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+steadyPath, func(w http.ResponseWriter, req *http.Request) {
		r.arrived(steady, req)
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("POST "+apartPath, func(w http.ResponseWriter, req *http.Request) {
		r.arrived(apart, req)
		if slow := time.Duration(r.slow.Load()); slow > 0 && r.linger(req, slow) {
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("POST "+retryPath, func(w http.ResponseWriter, req *http.Request) {
		r.arrived(steady, req)
		if req.Header.Get("X-Voxagent-Attempt") == "1" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("PUT /slow/{nanoseconds}", func(_ http.ResponseWriter, req *http.Request) {
		n, _ := strconv.ParseInt(req.PathValue("nanoseconds"), 10, 64) // written by this program
		r.slow.Store(n)
	})
	mux.HandleFunc("DELETE /seen", func(http.ResponseWriter, *http.Request) {
		r.seen.mu.Lock()
		defer r.seen.mu.Unlock()
		r.seen.seen, r.seen.first, r.seen.more = nil, [apart + 1]int{}, [apart + 1]int{}
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		r.seen.mu.Lock()
		defer r.seen.mu.Unlock()
		_, _ = fmt.Fprintln(w, r.seen.first[steady], r.seen.first[apart], r.seen.more[steady], r.seen.more[apart])
	})
	mux.HandleFunc("GET /seen", func(w http.ResponseWriter, req *http.Request) {
		q := req.URL.Query()
		number := func(name string) int64 {
			n, _ := strconv.ParseInt(q.Get(name), 10, 64) // written by this program
			return n
		}
		_ = json.NewEncoder(w).Encode(r.seen.of(class(number("class")), number("from"), number("to")))
	})
	return mux
}

// linger waits before an answer, and says if nobody waits for it any more.
func (r *receiver) linger(req *http.Request, slow time.Duration) (gone bool) {
	timer := time.NewTimer(slow)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-req.Context().Done():
	case <-r.ctx.Done():
	}
	return true
}

// arrived notes a request before its body is read: what the body takes is not latency of the dispatcher's.
func (r *receiver) arrived(c class, req *http.Request) {
	now := time.Now().UnixMicro()
	if number, due, err := parseID(req.Header.Get("Webhook-Id")); err == nil {
		r.seen.add(c, number, due, now)
	}
	_, _ = io.Copy(io.Discard, req.Body)
}

// receiverPeer is the receiver's process as the others see it.
type receiverPeer struct {
	peer         *rig.Peer
	steady, away string // URLs without a path
}

func startReceiver(ctx context.Context) (*receiverPeer, error) {
	peer, err := rig.Start(ctx, "receiver")
	if err != nil {
		return nil, err
	}
	here, there, _ := strings.Cut(peer.Says, " ")
	return &receiverPeer{peer, "http://" + here, "http://" + there}, nil
}

// never is longer than any run.
const never = 24 * time.Hour

// reset forgets what was seen, and sets how long those apart take for an answer.
func (r *receiverPeer) reset(ctx context.Context, slow time.Duration) error {
	_, err := rig.Call(ctx, http.MethodDelete, r.steady+"/seen", "", nil)
	if err != nil {
		return err
	}
	_, err = rig.Call(ctx, http.MethodPut, fmt.Sprintf("%s/slow/%d", r.steady, slow), "", nil)
	return err
}

// counts are first and further requests by class.
type counts struct{ steady, apart, steadyMore, apartMore int }

func (r *receiverPeer) count(ctx context.Context) (n counts, err error) {
	body, err := rig.Call(ctx, http.MethodGet, r.steady+"/count", "", nil)
	if err != nil {
		return n, err
	}
	_, err = fmt.Sscan(string(body), &n.steady, &n.apart, &n.steadyMore, &n.apartMore)
	return n, err
}

// of asks what was seen of the events of a class that were due in a span.
func (r *receiverPeer) of(ctx context.Context, c class, from, to time.Time) (s Seen, err error) {
	query := fmt.Sprintf("/seen?class=%d&from=%d&to=%d", c, from.UnixMicro(), to.UnixMicro())
	body, err := rig.Call(ctx, http.MethodGet, r.steady+query, "", nil)
	if err != nil {
		return s, err
	}
	err = json.Unmarshal(body, &s)
	return s, err
}

// waitFor asks for the counts until enough holds; it fails when nothing new came for patience.
func (r *receiverPeer) waitFor(ctx context.Context, patience time.Duration, enough func(counts) bool) error {
	var last counts
	moved := time.Now()
	for {
		n, err := r.count(ctx)
		switch {
		case err != nil:
			return err
		case enough(n):
			return nil
		case n != last:
			last, moved = n, time.Now()
		case time.Since(moved) > patience:
			return fmt.Errorf("nothing arrived for %s; so far %+v", patience, n)
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep waits; an error when ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
