package apitest

import (
	"context"
	"sync"

	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// Commander remembers orders.
type Commander struct {
	mu            sync.Mutex
	resends       []command.Order
	tests         []command.Order
	cancellations []command.Cancellation
	// OnTest, if set, is told of each test, so that a server of tests can answer it.
	OnTest func(command.Order)
	// Err, if set, is what every method returns.
	Err error
}

// Resend implements command.Commander.
func (c *Commander) Resend(_ context.Context, _ subscription.Actor, o command.Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resends = append(c.resends, o)
	return c.Err
}

// Test implements command.Commander.
func (c *Commander) Test(_ context.Context, _ subscription.Actor, o command.Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tests = append(c.tests, o)
	if c.OnTest != nil {
		c.OnTest(o)
	}
	return c.Err
}

// Cancel implements command.Commander.
func (c *Commander) Cancel(_ context.Context, _ subscription.Actor, x command.Cancellation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancellations = append(c.cancellations, x)
	return c.Err
}

// Resends returns the resends so far.
func (c *Commander) Resends() []command.Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]command.Order(nil), c.resends...)
}

// Tests returns the tests so far.
func (c *Commander) Tests() []command.Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]command.Order(nil), c.tests...)
}

// Cancellations returns the cancellations so far.
func (c *Commander) Cancellations() []command.Cancellation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]command.Cancellation(nil), c.cancellations...)
}
