package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// server holds what the handlers need.
type server struct {
	Deps
	cfg Config
	log *zap.Logger
	api huma.API
}

// New returns the API as one handler for /v1/, /openapi.json, /docs and /docs/. It starts nothing.
func New(cfg Config, deps Deps, log *zap.Logger, reg prometheus.Registerer) (http.Handler, error) {
	if err := errors.Join(cfg.Validate(), deps.Validate()); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	cfg = cfg.withDefaults()
	mux := http.NewServeMux()
	s := &server{Deps: deps, cfg: cfg, log: log, api: humago.New(mux, humaConfig(cfg))}
	s.api.UseMiddleware(s.authorize, checkQuery)
	s.routes()
	document, err := s.document()
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /openapi.json", static("application/json", document))
	if err := serveDocs(mux, s.api.OpenAPI()); err != nil {
		return nil, err
	}
	for _, path := range []string{"/v1/", "/openapi.json", "/docs", "/docs/"} {
		mux.HandleFunc(path, unrouted(mux))
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	return observe(log, m, cfg.CallTimeout, mux), nil
}

func (s *server) routes() {
	s.routeMeta()
	s.routeWorkspaces()
	s.routeWebhooks()
	s.routeSecrets()
	s.routeAttempts()
	s.routeDeliveries()
	s.routeEvents()
	s.routeStats()
	s.routeKeys()
	s.routeAudit()
}

// humaConfig is huma without the parts that we serve ourselves (document, pages) or don't want ($schema links).
func humaConfig(cfg Config) huma.Config {
	c := huma.DefaultConfig("Voxagent Webhooks", cfg.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.Formats = map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{ownProblems}
	c.Info.Description = description
	c.Tags = tags
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key of the workspace, or an operator's. A call names the scope that the key needs: read, write or replay; and operator, where a workspace's key will not do."},
	}
	return c
}

func static(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(body)
	}
}

// methods are those that a route may take, in the order of an Allow header.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
}

// unrouted answers what no route takes: 405 if another method would do, else 404.
func unrouted(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		probe := &http.Request{URL: r.URL, Host: r.Host}
		var allowed []string
		for _, method := range methods {
			probe.Method = method
			_, pattern := mux.Handler(probe)
			if _, _, routed := strings.Cut(pattern, " "); routed {
				allowed = append(allowed, method)
			}
		}
		if allowed != nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, problem(http.StatusMethodNotAllowed, "This address does not take this method; Allow names those that it takes."))
			return
		}
		writeProblem(w, problem(http.StatusNotFound, "There is nothing at this address. All addresses: /docs"))
	}
}
