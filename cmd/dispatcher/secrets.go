package main

import (
	"context"
	"errors"
	"fmt"
)

type secretsCmd struct {
	Reseal secretsResealCmd `cmd:"" help:"Seal with the newest encryption key what older ones sealed, so that they can be given up. Safe while the dispatcher runs."`
}

type secretsResealCmd struct{ storeFlags }

// Run is `dispatcher secrets reseal`.
func (c *secretsResealCmd) Run(ctx context.Context, s streams) (err error) {
	store, closeAll, err := c.store(ctx, acceptAll())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	moved, err := store.Reseal(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%d webhooks sealed with the newest key\n", moved)
	return err
}
