// Package ops is the operator's port: metrics, health and profiles, apart from the API so that it need not be public.
//
//	GET /metrics   Prometheus text
//	GET /healthz   200 while the process answers at all
//	GET /readyz    200 once every Check passes, else 503 with a line for each that does not
//	GET /debug/pprof/…
//
// Readiness never asks PostgreSQL or Redis of a consumer: it goes on without them.
package ops
