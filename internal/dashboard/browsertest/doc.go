// Package browsertest drives Chromium through the dashboard as a reader does: by visible labels, link texts and table
// headings, never by ids or classes, so that a test of it also proves that the pages can be followed.
//
//	b := browsertest.Open(t)
//	b.SignIn(base, key)
//	b.Click("+ Create Webhook")
//	b.Fill("URL", receiver.URL)
//	b.Click("Save")
//	b.See("Request History")
//	b.Clean() // no error in the console
package browsertest
