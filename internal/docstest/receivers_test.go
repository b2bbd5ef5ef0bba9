package docstest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// receiver is a program of docs/receiving.md.
type receiver struct {
	name, directory string
	// hex: it checks X-Voxagent-Signature and takes two secrets. All others check webhook-signature.
	hex bool
}

var receivers = []receiver{
	{name: "Express", directory: "express"},
	{name: "Next.js", directory: "next"},
	{name: "FastAPI", directory: "fastapi"},
	{name: "Django", directory: "django"},
	{name: "Flask", directory: "flask", hex: true},
	{name: "Go", directory: "go"},
	{name: "Java", directory: "java"},
}

// received is a running receiver and what it should have worked on.
type received struct {
	*program
	receiver
	t      *testing.T
	url    string
	wanted map[string]bool
}

func TestReceivers(t *testing.T) {
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			old, next := webhook.NewSecret(), webhook.NewSecret()
			in := r.run(t, old, next)
			in.takesOnce("evt_awkward", awkward, old)
			in.takesOnce("evt_largest", largest(t), old)
			for _, f := range forgeries(t, "evt_forged", old, r.hex) {
				if status := post(t, in.url, f.body, f.header); status < 400 || status > 499 {
					t.Errorf("%s: answered %d", f.name, status)
				}
			}
			in.rotates(old, next)
			in.worked(old)
		})
	}
}

// run starts a receiver; if it takes one secret, that is the first.
func (r receiver) run(t *testing.T, secrets ...string) *received {
	t.Helper()
	part := fetched(t)
	folder := layOut(t, r.directory, part)
	if r.directory == "go" {
		goModule(t, folder)
	}
	given := secrets[0]
	if r.hex {
		given = strings.Join(secrets, ",")
	}
	port := freePort(t)
	_, command := split(snippet(t, r.directory+"/run.sh"))
	in := &received{
		program:  start(t, command, folder, environment(part, "WEBHOOK_SECRET="+given, "PORT="+port)),
		receiver: r, t: t, url: "http://127.0.0.1:" + port + "/webhooks", wanted: map[string]bool{},
	}
	in.await("answer", 3*time.Minute, func([]string) bool {
		get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		status, err := answer(get)
		if err == nil && (status < 400 || status > 499) {
			t.Errorf("GET is answered %d", status)
		}
		return err == nil
	})
	return in
}

// takes sends an event that has to be accepted.
func (in *received) takes(why, id string, body []byte, header http.Header) {
	in.t.Helper()
	in.wanted[id] = true
	if status := post(in.t, in.url, body, header); status < 200 || status > 299 {
		in.t.Errorf("%s: %s is answered %d", why, id, status)
	}
}

// takesOnce sends an event several times, at first at the same time and then as a retry, whose time is another.
func (in *received) takesOnce(id, data, secret string) {
	in.t.Helper()
	body := bodyOf(in.t, id, data)
	var all sync.WaitGroup
	in.wanted[id] = true
	for range 4 {
		all.Go(func() {
			if status := post(in.t, in.url, body, signed(in.t, id, body, time.Now(), secret)); status < 200 || status > 299 {
				in.t.Errorf("%s is answered %d", id, status)
			}
		})
	}
	all.Wait()
	in.takes("a retry", id, body, signed(in.t, id, body, time.Now().Add(2*time.Second), secret))
}

// rotates sends what comes during a rotation and after it.
func (in *received) rotates(old, next string) {
	in.t.Helper()
	body := func(id string) []byte { return bodyOf(in.t, id, awkward) }
	before := func(id string, secrets ...string) { // the receiver has the old secret
		in.t.Helper()
		in.takes("during the overlap", id, body(id), signed(in.t, id, body(id), time.Now(), secrets...))
	}
	before("evt_overlap", old, next)
	if in.hex {
		before("evt_after", next)
		old := signed(in.t, "evt_old", body("evt_old"), time.Now().Add(-time.Hour), next)
		in.takes("a scheme without times", "evt_old", body("evt_old"), old)
		return
	}
	// Here its secret is the new one already.
	before("evt_overlap_new", webhook.NewSecret(), old)
	if status := post(in.t, in.url, body("evt_after"), signed(in.t, "evt_after", body("evt_after"), time.Now(), next)); status < 400 || status > 499 {
		in.t.Errorf("after the overlap the old secret still counts: %d", status)
	}
}

// worked waits until a last event was worked on, and checks that each was, once, and nothing else.
func (in *received) worked(secret string) {
	in.t.Helper()
	const last = "evt_last"
	in.takes("the last one", last, bodyOf(in.t, last, "{}"), signed(in.t, last, bodyOf(in.t, last, "{}"), time.Now(), secret))
	in.await("work on all", time.Minute, func(lines []string) bool {
		done := worked(lines)
		for id := range in.wanted {
			if done[id] == 0 {
				return false
			}
		}
		return true
	})
	in.stop()
	for id, times := range worked(in.output()) {
		if times != 1 || !in.wanted[id] {
			in.t.Errorf("%s was worked on %d times, wanted: %t", id, times, in.wanted[id])
		}
	}
}

// note is what stands behind "received " when a receiver tells of an event: its type or size, and its id.
var note = regexp.MustCompile(`^[A-Za-z0-9 ]+ (evt_[a-z_]+)`)

// worked counts the events in the lines that a receiver printed. A line may hold more than one of them, and a server's
// log behind them, when threads print at once: Python's print writes the end of a line by itself.
func worked(lines []string) map[string]int {
	done := make(map[string]int)
	for _, line := range lines {
		for _, told := range strings.Split(line, "received ")[1:] {
			if found := note.FindStringSubmatch(told); found != nil {
				done[found[1]]++
			}
		}
	}
	return done
}

func TestWorked(t *testing.T) {
	got := worked([]string{
		"received SessionStarted evt_apartreceived SessionStarted evt_together",
		`received 1048576 bytes evt_largestINFO:     127.0.0.1:34250 - "POST /webhooks HTTP/1.1" 204 No Content`,
		"2026/11/23 08:00:00 received SessionStarted evt_apart",
		"a webhook was received by nobody",
		"",
	})
	want := map[string]int{"evt_apart": 2, "evt_together": 1, "evt_largest": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events worked on (-want +got):\n%s", diff)
	}
}

// largest is the data of the largest event that the dispatcher takes by default.
func largest(t *testing.T) string {
	t.Helper()
	around := len(`{"id":"evt_largest","event":"SessionStarted","workspace_id":"ws_acme","timestamp":"2026-11-23T08:00:00.123Z","data":{"text":""}}`)
	return `{"text":"` + strings.Repeat("ü", (1<<20-around)/2) + `"}`
}

// freePort is a port that lies above those of Redis servers that other tests start.
func freePort(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(testenv.FreePort(t, "127.0.0.1", 18000, 2000))
}
