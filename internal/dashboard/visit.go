package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// visit is one request of one reader.
type visit struct {
	*dashboard
	w         http.ResponseWriter
	r         *http.Request
	principal auth.Principal // zero when nobody is signed in
	workspace string         // the page's; empty outside of one
	now       time.Time
}

// act answers a visit. An error becomes an error page.
type act func(*visit) error

// Errors that become pages of their own.
var (
	errNotFound  = errors.New("not found")
	errForbidden = errors.New("forbidden")
	errTooMany   = errors.New("too many")
)

const (
	// callTimeout bounds the making of one page.
	callTimeout = 15 * time.Second
	// maxForm bounds what a form may send, in bytes.
	maxForm = 64 << 10
)

// policy lets a page load what this program serves, and nothing else: no inline script or style, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard is around everything: headers, a deadline, and a page in place of a panic.
func (d *dashboard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			d.log.Error("page panicked", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			http.Error(w, "Something failed on our side. Try again.", http.StatusInternalServerError)
		}()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

func (d *dashboard) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{dashboard: d, w: w, r: r, now: d.now()}
}

// open registers what needs no session.
func (d *dashboard) open(pattern string, a act) {
	d.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := d.visit(w, r)
		v.finish(a(v))
	})
}

// signedIn registers what needs a session, of whomever.
func (d *dashboard) signedIn(pattern string, a act) {
	d.open(pattern, func(v *visit) error {
		switch err := v.identify(); {
		case errors.Is(err, auth.ErrBadKey), errors.Is(err, errSession):
			return v.toLogin()
		case err != nil:
			return err
		}
		stands, end, ok := v.Quotas.Begin(&v.principal, v.now)
		defer end()
		if !ok {
			v.w.Header().Set("Retry-After", strconv.Itoa(stands.RetryAfter))
			return errTooMany
		}
		return a(v)
	})
}

var workspaceID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// thingType is what an event type looks like.
var thingType = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

var thingID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// page registers what stands below a workspace. To who may not see the workspace it does not exist.
func (d *dashboard) page(pattern string, scope auth.Scopes, a act) {
	d.signedIn(pattern, func(v *visit) error {
		ws := v.r.PathValue("workspace")
		if !workspaceID.MatchString(ws) || !v.principal.May(ws) {
			return errNotFound
		}
		if id := v.r.PathValue("id"); id != "" && !thingID.MatchString(id) {
			return errNotFound
		}
		v.workspace = ws
		if !v.principal.Scopes.Has(scope) {
			return errForbidden
		}
		return a(v)
	})
}

// operatorOnly is for what a workspace's key may not do in its own workspace.
func operatorOnly(a act) act {
	return func(v *visit) error {
		if !v.principal.Operator {
			return errForbidden
		}
		return a(v)
	}
}

// identify finds out whose session it is, and that its key is still good.
func (v *visit) identify() error {
	key, err := v.cookies.key(v.r)
	if err != nil {
		return err
	}
	v.principal, err = v.Keyring.Authenticate(v.r.Context(), key)
	if errors.Is(err, auth.ErrBadKey) {
		v.cookies.end(v.w, v.r)
	}
	return err
}

// toLogin asks to sign in, and remembers where the reader wanted to go.
func (v *visit) toLogin() error {
	if v.fragment() != "" {
		v.w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	to := "/login"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?to=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	return v.redirect(to)
}

// redirect sends the reader to another page of ours, with a GET.
func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// local returns to if it is an address of this dashboard, else "/": nobody is sent elsewhere by a link of ours.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

// fragment is the part of a page that a script asks for; empty for all of it.
func (v *visit) fragment() string { return v.r.Header.Get("Voxagent-Fragment") }

func (v *visit) id() string { return v.r.PathValue("id") }

// base is where the workspace's pages begin.
func (v *visit) base() string { return "/w/" + v.workspace }

// actor names the reader for the audit log.
func (v *visit) actor() subscription.Actor { return v.principal.Actor(v.r.RemoteAddr) }

// failure is an error page.
type failure struct {
	Title, Text, Back string
}

// finish turns an act's error into a page. What is our own fault is logged, and the page says nothing of its cause.
func (v *visit) finish(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errNotFound), errors.Is(err, subscription.ErrNotFound), errors.Is(err, store.ErrNotFound):
		v.fail(http.StatusNotFound, failure{Title: "There is nothing here", Text: "It was deleted, its history has ended, or the address is not quite right."})
	case errors.Is(err, errForbidden):
		v.fail(http.StatusForbidden, failure{Title: "Your key may not do this", Text: "Sign in with a key that has the scope for it, or ask whoever manages the keys."})
	case errors.Is(err, errTooMany):
		v.fail(http.StatusTooManyRequests, failure{Title: "Too much at once", Text: "Your key has asked for too much in the last seconds. Load the page again in a moment."})
	case errors.Is(err, store.ErrCursor), errors.Is(err, store.ErrQuery):
		v.fail(http.StatusBadRequest, failure{Title: "This page does not exist", Text: "The address was cut or changed. Start from the newest entries."})
	case errors.Is(err, context.Canceled) && v.r.Context().Err() != nil: // nobody is there to read a page
	default:
		if _, invalid := errors.AsType[subscription.Invalid](err); invalid {
			v.fail(http.StatusBadRequest, failure{Title: "This page does not exist", Text: "The address was cut or changed. Start from the newest entries."})
			return
		}
		v.log.Error("page failed", zap.String("path", v.r.URL.Path), zap.Error(err))
		v.fail(http.StatusInternalServerError, failure{Title: "Something failed on our side", Text: "Deliveries go on as usual. Load the page again in a moment."})
	}
}

func (v *visit) fail(status int, f failure) {
	f.Back = "/"
	if v.workspace != "" {
		f.Back = v.base() + "/webhooks"
	}
	p := v.frame(f.Title, "")
	p.Gate = v.principal.KeyID == ""
	p.C = f
	if err := v.views.render(v.w, status, "error", p); err != nil {
		v.log.Error("error page failed", zap.Error(err))
	}
}

func (d *dashboard) nothing(v *visit) error {
	_ = v.identify() // only decides what surrounds the message
	return errNotFound
}
