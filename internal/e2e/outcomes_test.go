package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

// standing is what the API says of a webhook's health.
type standing struct {
	Enabled        bool       `json:"enabled"`
	DisabledReason *string    `json:"disabled_reason"`
	Health         string     `json:"health"`
	FailingSince   *time.Time `json:"failing_since"`
}

func (s standing) String() string {
	reason := "-"
	if s.DisabledReason != nil {
		reason = *s.DisabledReason
	}
	return fmt.Sprintf("enabled %t, reason %s, health %s, failing since %v", s.Enabled, reason, s.Health, s.FailingSince)
}

func (s *server) standing(workspace, id string) standing {
	s.t.Helper()
	var st standing
	s.call("GET", "/v1/workspaces/"+workspace+"/webhooks/"+id, nil, 200, &st)
	return st
}

// becomes waits until a webhook stands so.
func (s *server) becomes(workspace, id string, what string, is func(standing) bool) standing {
	s.t.Helper()
	var st standing
	eventually(s.t, time.Minute, func() error {
		if st = s.standing(workspace, id); !is(st) {
			return fmt.Errorf("webhook of %s is not %s: %s", workspace, what, st)
		}
		return nil
	})
	return st
}

func (s *server) enable(workspace, id string, enabled bool) {
	s.t.Helper()
	s.call("PATCH", "/v1/workspaces/"+workspace+"/webhooks/"+id, map[string]any{"enabled": enabled}, 200, nil)
}

// noticesOf are a webhook's notices of its own state, in order, each as its type and reason.
func noticesOf(t *testing.T, all []*event.Notice, webhookID string) []string {
	t.Helper()
	var words []string
	ids := map[string]bool{}
	for _, n := range all {
		if n.WebhookID != webhookID || !strings.HasPrefix(string(n.Type), "webhook.") {
			continue
		}
		if ids[n.ID] {
			t.Errorf("notice %s came twice", n.ID)
		}
		ids[n.ID] = true
		if (n.Type != event.NoticeWebhookDisabled || n.Reason == "failing") && n.FailingSince.IsZero() {
			t.Errorf("no failing_since in %+v", n)
		}
		words = append(words, strings.TrimSpace(string(n.Type)+" "+n.Reason))
	}
	return words
}

// allNotices reads the notices topic from its beginning to its end. Nobody writes to it any more.
func (in *installation) allNotices(t *testing.T) []*event.Notice {
	t.Helper()
	topic := in.prefix + ".webhook.notices"
	broker := testenv.Kafka(t)
	var all []*event.Notice
	for _, m := range readTopic(t, broker, topic, endOf(t, broker, topic), 20*time.Second) {
		n, err := event.DecodeNotice(m.Value)
		if err != nil {
			t.Fatalf("notice %s: %v", m.Value, err)
		}
		if string(m.Key) != n.WorkspaceID {
			t.Errorf("key %q of %s", m.Key, m.Value)
		}
		all = append(all, n)
	}
	return all
}

// endOf counts the records of a topic of which nothing was deleted.
func endOf(t *testing.T, broker, topic string) int {
	t.Helper()
	n := int64(0)
	for p := range int32(12) {
		end := endOffset(t, broker, topic, p)
		if end < 0 {
			t.Fatalf("nobody says where %s/%d ends", topic, p)
		}
		n += end
	}
	return int(n)
}

// stopAll ends dispatchers in good order.
func stopAll(t *testing.T, servers ...*server) {
	t.Helper()
	for _, s := range servers {
		if code := s.signal(syscall.SIGTERM, 30*time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

const (
	// Limits that a test can wait for.
	failingAfter = 2 * time.Second
	disableAfter = 20 * time.Second
)

// TestLongRunsOfFailures: a webhook that fails for its whole limit becomes failing, then disabled; one that succeeds again
// recovers; one that was enabled again begins anew; tests take no part. Two processes judge, and each change has one
// notice.
func TestLongRunsOfFailures(t *testing.T) {
	in := install(t)
	args := []string{
		"--retry-schedule", "1s" + strings.Repeat(",1s", 50), "--failing-after", failingAfter.String(), "--disable-after", disableAfter.String(),
	}
	s, other := in.serve(t, args...), in.serve(t, args...)
	broken := receive(t, func(w http.ResponseWriter, _ request) { w.WriteHeader(http.StatusInternalServerError) })
	var mended atomic.Bool
	flaky := receive(t, func(w http.ResponseWriter, _ request) {
		if !mended.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	failing, recovering, tested := s.create("ws_fail", broken.URL), s.create("ws_mend", flaky.URL), s.create("ws_test", broken.URL)
	began := time.Now()
	in.publish(t, document("evt_1", "ws_fail", "SessionStarted", `{"session_id":"a"}`),
		document("evt_2", "ws_mend", "SessionStarted", `{"session_id":"b"}`))
	test := func() {
		s.call("POST", "/v1/workspaces/ws_test/webhooks/"+tested.ID+"/test", map[string]any{"event": "SessionStarted"}, 202, nil)
	}

	isFailing := func(st standing) bool { return st.Health == "failing" && st.FailingSince != nil }
	s.becomes("ws_mend", recovering.ID, "failing", isFailing)
	mended.Store(true)
	test() // and another one below, so that these too are failures for longer than failing takes
	s.becomes("ws_mend", recovering.ID, "ok", func(st standing) bool {
		return st.Enabled && st.Health == "ok" && st.FailingSince == nil
	})
	isDisabled := func(st standing) bool {
		return !st.Enabled && st.DisabledReason != nil && *st.DisabledReason == "failing"
	}
	st := s.becomes("ws_fail", failing.ID, "disabled", isDisabled)
	if !isFailing(st) || st.FailingSince.Before(began) || time.Since(*st.FailingSince) < disableAfter {
		t.Errorf("disabled too early: %s", st)
	}
	s.cancelled("ws_fail", failing.ID, 1)
	test()

	s.enable("ws_fail", failing.ID, true)
	enabled := time.Now()
	if st := s.standing("ws_fail", failing.ID); st.Health != "ok" || st.FailingSince != nil || st.DisabledReason != nil {
		t.Errorf("enabled again: %s", st)
	}
	in.publish(t, document("evt_3", "ws_fail", "SessionStarted", `{"session_id":"a"}`))
	if st := s.becomes("ws_fail", failing.ID, "failing again", isFailing); !st.Enabled || st.FailingSince.Before(enabled) {
		t.Errorf("it did not begin anew: %s, enabled at %s", st, enabled)
	}
	s.enable("ws_fail", failing.ID, false)
	if st := s.standing("ws_test", tested.ID); st.Health != "ok" || !st.Enabled {
		t.Errorf("judged by tests: %s", st)
	}

	stopAll(t, s, other)
	all := in.allNotices(t)
	for id, want := range map[string][]string{
		failing.ID:    {"webhook.failing", "webhook.disabled failing", "webhook.failing", "webhook.disabled operator"},
		recovering.ID: {"webhook.failing", "webhook.recovered"}, tested.ID: nil,
	} {
		if got := noticesOf(t, all, id); !slices.Equal(got, want) {
			t.Errorf("notices %q, want %q", got, want)
		}
	}
}

// cancelled waits until n deliveries of a webhook are cancelled for its disabling, and none is pending.
func (s *server) cancelled(workspace, id string, n int) {
	s.t.Helper()
	eventually(s.t, 10*time.Second, func() error {
		got := 0
		for _, d := range s.deliveries(workspace, id) {
			switch {
			case d.Status == "pending":
				return fmt.Errorf("delivery %+v is pending", d)
			case d.Status == "cancelled" && d.Cause != nil && *d.Cause == "disabled":
				got++
			}
		}
		if got != n {
			return fmt.Errorf("%d cancelled, want %d", got, n)
		}
		return nil
	})
}

type delivery struct {
	ID            string     `json:"id"`
	EventID       string     `json:"event_id"`
	WebhookID     string     `json:"webhook_id"`
	Status        string     `json:"status"`
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	Cause         *string    `json:"cause"`
}

func (s *server) deliveries(workspace, webhookID string) []delivery {
	s.t.Helper()
	return list[delivery](s, "/v1/workspaces/"+workspace+"/webhooks/"+webhookID+"/deliveries")
}

// TestGoneDisablesAtOnce: the first 410 disables the webhook, with one notice however many answers there were, and cancels
// what is pending, long before it falls due.
func TestGoneDisablesAtOnce(t *testing.T) {
	in := install(t)
	s := in.serve(t, "--retry-schedule", "1h")
	var gone atomic.Bool
	rc := receive(t, func(w http.ResponseWriter, _ request) {
		if gone.Load() {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	hook := s.create("ws_gone", rc.URL)
	var docs []string
	for i := range 5 {
		docs = append(docs, document(fmt.Sprintf("evt_%d", i), "ws_gone", "SessionStarted", `{"session_id":"s"}`))
	}
	in.publish(t, docs[:3]...)
	rc.wait(t, "three failures", 20*time.Second, func(all []request) bool { return len(all) == 3 })
	gone.Store(true)
	in.publish(t, docs[3:]...)
	st := s.becomes("ws_gone", hook.ID, "disabled", func(st standing) bool { return !st.Enabled })
	if st.DisabledReason == nil || *st.DisabledReason != "gone" || st.Health != "ok" {
		t.Errorf("disabled: %s", st)
	}
	eventually(t, 10*time.Second, func() error {
		ended := map[string]int{}
		for _, d := range s.deliveries("ws_gone", hook.ID) {
			ended[d.Status]++
		}
		if ended["pending"] != 0 || ended["cancelled"] < 3 || ended["failed"] < 1 {
			return fmt.Errorf("deliveries: %v", ended)
		}
		return nil
	})
	stopAll(t, s)
	all := in.allNotices(t)
	if got := noticesOf(t, all, hook.ID); !slices.Equal(got, []string{"webhook.disabled gone"}) {
		t.Errorf("notices %q", got)
	}
	for _, n := range all {
		if n.Type == event.NoticeWebhookDisabled && !strings.HasPrefix(n.DeliveryID, "dlv_") {
			t.Errorf("the notice names no delivery: %+v", n)
		}
	}
}

// TestRetryAfterWithinBounds: whatever a receiver writes there, the next attempt is within the schedule and a day, and the
// webhook rests for an hour at most.
func TestRetryAfterWithinBounds(t *testing.T) {
	const delay, day = 100 * time.Second, 24 * time.Hour
	now := time.Now().UTC()
	date := func(at time.Time) string { return at.Format(http.TimeFormat) }
	type bounds struct{ next, pause time.Duration } // after the attempt's end; a pause of 0: none
	ignored, longest := bounds{delay, 0}, bounds{day, time.Hour}
	values := map[string]bounds{
		"-1": ignored, "1.5": ignored, "soon": ignored, "": ignored, "0": ignored, "0x10": ignored,
		date(now.Add(-time.Hour)): ignored, "Thu, 01 Jan 1970 00:00:00 GMT": ignored,
		"30": {delay, 30 * time.Second}, "600": {10 * time.Minute, 10 * time.Minute},
		"7200": {2 * time.Hour, time.Hour}, "99999999999": longest, "9223372036854775807": longest,
		"9223372036854775808": longest, strings.Repeat("9", 400): longest, date(now.AddDate(70, 0, 0)): longest,
	}
	in := install(t)
	s := in.serve(t, "--retry-schedule", delay.String())
	said := slices.Collect(maps.Keys(values))
	rc := receive(t, func(w http.ResponseWriter, r request) {
		n, _ := strconv.Atoi(strings.TrimPrefix(r.path, "/")) // the webhooks' paths are numbers
		w.Header().Set("Retry-After", said[n])
		w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[n%2])
	})
	hooks := map[string]string{}
	for n, value := range said {
		hooks[s.create("ws_after", rc.URL+"/"+strconv.Itoa(n)).ID] = value
	}
	in.publish(t, document("evt_1", "ws_after", "SessionStarted", `{"session_id":"s"}`))
	rc.wait(t, "an attempt of each", 30*time.Second, func(all []request) bool { return len(all) == len(values) })
	in.publish(t, document("evt_2", "ws_after", "SessionStarted", `{"session_id":"s"}`))

	for id, value := range hooks {
		want := values[value]
		var first attempt
		var second delivery
		eventually(t, 30*time.Second, func() error {
			rows := list[attempt](s, "/v1/workspaces/ws_after/webhooks/"+id+"/attempts")
			at := slices.IndexFunc(rows, func(a attempt) bool { return a.EventID == "evt_1" })
			all := s.deliveries("ws_after", id)
			next := slices.IndexFunc(all, func(d delivery) bool { return d.EventID == "evt_2" && d.NextAttemptAt != nil })
			if at < 0 || next < 0 {
				return fmt.Errorf("Retry-After %.40q: attempts %+v, deliveries %+v", value, rows, all)
			}
			first, second = rows[at], all[next]
			return nil
		})
		ended := first.ended()
		if next := first.NextAttemptAt.Sub(ended); next < want.next-time.Second || next > want.next+delay/10+time.Second {
			t.Errorf("Retry-After %.40q: the next attempt is %s later, want %s", value, next, want.next)
		}
		paused := second.Attempts == 0 && second.Cause != nil && *second.Cause == "retry_after"
		switch rest := second.NextAttemptAt.Sub(ended); {
		case paused != (want.pause > 0):
			t.Errorf("Retry-After %.40q: paused %t, want a pause of %s; %+v", value, paused, want.pause, second)
		case paused && (rest < want.pause-time.Second || rest > want.pause+time.Minute):
			t.Errorf("Retry-After %.40q: rests for %s, want %s", value, rest, want.pause)
		}
	}
}

// TestLostEventsAreNoticed: events that Kafka deleted before they were read are counted, logged once and noticed, and
// reading goes on behind them.
func TestLostEventsAreNoticed(t *testing.T) {
	in := install(t)
	broker, topic := testenv.Kafka(t), in.prefix+".session.events"
	rc := receive(t, nil)
	s := in.serve(t)
	s.create("ws_acme", rc.URL)
	doc := func(i int) string {
		return document(fmt.Sprintf("evt_%d", i), "ws_acme", "SessionStarted", `{"session_id":"k"}`)
	}
	produceRaw(t, broker, topic, "k", []string{doc(0)})
	rc.wait(t, "an event", 20*time.Second, func(all []request) bool { return len(all) == 1 })
	stopAll(t, s)
	produceRaw(t, broker, topic, "k", []string{doc(1), doc(2), doc(3), doc(4)}) // one key: one partition, in order
	partition := longPartition(t, broker, topic, 5)
	deleteRecords(t, broker, topic, partition, 4)

	s = in.serve(t)
	got := rc.wait(t, "the event that is left", 30*time.Second, func(all []request) bool { return len(all) == 2 })
	if got[1].eventID != "evt_4" {
		t.Errorf("went on with %s", got[1].eventID)
	}
	stopAll(t, s)
	if n := strings.Count(s.text(), "records were deleted before they were read"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	all := in.allNotices(t)
	want := event.Source{Topic: topic, Partition: int(partition), Offset: 1}
	if len(all) != 1 || all[0].Type != event.NoticeEventsLost || all[0].Source != want || all[0].Count != 3 {
		t.Errorf("notices %+v, want one of 3 lost from %+v on", all, want)
	}
}

// longPartition is the one partition of a topic that has as many records.
func longPartition(t *testing.T, broker, topic string, records int64) int32 {
	t.Helper()
	for p := range int32(12) {
		if endOffset(t, broker, topic, p) >= records {
			return p
		}
	}
	t.Fatalf("no partition of %s has %d records", topic, records)
	return -1
}

// TestNoticesSurviveAKill: what a change owes is carried by whoever is there next, when the process that made the change
// is killed in the moment in which it had answered.
func TestNoticesSurviveAKill(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	var hooks []string
	for range 8 {
		hooks = append(hooks, s.create("ws_kill", rc.URL).ID)
	}
	for _, id := range hooks {
		s.enable("ws_kill", id, false)
	}
	s.kill()
	broker, topic := testenv.Kafka(t), in.prefix+".webhook.notices"
	t.Logf("%d of %d notices were written when it was killed", endOf(t, broker, topic), len(hooks))
	s = in.serve(t)
	told := map[string]bool{}
	eventually(t, time.Minute, func() error {
		for _, m := range readTopic(t, broker, topic, endOf(t, broker, topic), 20*time.Second) {
			n, err := event.DecodeNotice(m.Value)
			if err != nil {
				t.Fatalf("notice %s: %v", m.Value, err)
			}
			if n.Type == event.NoticeWebhookDisabled && n.Reason == "operator" {
				told[n.WebhookID] = true
			}
		}
		for _, id := range hooks {
			if !told[id] {
				return fmt.Errorf("no notice of %s; %d of %d are told", id, len(told), len(hooks))
			}
		}
		return nil
	})
	stopAll(t, s)
}
