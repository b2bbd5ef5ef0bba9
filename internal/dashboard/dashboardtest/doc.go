// Package dashboardtest fills an installation with a workspace such as a customer has, for tests of the pages and for
// looking at them: healthy, failing and disabled webhooks, answers of all kinds, payloads that try to break out.
package dashboardtest
