package redis

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/redis/redistest"
)

// Sentinel: all calls, and the sentinels' own users, over TLS whose certificates are for one address each.
func TestSentinel(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]*redistest.Authority{"plain": nil, "tls": redistest.NewAuthority(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := redistest.StartWatched(t, redistest.Options{TLS: ca})
			c := patient(t, w.URL())
			useAll(t, c, "before")
			// A replica that takes over does not have to know the scripts.
			w.Servers[1].Do("SCRIPT", "FLUSH")
			w.Sentinels[0].Pause() // one of three may be away, and says nothing
			u := use(t, w.URL())
			w.Servers[0].Kill()
			u.recovers(t)
			w.Sentinels[0].Resume()
			wakes(t, c)
			useAll(t, c, "after")
			// The old master comes back and is made a replica; what it had is not seen again.
			w.Servers[0].Start()
			w.Servers[1].Eventually("the old master follows the new one", 20*time.Second, func() bool {
				return w.Servers[0].Info("master_link_status") == "up"
			})
			u.stop(t)
			useAll(t, c, "follows")
		})
	}
}

// Cluster: calls over all servers at once; one of them fails over to its replica.
func TestCluster(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]*redistest.Authority{"plain": nil, "tls": redistest.NewAuthority(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := redistest.StartCluster(t, redistest.Options{TLS: ca})
			c := patient(t, cluster.URL())
			useAll(t, c, "before")
			cluster.FlushScripts()
			useAll(t, c, "flushed")
			cluster.FlushScripts()
			u := use(t, cluster.URL())
			cluster.Masters[0].Kill()
			u.recovers(t)
			wakes(t, c)
			useAll(t, c, "after")
			cluster.Masters[0].Start()
			cluster.Replica.Eventually("the old master follows", 20*time.Second, func() bool {
				return cluster.Masters[0].Info("master_link_status") == "up"
			})
			u.stop(t)
			useAll(t, c, "follows")
		})
	}
}

// user calls Redis all the time, as the program does, and notes what it costs.
type user struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	longest time.Duration // of one call
	good    time.Time     // of the last one
	since   time.Time     // of the last failure
}

func use(t *testing.T, url string) *user {
	t.Helper()
	c := newClient(t, Config{URL: url, Prefix: redistest.Prefix})
	ctx, cancel := context.WithCancel(context.Background())
	u := &user{cancel: cancel}
	u.wg.Go(func() {
		for ctx.Err() == nil {
			u.once(ctx, c)
			time.Sleep(5 * time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); u.wg.Wait() })
	eventually(t, "it works at first", 5*time.Second, func() bool { return u.works(200 * time.Millisecond) })
	return u
}

func (u *user) once(ctx context.Context, c *Client) {
	entries := make([]Entry, 0, many)
	for _, key := range keys("used") {
		entries = append(entries, Entry{key, time.Now().UnixNano(), nil, time.Minute})
	}
	began := time.Now()
	err := c.Put(ctx, entries)
	ended := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.longest = max(u.longest, ended.Sub(began))
	if err == nil {
		u.good = ended
	} else {
		u.since = ended
	}
}

// works tells whether all calls of that time were good.
func (u *user) works(lately time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Since(u.good) < lately && time.Since(u.since) > lately
}

// recovers waits until calls that fail are good again.
func (u *user) recovers(t *testing.T) {
	t.Helper()
	began := time.Now()
	eventually(t, "the failure is noticed", 5*time.Second, func() bool { return !u.works(200 * time.Millisecond) })
	eventually(t, "it works again", 15*time.Second, func() bool { return u.works(time.Second) })
	t.Logf("all good again within %s", time.Since(began)-time.Second)
}

// stop ends the calls. None took longer than one may.
func (u *user) stop(t *testing.T) {
	t.Helper()
	u.cancel()
	u.wg.Wait()
	t.Logf("the longest call took %s", u.longest)
	if u.longest > 2*defaultTimeout {
		t.Errorf("a call took %s", u.longest)
	}
}
