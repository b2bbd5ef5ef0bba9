// Package api serves the HTTP API below /v1, its OpenAPI 3.1 document at /openapi.json and its documentation at /docs.
//
// Each resource has a file with its routes (webhooks.go, attempts.go, …) and one with its JSON form (…_json.go). What
// they need from webhooks and history stands in deps.go. A call passes, from the outside in:
//
//	recover ─▶ log, count ─▶ deadline ─▶ mux ─▶ who are you, may you ─▶ body limit ─▶ schema ─▶ handler
//
// A handler reads its input, asks one dependency, and returns a JSON form or an error. Errors become problem+json in one
// place (errors.go).
//
//	handler, err := api.New(api.Config{Version: "1.2.3"}, deps, log, registry)
//	mux.Handle("/v1/", handler)
//
// # Invariants
//
//	one-tenant  a call that names a workspace is answered only to an operator and to that workspace's keys; to others
//	            the workspace, and all in it, does not exist (404).
//	no-leak     the text of an error of ours never reaches a client; only those of the table in errors.go have words.
//	strict      a body that two parsers could read differently is refused: unknown, repeated or differently cased names.
//	documented  every route is in the OpenAPI document, because both come from one registration.
package api
