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
	keys, err := c.keys()
	if err != nil {
		return err
	}
	ring, err := subscription.NewKeyring(keys...)
	if err != nil {
		return fmt.Errorf("--encryption-key: %w", err)
	}
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.webhooks.Check(ctx, subscription.Migrations()); err != nil {
		return err
	}
	// What is sealed was accepted before: nothing is judged again.
	store, err := subscription.NewStore(d.webhooks, ring, subscription.Config{
		CheckURL:    func(string) error { return nil },
		CheckHeader: func(string, string) error { return nil },
		EventTypes:  func() []string { return nil },
	})
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
