// Package apitest is a whole installation in memory for tests of the API and the dashboard: webhooks, keys, history and
// actions, with the errors that the real ones give.
//
// Workspaces are kept apart as the stores keep them: a foreign id is not found.
package apitest
