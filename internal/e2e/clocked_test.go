package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// clocked is the server of many customers, at /<customer>/<part>; it notes when the first byte of each request came. A
// part that begins with "refusing" answers 500, any other 200.
type clocked struct {
	*httptest.Server
	last atomic.Int64 // customer
	mu   sync.Mutex
	got  map[int][]timed
}

// timed is a request and when its first byte came.
type timed struct {
	started   time.Time
	part      string
	eventID   string
	signature string
	body      []byte
	partition int // of its event
}

func newClocked(t *testing.T) *clocked {
	t.Helper()
	rc := &clocked{got: map[int][]timed{}}
	rc.Server = httptest.NewUnstartedServer(rc)
	rc.Listener = clockedListener{rc.Listener}
	rc.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, clockedConn{}, c) }
	rc.Start()
	t.Cleanup(func() {
		rc.CloseClientConnections()
		rc.Close()
	})
	return rc
}

// next is a customer that nobody was before.
func (rc *clocked) next() int { return int(rc.last.Add(1)) }

func (rc *clocked) url(customer int, part string) string {
	return fmt.Sprintf("%s/%d/%s", rc.URL, customer, part)
}

func (rc *clocked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	customer, part, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	id, bad := strconv.Atoi(customer)
	if err != nil || bad != nil {
		return // the sender went away, or is of another test
	}
	conn := r.Context().Value(clockedConn{}).(*clockedConn)
	got := timed{
		started: conn.began, part: part, eventID: r.Header.Get(webhook.HeaderID), signature: r.Header.Get(webhook.HeaderSignature),
		body: body, partition: partitionOf(body),
	}
	rc.mu.Lock()
	rc.got[id] = append(rc.got[id], got)
	rc.mu.Unlock()
	if strings.HasPrefix(part, "refusing") {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// requests are all of a customer so far.
func (rc *clocked) requests(customer int) []timed {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return slices.Clip(rc.got[customer])
}

type clockedListener struct{ net.Listener }

func (l clockedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &clockedConn{Conn: c}, nil
}

// clockedConn knows when the request that is read, or was read last, began. The server reads, handles and answers one
// request after the other.
type clockedConn struct {
	net.Conn
	within atomic.Bool // a request whose answer was not begun
	began  time.Time
}

func (c *clockedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.within.CompareAndSwap(false, true) {
		c.began = time.Now()
	}
	return n, err
}

func (c *clockedConn) Write(p []byte) (int, error) {
	c.within.Store(false)
	return c.Conn.Write(p)
}

// streams publishes events for many webhooks evenly in time: twelve a second for each of them, one to each partition.
type streams struct {
	t       *testing.T
	client  *kgo.Client
	cancel  context.CancelFunc
	ended   chan struct{}
	each    int // events for each webhook
	failure atomic.Pointer[error]
}

func (f *fresh) publishTo(cases []*freshCase) *streams {
	f.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(testenv.Kafka(f.t)), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(f.prefix+".session.events"), kgo.ProducerLinger(0))
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &streams{t: f.t, client: client, cancel: cancel, ended: make(chan struct{})}
	f.t.Cleanup(func() {
		cancel()
		<-s.ended
		client.Close()
	})
	go s.run(ctx, cases)
	return s
}

func (s *streams) run(ctx context.Context, cases []*freshCase) {
	defer close(s.ended)
	tick := time.NewTicker(time.Second / time.Duration(partitions*len(cases)))
	defer tick.Stop()
	for ; ctx.Err() == nil; s.each++ {
		at := s.each % partitions
		for _, c := range cases {
			doc := document(fmt.Sprintf("evt_%d_%d", c.id, s.each), c.workspace, "SessionStarted", fmt.Sprintf(`{"session_id":"p%d"}`, at))
			record := &kgo.Record{Partition: int32(at), Key: fmt.Append(nil, "p", at), Value: []byte(doc)}
			s.client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
				if err != nil {
					s.failure.Store(&err)
				}
			})
			<-tick.C
		}
	}
}

// stop ends it and returns how many events there were for each webhook.
func (s *streams) stop() int {
	s.t.Helper()
	s.cancel()
	<-s.ended
	if err := s.client.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if failure := s.failure.Load(); failure != nil {
		s.t.Fatalf("publish: %v", *failure)
	}
	return s.each
}
