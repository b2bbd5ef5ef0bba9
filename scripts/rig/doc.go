// Package rig is what the programs that measure the dispatcher share: an installation of their own on the services that
// the tests use, the running of processes, and the words that belong beside a figure.
//
//	i, err := rig.New("bin/dispatcher", "bench")
//	err = i.Prepare(ctx, webhooks)
//	defer i.Remove(ctx)
//	serve := i.Command(ctx, "serve", "--roles", "consumer,retry")
//
// It judges nothing: what is measured, and what is good enough, is its callers' to say.
package rig
