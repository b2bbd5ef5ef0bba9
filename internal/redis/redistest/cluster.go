package redistest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// Cluster is three masters, with a replica of the first.
type Cluster struct {
	Masters [3]*Server
	Replica *Server // of Masters[0]
}

const slots = 16384

// StartCluster starts a cluster and waits until all of its servers find it well. A master is down for the others once it
// was silent for a second.
func StartCluster(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	c := &Cluster{}
	for i := range c.Masters {
		s := startNode(tb, o)
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		s.Do("CLUSTER", "ADDSLOTSRANGE", i*slots/len(c.Masters), (i+1)*slots/len(c.Masters)-1)
		c.Masters[i] = s
	}
	c.Replica = startNode(tb, o)
	first := c.Masters[0]
	for _, s := range c.all()[1:] {
		s.Do("CLUSTER", "MEET", first.o.Host, first.port, first.port+clusterPort)
	}
	c.wellFor("all know each other", "cluster_known_nodes:4")
	id := first.Do("CLUSTER", "MYID")
	c.Replica.Do("CLUSTER", "REPLICATE", id)
	c.wellFor("the cluster is well", "cluster_state:ok")
	c.Replica.Eventually("replica is in step", startLimit, func() bool { return c.Replica.Info("master_link_status") == "up" })
	for _, s := range c.all() {
		s.Eventually("the replica is known", startLimit, func() bool {
			nodes, _ := s.Do("CLUSTER", "NODES").(string)
			return strings.Contains(nodes, fmt.Sprint("slave ", id))
		})
	}
	return c
}

// clusterPort is how far the port for the servers' own talk is from the clients'.
const clusterPort = 3000

func startNode(tb testing.TB, o Options) *Server {
	tb.Helper()
	o.cluster = true
	if o.TLS != nil {
		o.Lines = append(o.Lines, "tls-cluster yes")
	}
	return Start(tb, o)
}

func (c *Cluster) all() []*Server { return append(c.Masters[:], c.Replica) }

func (c *Cluster) wellFor(what, line string) {
	for _, s := range c.all() {
		s.Eventually(what, startLimit, func() bool {
			info, _ := s.Do("CLUSTER", "INFO").(string)
			return strings.Contains(info, line)
		})
	}
}

// URL names two of the servers; the others are found.
func (c *Cluster) URL() string {
	return address(c.Masters[0].o.TLS, url.Values{"cluster": {"true"}}, c.Masters[1], c.Masters[2])
}

// FlushScripts has all servers forget the scripts.
func (c *Cluster) FlushScripts() {
	for _, s := range c.all() {
		s.Do("SCRIPT", "FLUSH")
	}
}
