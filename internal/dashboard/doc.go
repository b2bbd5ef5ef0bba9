// Package dashboard serves the pages on which a customer sees what became of each delivery and puts it right.
//
// Pages are rendered on the server from html/template, in one request each; they read and work without JavaScript,
// which only adds copying, local times and live rows. Every state of a page has a URL of its own:
//
//	/login                                   sign in with an API key
//	/workspaces                              an operator chooses a workspace
//	/w/{workspace}/webhooks                  the list; /new the form, whose POST tries the filter on recent events
//	/w/{workspace}/webhooks/{id}             status, secret, Request History (filters and page in the query)
//	/w/{workspace}/webhooks/{id}/edit        the form; a POST to /edit/try tries the filter
//	/w/{workspace}/attempts/{id}             one attempt whole, with its delivery
//	/w/{workspace}/events/{id}               why or why not
//
// What a page shows comes from three places, each behind an interface of deps.go: webhooks and keys, the history, and
// the actions that send something. A page is a view model (built by a handler from these) and a template.
//
//	h, err := dashboard.New(cfg, deps, log)
//	mux.Handle("/", h)
//
// # Invariants
//
//	text-only   what came from outside (payloads, responses, descriptions, URLs) is never HTML: html/template escapes
//	            it, and visible (text.go), the one place that builds HTML from it, escapes everything.
//	one-tenant  each page below /w/{workspace} is answered only to a session that may see that workspace; to others it
//	            does not exist.
//	fresh-key   a session is its key: each request asks again whether the key is good, so revoking it ends the session.
//	no-get      a GET changes nothing and reveals no secret.
//	same-origin nothing is loaded from, or sent to, another origin; a POST from another origin is refused.
package dashboard
