package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/voxagent/dispatcher/internal/subscription"
)

type secretsCmd struct {
	Reseal secretsResealCmd `cmd:"" help:"Seal with the newest encryption key what older ones sealed, so that they can be given up. Safe while the dispatcher runs."`
}

type secretsResealCmd struct {
	databaseFlags
	keyFlags
}

// Run is `dispatcher secrets reseal`.
func (c *secretsResealCmd) Run(ctx context.Context, s streams) (err error) {
	ring, err := c.ring()
	if err != nil {
		return err
	}
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.webhooks.Check(ctx, subscription.Migrations()); err != nil {
		return err
	}
	store, err := subscription.NewStore(d.webhooks, ring, acceptAll())
	if err != nil {
		return err
	}
	moved, err := store.Reseal(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%d webhooks sealed with the newest key\n", moved)
	return err
}
