// Package subscription knows who wants which events: the webhooks of each workspace, their secrets, the settings of
// workspaces, API keys and the audit log.
package subscription
