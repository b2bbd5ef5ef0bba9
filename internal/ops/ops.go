package ops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one condition of readiness. Ready returns nil when it holds, else what is missing. It must answer quickly.
type Check struct {
	Name  string
	Ready func(ctx context.Context) error
}

// Server serves the operator's port.
type Server struct {
	mux      *http.ServeMux
	checks   []Check
	draining atomic.Bool
}

// New returns a server over the metrics of reg that is ready when all checks pass.
func New(reg prometheus.Gatherer, checks []Check) *Server {
	s := &Server{mux: http.NewServeMux(), checks: checks}
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	s.mux.HandleFunc("GET /readyz", s.ready)
	s.mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	s.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	s.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return s
}

// Drain makes the process not ready: the first step of a shutdown.
func (s *Server) Drain() { s.draining.Store(true) }

// checkTimeout bounds one readiness check.
const checkTimeout = 2 * time.Second

// Ready returns nil when every check passes, else what is missing.
func (s *Server) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var errs []error
	if s.draining.Load() {
		errs = append(errs, errors.New("shutting down"))
	}
	for _, c := range s.checks {
		if err := c.Ready(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	return errors.Join(errs...)
}

// WaitReady returns once every check passes; an error only when ctx ends.
func (s *Server) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// writeTimeout is how long an answer may take to be read, and made: what waits for a reader that has stopped holds memory. It is
// also the longest profile. An answer without an end sets a deadline of its own for each of its parts.
const writeTimeout = 2 * time.Minute

// Serve answers on l with h until ctx ends, then lets open requests finish for at most grace. It is how each of the
// program's listeners is served.
func Serve(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1) // 1: Serve's result must not wait for a reader that has gone
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(bounded); err != nil {
		_ = srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}
