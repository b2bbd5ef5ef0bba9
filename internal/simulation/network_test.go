package simulation

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

var errUnreachable = errors.New("network unreachable")

// network is one instance's way to the brokers, which can be cut.
type network struct {
	virtual *kfake.VirtualNetwork

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

func newNetwork(v *kfake.VirtualNetwork) *network {
	return &network{virtual: v, conns: make(map[net.Conn]struct{})}
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, errUnreachable
	}
	conn, err := n.virtual.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &cuttable{Conn: conn, network: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.Join(errUnreachable, conn.Close())
	}
	n.conns[c] = struct{}{}
	return c, nil
}

// cut breaks every connection; down keeps new ones from being made.
func (n *network) cut(down bool) {
	n.mu.Lock()
	n.down = n.down || down
	conns := n.conns
	n.conns = make(map[net.Conn]struct{})
	n.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
}

// heal lets connections be made again.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

type cuttable struct {
	net.Conn
	network *network
}

func (c *cuttable) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}
