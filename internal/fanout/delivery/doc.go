// Package delivery makes one attempt: it signs an event's body, sends it by POST to a webhook's URL and says what came
// of it as a [fanout.Outcome]. When to try again is decided elsewhere.
//
//	Sender.Send ─▶ retryablehttp (no retries) ─▶ recorder ─▶ http1.Transport or net/http ─▶ dial.Dialer ─▶ receiver
//	     ◀──Outcome── Classify ◀──────────────── attempt: head, body, times, error
//
// The receivers are strangers, and some of them are hostile. Everything that they may do (answer slowly, endlessly,
// with nonsense, or never) ends inside the attempt's one deadline and inside fixed limits of memory. Where a request
// may go is judged by the package dial below this one.
//
// The transport is our own, package http1: one goroutine an attempt, and nothing is sent twice. The net/http transport
// stands behind the same seam, chosen by [Config].Engine, and one conformance suite holds both to the same behaviour.
//
// # Invariants
//
//	one-request  an attempt puts at most one request on the wire: no retries, no redirects, no resending on a
//	             connection that turned out dead.
//	one-deadline connecting, writing and reading to the last byte kept end within Config.RequestTimeout.
//	status-leads a complete header section is an answer; what happens to the body after it changes nothing.
//	own-fault    what is wrong with this machine is an error of Send, never the receiver's failure.
//	discreet     no outcome holds a signature, a custom header's value, a credential of a URL or a resolved address.
//
// The smallest use:
//
//	sender, err := delivery.New(delivery.Config{UserAgent: "Voxagent-Webhooks/1.0"})
//	defer sender.Close()
//	outcome, err := sender.Send(ctx, target, d)
package delivery
