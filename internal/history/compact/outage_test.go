package compact

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/internal/testenv"
)

// wire is a TCP proxy that can be cut.
type wire struct {
	listener net.Listener
	target   string
	serving  sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: target, conns: map[net.Conn]bool{}}
	w.serving.Go(w.serve)
	t.Cleanup(func() {
		_ = l.Close()
		w.setCut(true)
		w.serving.Wait()
	})
	return w
}

func (w *wire) serve() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.target)
		if err != nil || !w.keep(near, far) {
			_ = near.Close()
			continue
		}
		w.serving.Go(func() { w.copy(near, far) })
		w.serving.Go(func() { w.copy(far, near) })
	}
}

// keep remembers a pair of connections, unless the wire is cut.
func (w *wire) keep(near, far net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = far.Close()
		return false
	}
	w.conns[near], w.conns[far] = true, true
	return true
}

func (w *wire) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from) // ends when either side does
	_, _ = to.Close(), from.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, to)
	delete(w.conns, from)
}

// setCut cuts all connections and refuses new ones, or lets them through again.
func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for c := range w.conns {
			_ = c.Close()
		}
	}
}

// TestDatabaseGoesAway cuts the way to a real PostgreSQL in the middle of folding: every record is in the store at the
// end, and none was done before.
func TestDatabaseGoesAway(t *testing.T) {
	u, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal("database URL does not parse")
	}
	w := newWire(t, u.Host)
	u.Host = w.listener.Addr().String()
	db, err := sqldb.Open(t.Context(), u.String(), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), store.Migrations()); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.UnixMilli(1_800_000_000_000).Add(time.Hour) }
	s, err := store.New(db, store.Config{History: 24 * time.Hour, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	c, reg, stop := start(t, Config{Fill: 20, MaxBatch: 20}, s)
	defer stop()

	before, during := deliveries(0, 100), deliveries(100, 100)
	handle(t, c, before)
	eventually(t, func() bool { return outcomes(before)["done"] == 100 })
	w.setCut(true)
	handle(t, c, during)
	eventually(t, func() bool { return failedFolds(t, reg) > 2 })
	wantAll(t, during, "")
	w.setCut(false)
	eventually(t, func() bool { return outcomes(during)["done"] == 100 })

	list, err := s.Deliveries(t.Context(), store.DeliveryQuery{WorkspaceID: "ws", Page: store.Page{Limit: 250}})
	if err != nil || len(list.Data) != 200 {
		t.Errorf("%d deliveries in the store, %v; want 200", len(list.Data), err)
	}
}

// eventually waits until it holds; it polls, since the other side is a real server.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal("did not happen within 30 s")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
