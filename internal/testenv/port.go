package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// taken are the ports that FreePort ever gave: who is down for a while finds its own free.
var taken sync.Map

// FreePort is a port of host from first on, of so many, that nobody listens on, and that it did not give before. Ports should lie
// below the kernel's ephemeral ones, so that no outgoing connection takes them, and away from those of scripts/services.sh and
// of other packages' tests, which run at the same time.
func FreePort(tb testing.TB, host string, first, many int) int {
	tb.Helper()
	for range 200 {
		port := first + rand.IntN(many) //nolint:gosec // any will do: it guards nothing
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		if _, again := taken.LoadOrStore(port, true); !again {
			return port
		}
	}
	tb.Fatalf("no free port from %d to %d", first, first+many-1)
	return 0
}
