package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

// What the volume test publishes: each workspace has one webhook and gets every hundredth event.
const (
	floodEvents     = 100_000
	floodWorkspaces = 100
	largestEvent    = 1 << 20 // the default of --max-event-bytes
	largestNumber   = 77_777  // the event that is exactly that large; its first attempt fails
)

// TestVolume: 100,000 events, published by one command, arrive each exactly as published, signed by both schemes, and every
// attempt has its row.
func TestVolume(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := newTally()
	target := httptest.NewServer(rc)
	t.Cleanup(target.Close)
	for w := range floodWorkspaces {
		rc.secrets = append(rc.secrets, s.create(floodWorkspace(w), fmt.Sprintf("%s/%d", target.URL, w)).Secret)
	}

	events := &flood{sums: make([]checksum, floodEvents)}
	began := time.Now()
	out := must(t, events, in.env, "publish", "-")
	published := time.Since(began)
	if events.largest != largestEvent {
		t.Fatalf("the largest event has %d bytes, want %d", events.largest, largestEvent)
	}
	if want := fmt.Sprintf("%d published, 0 refused", floodEvents); !strings.Contains(out, want) {
		t.Fatalf("publish said %q, want %q", out, want)
	}
	select {
	case <-rc.complete:
	case <-time.After(3 * time.Minute):
		t.Errorf("%d events are missing; %d requests", rc.missing(), len(rc.requests()))
	}
	delivered := time.Since(began)
	t.Logf("%d events, %d MiB: published in %.1f s, half delivered after %.1f s, 99 %% after %.1f s, all after %.1f s: %.0f deliveries/s",
		floodEvents, events.bytes>>20, published.Seconds(), rc.after(began, 50), rc.after(began, 99), delivered.Seconds(),
		floodEvents/delivered.Seconds())

	rc.inHistory(t, s, 3*time.Minute)
	t.Logf("whole history after %.1f s", time.Since(began).Seconds())
	rc.check(t, events.sums)
	wholeInHistory(t, s)
	if code := s.signal(stopSignal, 15*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

type checksum = [sha256.Size]byte

func floodWorkspace(w int) string { return fmt.Sprintf("ws_volume_%02d", w) }
func floodID(i int) string        { return fmt.Sprintf("evt_volume_%06d", i) }
func floodType(i int) string {
	// The third is in nobody's catalogue.
	return []string{"ConversationComplete", "SessionStarted", "Call.Transferred-v2"}[i%3]
}

// floodHead is what a request's body has in front of the data.
func floodHead(i int) string {
	return fmt.Sprintf(`{"id":%q,"event":%q,"timestamp":"2026-11-23T08:00:00.123Z","data":`, floodID(i), floodType(i))
}

// flood reads as the events, one a line. Each is made when it is read, so that they are nowhere at once.
type flood struct {
	next    int
	line    bytes.Reader
	sums    []checksum // of data, by number; all fields are valid once the reader has ended
	bytes   int
	largest int
}

func (f *flood) Read(p []byte) (int, error) {
	for f.line.Len() == 0 {
		if f.next == floodEvents {
			return 0, io.EOF
		}
		data := floodData(f.next)
		f.sums[f.next] = sha256.Sum256([]byte(data))
		doc := document(floodID(f.next), floodWorkspace(f.next%floodWorkspaces), floodType(f.next), data)
		f.bytes += len(doc)
		f.largest = max(f.largest, len(doc))
		f.line.Reset([]byte(doc + "\n"))
		f.next++
	}
	return f.line.Read(p)
}

// awkward are members that a program which decodes and encodes again would change.
var awkward = []string{
	`"name":"Zoë — שלום — 日本語 🎧 e` + "\u0301" + `"`,
	`"escaped":"\u005a\u006F\u00eb \/ \" \\ \b\f\n\r\t \u2028 \ud83d\uDE00 \u0000"`,
	`"raw":"` + "\u2028\u2029\u0085\ufeff\U000e0001" + `<b>&'</b>"`,
	`"alone":"\ud800"`,
	`"big":9007199254740993`,
	`"numbers":[1e400,-0,1.10,0.1E-7,1E+2,123456789012345678901234567890]`,
	` "spaces"` + "\t: { \"a\" :  [ 1 ,2 ] ,\"b\":null\r} ",
	`"twice":1,"twice":{"twice":2}`,
	`"":"","id":"not the event's","data":{"event":null}`,
}

// floodData is the data of an event: some of the awkward members in an order of its own, and a text of the wanted size.
func floodData(i int) string {
	random := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // the same events in every run
	members := []string{fmt.Sprintf(`"session_id":"ses_%d"`, i/7), fmt.Sprintf(`"n":%d`, i)}
	for _, at := range random.Perm(len(awkward))[:3] {
		members = append(members, awkward[at])
	}
	random.Shuffle(len(members), func(a, b int) { members[a], members[b] = members[b], members[a] })
	head := "{" + strings.Join(members, ",") + `,"text":"`
	const text, tail = "Ja, nächster Satz – \u2713 und noch einer. ", `"}`
	size := floodSize(i, random)
	if i == largestNumber {
		size = largestEvent - len(document(floodID(i), floodWorkspace(i%floodWorkspaces), floodType(i), ""))
	}
	fill := max(size-len(head)-len(tail), 0)
	return head + strings.Repeat(text, fill/len(text)) + strings.Repeat("x", fill%len(text)) + tail
}

// floodSize is about how many bytes of data an event has: mostly less than a kilobyte, one in a hundred a short transcript
// and ten a long one.
func floodSize(i int, random *rand.Rand) int {
	switch {
	case i%10_000 == 5_050:
		return 300_000 + random.IntN(1000)
	case (i+i/floodWorkspaces)%100 == 0: // so that each workspace has its share
		return 30_000 + random.IntN(1000)
	}
	return 100 + random.IntN(900)
}

// sighting is what the receiver keeps of a request.
type sighting struct {
	event      int
	sum        checksum // of data
	deliveryID string
	attempt    int
	at         time.Time
}

// tally is the server of all customers: it checks each request at once and keeps sums only.
type tally struct {
	secrets  []string // by workspace
	buffers  sync.Pool
	complete chan struct{} // closed when each event has come

	mu      sync.Mutex
	got     []sighting
	seen    [floodEvents]bool
	missed  int
	refused []error
}

func newTally() *tally {
	return &tally{
		complete: make(chan struct{}), missed: floodEvents, buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
}

func (c *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	buffer := c.buffers.Get().(*bytes.Buffer)
	defer c.buffers.Put(buffer)
	buffer.Reset()
	if _, err := buffer.ReadFrom(r.Body); err != nil {
		return // the sender went away
	}
	got, err := c.judge(r, buffer.Bytes())
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.refused = append(c.refused, err)
		return
	}
	c.got = append(c.got, got)
	if got.event == largestNumber && got.attempt == 1 {
		w.WriteHeader(http.StatusInternalServerError) // so that it comes again, by the ladder
		return
	}
	if c.seen[got.event] {
		return
	}
	c.seen[got.event] = true
	if c.missed--; c.missed == 0 {
		close(c.complete)
	}
}

// judge checks all of a request except its data, which it sums.
func (c *tally) judge(r *http.Request, body []byte) (sighting, error) {
	id := r.Header.Get(webhook.HeaderID)
	number, err := strconv.Atoi(strings.TrimPrefix(id, "evt_volume_"))
	if err != nil || number < 0 || number >= floodEvents || floodID(number) != id {
		return sighting{}, fmt.Errorf("webhook-id %q is none of ours", id)
	}
	workspace := number % floodWorkspaces
	if want := fmt.Sprintf("/%d", workspace); r.URL.Path != want {
		return sighting{}, fmt.Errorf("%s came to the webhook %s, want %s", id, r.URL.Path, want)
	}
	if err := webhook.Verify(r.Header, body, c.secrets[workspace]); err != nil {
		return sighting{}, fmt.Errorf("%s: webhook-signature: %w", id, err)
	}
	if err := webhook.VerifyHex(body, r.Header.Get(webhook.HeaderSignature), c.secrets[workspace]); err != nil {
		return sighting{}, fmt.Errorf("%s: signature of the body: %w", id, err)
	}
	data, found := bytes.CutPrefix(body, []byte(floodHead(number)))
	data, closed := bytes.CutSuffix(data, []byte("}"))
	if !found || !closed {
		return sighting{}, fmt.Errorf("%s: body %.200q", id, body)
	}
	attempt, err := strconv.Atoi(r.Header.Get("X-Voxagent-Attempt"))
	return sighting{number, sha256.Sum256(data), r.Header.Get("X-Voxagent-Delivery"), attempt, time.Now()}, err
}

func (c *tally) missing() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missed
}

func (c *tally) requests() []sighting {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]sighting(nil), c.got...)
}

// after is how many seconds after began that percentage of the requests had come.
func (c *tally) after(began time.Time, percent int) float64 {
	all := c.requests()
	if len(all) == 0 {
		return 0
	}
	return all[(len(all)-1)*percent/100].at.Sub(began).Seconds()
}

// check compares all that came with what was published.
func (c *tally) check(t *testing.T, published []checksum) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.refused[:min(len(c.refused), 10)] {
		t.Error(err)
	}
	changed, again, repeated := 0, 0, 0
	requests := make(map[string]bool, len(c.got))
	for _, g := range c.got {
		if g.sum != published[g.event] {
			changed++
		}
		if g.attempt > 1 {
			again++
		}
		name := fmt.Sprintf("%s %d", g.deliveryID, g.attempt)
		if requests[name] {
			repeated++
		}
		requests[name] = true
	}
	t.Logf("%d requests: %d refused, %d with changed data, %d retries, %d repeated", len(c.got)+len(c.refused), len(c.refused),
		changed, again, repeated)
	if len(c.refused) > 0 || changed > 0 || repeated > 0 {
		t.Errorf("%d requests refused, %d with changed data, %d repeated; want none", len(c.refused), changed, repeated)
	}
}

// inHistory waits until every request has exactly one row, and no row is of something else.
func (c *tally) inHistory(t *testing.T, s *server, limit time.Duration) {
	t.Helper()
	sent := make([]map[string]bool, floodWorkspaces)
	for w := range sent {
		sent[w] = make(map[string]bool, floodEvents/floodWorkspaces)
	}
	for _, g := range c.requests() {
		sent[g.event%floodWorkspaces][fmt.Sprintf("%s %s %d", floodID(g.event), g.deliveryID, g.attempt)] = true
	}
	deadline := time.Now().Add(limit)
	for w, want := range sent {
		for {
			err := sameRows(s.attempts(floodWorkspace(w), ""), want)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%s: history is not whole within %s: %v", floodWorkspace(w), limit, err)
				return
			}
			time.Sleep(time.Second) // a poll of another process; a thousand rows are not asked for more often
		}
	}
}

// wholeInHistory checks that the largest event went over the ladder and that the history shows its body whole.
func wholeInHistory(t *testing.T, s *server) {
	t.Helper()
	workspace := floodWorkspace(largestNumber % floodWorkspaces)
	rows := s.attempts(workspace, "?event_id="+floodID(largestNumber))
	if len(rows) < 2 || rows[0].Trigger != "retry" || rows[0].Status != "succeeded" {
		t.Fatalf("attempts of the largest event: %+v", rows)
	}
	var whole struct {
		Request struct {
			Body string `json:"body"`
		} `json:"request"`
	}
	s.call("GET", "/v1/workspaces/"+workspace+"/attempts/"+rows[0].ID, nil, 200, &whole)
	if want := floodHead(largestNumber) + floodData(largestNumber) + "}"; whole.Request.Body != want {
		t.Errorf("the largest event has %d bytes in history, want %d: %.200q", len(whole.Request.Body), len(want), whole.Request.Body)
	}
}

// sameRows tells what is wrong with the history of a workspace: nil, or an error that more time may heal.
func sameRows(rows []attempt, want map[string]bool) error {
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		name := fmt.Sprintf("%s %s %d", row.EventID, row.DeliveryID, row.Attempt)
		switch {
		case seen[name]:
			return fmt.Errorf("%s has two rows", name)
		case !want[name]:
			return fmt.Errorf("%s has a row and was never sent", name)
		case row.Status != "succeeded" && row.Status != "failed":
			return errors.New(name + " has the status " + row.Status)
		}
		seen[name] = true
	}
	if len(seen) != len(want) {
		return fmt.Errorf("%d rows of %d", len(seen), len(want))
	}
	return nil
}
