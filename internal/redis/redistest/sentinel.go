package redistest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// Watched is a master with replicas, and the sentinels that watch over them.
type Watched struct {
	Servers   []*Server // the first one begins as the master
	Sentinels []*Server
}

const masterName = "the-master"

// StartWatched starts a master with a replica and three sentinels, and waits until these could agree on a failover. A
// master is down for them once it was silent for a second.
func StartWatched(tb testing.TB, o Options) *Watched {
	tb.Helper()
	w := &Watched{Servers: []*Server{Start(tb, o)}}
	master := w.Servers[0]
	if o.TLS != nil {
		o.Host = "127.0.0.2" // with a certificate of its own
	}
	of := o
	of.Lines = append(of.Lines, fmt.Sprintf("replicaof %s %d", master.o.Host, master.port))
	w.Servers = append(w.Servers, Start(tb, of))
	w.Servers[1].Eventually("replica is in step", startLimit, func() bool { return w.Servers[1].Info("master_link_status") == "up" })
	for range 3 {
		w.Sentinels = append(w.Sentinels, startSentinel(tb, o, master))
	}
	for _, s := range w.Sentinels {
		s.Eventually("sentinels and replica are known", startLimit, func() bool {
			said := fmt.Sprint(s.Do("SENTINEL", "MASTER", masterName))
			return strings.Contains(said, "num-slaves:1") && strings.Contains(said, "num-other-sentinels:2")
		})
	}
	return w
}

func startSentinel(tb testing.TB, o Options, master *Server) *Server {
	tb.Helper()
	o.sentinel, o.Host = true, "127.0.0.1"
	o.Lines = []string{
		fmt.Sprintf("sentinel monitor %s %s %d 2", masterName, master.o.Host, master.port),
		"sentinel auth-pass " + masterName + " " + adminPassword,
		"sentinel down-after-milliseconds " + masterName + " 1000",
		"sentinel failover-timeout " + masterName + " 5000",
	}
	s := Start(tb, o)
	s.Do("SENTINEL", "DEBUG", "publish-period", "200", "info-period", "500", "ping-period", "200", "min-link-reconnect-period", "500")
	return s
}

// URL names the sentinels.
func (w *Watched) URL() string {
	query := url.Values{"master_name": {masterName}, "sentinel_username": {userName}, "sentinel_password": {userPassword}}
	return address(w.Sentinels[0].o.TLS, query, w.Sentinels...)
}
