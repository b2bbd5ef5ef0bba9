// Package command decides what a resend, a test or a cancellation means for the delivery at hand, and hands the order
// to whoever carries it out. The API and the dashboard share it, so that both refuse and allow the same.
//
//	resend, pending    an attempt now, in place of the next one: chain + 1, which goes on with the schedule
//	resend, finished   a single attempt, without retries
//	test               a delivery of its own of the catalogue's example: a single attempt, also to a disabled webhook
//	cancel, pending    no chain is valid any more
//
//	service, err := command.New(webhooks, history, catalogue, commander)
//	deliveryID, err := service.Test(ctx, actor, "ws_acme", "wh_…", "ConversationComplete")
//
// # Invariants
//
//	same-body  a resend sends the bytes that history kept, never something rebuilt.
//	accepted   a nil error means that the order is durable, not that it was carried out.
package command
