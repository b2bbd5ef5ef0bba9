package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// maxLoggedPath is more than the longest address of ours, in bytes: strangers shall not fill the log.
const maxLoggedPath = 512

// observe writes one line and counts for each call, and turns a panic into a 500. Neither line nor count holds anything
// that a client wrote except the path: no query, no header, no body.
// It also gives each call its deadline.
func observe(log *zap.Logger, m *metrics, timeout time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		secureHeaders(w.Header())
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx) // the mux notes the pattern of the route on this copy: nothing below makes another
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does.
				log.Error("api handler panicked", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
				if rec.status == 0 {
					writeProblem(rec, problem(http.StatusInternalServerError, detailOurs))
				}
			}
			elapsed := time.Since(began)
			m.observe(r.Pattern, r.Method, rec.status, elapsed)
			log.Info("api call", zap.String("method", r.Method), zap.String("route", r.Pattern), zap.String("path", cut(r.URL.Path, maxLoggedPath)),
				zap.Int("status", rec.status), zap.Int64("bytes", rec.bytes), zap.Duration("duration", elapsed),
				zap.String("remote", auth.Host(r.RemoteAddr)))
		}()
		next.ServeHTTP(rec, r)
	})
}

func secureHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// readBody reads a call's body (at most limit bytes) before anything looks at it: one that is too large or breaks off is the
// client's fault and gets its own answer. Of a caller without a key nothing is read.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) *Problem {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return problem(http.StatusRequestEntityTooLarge, "The body is too large.")
	}
	if err != nil {
		return problem(http.StatusBadRequest, "The body could not be read to its end.")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
