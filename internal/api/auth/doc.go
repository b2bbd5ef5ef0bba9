// Package auth answers one question for the API and the dashboard: who holds this key, and what may they do?
//
// Two kinds of keys exist. An operator key stands in the configuration, is good for every workspace and may do what
// only an operator may (limits, API keys). A workspace's key is kept by the workspace (a hash of it) and is good for
// that workspace alone. Both carry scopes.
//
// The package keeps nothing between calls: a revoked key is refused at once, because each call asks again.
//
//	keyring, err := auth.New(operators, keys)
//	key, _ := auth.Bearer(r.Header.Get("Authorization"))
//	principal, err := keyring.Authenticate(ctx, key)
//	if err == nil && principal.May(workspaceID) && principal.Scopes.Has(auth.Write) { … }
//
// # Invariants
//
//	one-answer  a wrong key, an unknown one, an expired one and a revoked one are all ErrBadKey: nothing tells them apart.
//	constant    comparing a key takes the same time wherever it differs, and all operator keys are always compared.
package auth
