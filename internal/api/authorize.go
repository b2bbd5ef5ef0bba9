package api

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// caller is who makes a call, as the audit log names them.
type callerKey struct{}

type caller struct {
	auth.Principal
	actor subscription.Actor
}

// callerOf returns the caller that authorize put into ctx: huma hands a handler nothing else of the request.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// actorOf is the caller for the audit log.
func actorOf(ctx context.Context) subscription.Actor { return callerOf(ctx).actor }

// An id in a path that no id can look like is not looked for.
var (
	pathWorkspace = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	pathID        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// authorize lets a call through if its key is good and may do it. To one who may not see a workspace, it does not exist.
func (s *server) authorize(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	rule, _ := ctx.Operation().Metadata[accessKey].(access)
	key, ok := auth.Bearer(r.Header.Get("Authorization"))
	if !ok {
		unauthorized(w, `Bearer realm="voxagent"`, "This call needs a key: Authorization: Bearer KEY")
		return
	}
	principal, err := s.Keyring.Authenticate(r.Context(), key)
	if errors.Is(err, auth.ErrBadKey) {
		unauthorized(w, `Bearer realm="voxagent", error="invalid_token"`, "The key is not valid: unknown, expired or revoked.")
		return
	}
	if err != nil {
		s.log.Warn("key could not be looked up", zap.Error(err))
		writeProblem(w, problem(http.StatusServiceUnavailable, "The key could not be checked just now. Try again."))
		return
	}
	end, ok := s.begin(&principal, w.Header())
	defer end()
	if !ok {
		writeProblem(w, problem(http.StatusTooManyRequests, "This key has made too many calls, or has too many open: wait as long as Retry-After says."))
		return
	}
	p := allowed(r, ctx.Operation().Path, rule, &principal)
	if p == nil {
		p = readBody(w, r, s.cfg.MaxBody)
	}
	if p != nil {
		writeProblem(w, p)
		return
	}
	c := caller{Principal: principal, actor: actor(r, &principal)}
	next(huma.WithValue(ctx, callerKey{}, c))
}

// allowed judges a call by its path and rule; nil lets it through.
func allowed(r *http.Request, path string, rule access, p *auth.Principal) *Problem {
	missing := problem(http.StatusNotFound, "There is no such thing in this workspace.")
	if strings.Contains(path, "{workspace_id}") {
		workspace := r.PathValue("workspace_id")
		if !pathWorkspace.MatchString(workspace) || !p.May(workspace) {
			return missing
		}
	}
	if strings.Contains(path, "{id}") && !pathID.MatchString(r.PathValue("id")) {
		return missing
	}
	if rule.operator && !p.Operator {
		return problem(http.StatusForbidden, "Only an operator's key may do this.")
	}
	if !p.Scopes.Has(rule.scope) {
		return problem(http.StatusForbidden, "The key lacks the scope "+rule.scope.String()+".")
	}
	return nil
}

func unauthorized(w http.ResponseWriter, challenge, detail string) {
	w.Header().Set("WWW-Authenticate", challenge)
	writeProblem(w, problem(http.StatusUnauthorized, detail))
}

// maxActor bounds the name that an operator gives for the person behind a call, in bytes.
const maxActor = 128

// actor names who makes the call. Only an operator may speak for somebody else.
func actor(r *http.Request, p *auth.Principal) subscription.Actor {
	a := p.Actor(r.RemoteAddr)
	if name := r.Header.Get("Voxagent-Actor"); p.Operator {
		a.Name = printable(name, maxActor)
	}
	return a
}

// printable keeps what of s can be seen, at most n bytes: people's names are not all ASCII.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}
