package delivery

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// sent is a request as a receiver saw it.
type sent struct {
	head []string
	body []byte
}

// capture returns a receiver that keeps the bytes of each request and answers 204.
func capture(t *testing.T) (*receiver, chan sent) {
	got := make(chan sent, 8) // more than any test sends
	r := serve(t, func(p *peer, _ int64) {
		for {
			head, body, err := rawRequest(p)
			if err != nil {
				return
			}
			got <- sent{head, body}
			p.say("HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	return r, got
}

func TestRequestIsWhatTheContractSays(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r, got := capture(t)
		s := build(Config{UserAgent: "Voxagent-Webhooks/1.2.3"})
		target, d := makeTarget(t, r.URL+"/hook/a%2Fb?token=t0p"), makeDelivery(1000)
		target.Headers = []event.Header{{"X-Tenant", "blue"}, {"authorization", "Bearer s3cret"}}
		out, err := s.Send(t.Context(), target, d)
		if err != nil {
			t.Fatal(err)
		}
		check(t, out, "204")
		req := <-got
		if string(req.body) != string(d.Event.Body) {
			t.Errorf("body changed: %.80q", req.body)
		}
		if want := "POST /hook/a%2Fb?token=t0p HTTP/1.1"; req.head[0] != want {
			t.Errorf("request line %q, want %q", req.head[0], want)
		}
		// The check that receivers are told to make, made independently of our own code.
		mac := hmac.New(sha256.New, []byte(testSecret))
		mac.Write(req.body)
		stamp := out.Start.Unix()
		signatures := string(target.Signer.AppendStandard(nil, "evt_1", stamp, d.Event.Body))
		want := []string{
			"Host: " + target.URL.Host,
			"Content-Length: 1000",
			"Content-Type: application/json",
			"User-Agent: Voxagent-Webhooks/1.2.3",
			"X-Voxagent-Signature: " + hex.EncodeToString(mac.Sum(nil)),
			"X-Voxagent-Event: ConversationComplete",
			"X-Voxagent-Delivery: dlv_01",
			"X-Voxagent-Attempt: 3",
			"webhook-id: evt_1",
			fmt.Sprintf("webhook-timestamp: %d", stamp),
			"webhook-signature: " + signatures,
			"X-Tenant: blue",
			"authorization: Bearer s3cret",
		}
		fields := slices.Sorted(slices.Values(req.head[1:]))
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), fields); diff != "" {
			t.Errorf("header lines (-want +got):\n%s", diff)
		}
	})
}

func TestRecordHidesSecrets(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r, _ := capture(t)
		s := build(Config{})
		target := makeTarget(t, r.URL+"/hook?token=t0p&flag&x=")
		target.Headers = []event.Header{{"X-Api-Key", "s3cret"}}
		out := send(t, s, target)
		if want := r.URL + "/hook?token=***&***&x=***"; out.RequestURL != want {
			t.Errorf("recorded URL %q, want %q", out.RequestURL, want)
		}
		want := []event.Header{
			{"Content-Type", "application/json"}, {"User-Agent", "Voxagent-Webhooks/dev"},
			{"X-Voxagent-Signature", "***"}, {"X-Voxagent-Event", "ConversationComplete"},
			{"X-Voxagent-Delivery", "dlv_01"}, {"X-Voxagent-Attempt", "3"}, {"webhook-id", "evt_1"},
			{"webhook-timestamp", fmt.Sprint(out.Start.Unix())}, {"webhook-signature", "***"}, {"X-Api-Key", "***"},
		}
		if diff := cmp.Diff(want, out.RequestHeaders); diff != "" {
			t.Errorf("recorded headers (-want +got):\n%s", diff)
		}
	})
}

func TestRotationSignsWithBothSecrets(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r, got := capture(t)
		s := build(Config{SignatureHeader: "X-Acme-Signature"})
		target, d := makeTarget(t, r.URL), makeDelivery(64)
		target.Previous = signer(t, oldSecret)
		for _, overlap := range []bool{true, false} {
			target.PreviousUntil = time.Now().Add(-time.Second)
			if overlap {
				target.PreviousUntil = time.Now().Add(time.Hour)
			}
			out, err := s.Send(t.Context(), target, d)
			if err != nil {
				t.Fatal(err)
			}
			stamp, body := out.Start.Unix(), d.Event.Body
			plain := string(target.Signer.AppendHex(nil, body))
			standard := string(target.Signer.AppendStandard(nil, "evt_1", stamp, body))
			if overlap {
				plain = string(target.Previous.AppendHex(nil, body))
				standard += " " + string(target.Previous.AppendStandard(nil, "evt_1", stamp, body))
			}
			head := (<-got).head
			for _, line := range []string{"X-Acme-Signature: " + plain, "webhook-signature: " + standard} {
				if !slices.Contains(head, line) {
					t.Errorf("overlap %v: no line %q in %q", overlap, line, head)
				}
			}
		}
	})
}

func TestOnlyTestEventsSayTest(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r, got := capture(t)
		s, d := build(Config{}), makeDelivery(64)
		for id, want := range map[string]bool{"evt_test_1": true, "evt_1": false, "my_evt_test_1": false} {
			d.Event.ID = id
			out, err := s.Send(t.Context(), makeTarget(t, r.URL), d)
			if err != nil {
				t.Fatal(err)
			}
			if has := slices.Contains((<-got).head, "X-Voxagent-Test: 1"); has != want {
				t.Errorf("%s: test header sent: %v, want %v", id, has, want)
			}
			if has := slices.Contains(out.RequestHeaders, event.Header{"X-Voxagent-Test", "1"}); has != want {
				t.Errorf("%s: test header recorded: %v, want %v", id, has, want)
			}
		}
	})
}

// Values that reach a webhook's headers past the rules, or ids past the parser, must not make lines of their own.
func TestNothingInjectsHeaders(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r, got := capture(t)
		s, target, d := build(Config{}), makeTarget(t, r.URL), makeDelivery(64)
		target.Headers = []event.Header{
			{"X-A", "1\r\nX-Evil: 1"}, {"X-B\r\nX-Evil", "1"}, {"X-C", "1\nX-Evil: 1"}, {"X-D", "é"}, {"", "1"},
			{"Content-Length", "0"}, {"transfer-encoding", "chunked"}, {"HOST", "evil"}, {"webhook-id", "evil"},
			{"X-Voxagent-Signature", "evil"}, {"Idempotency-Key", "evil"}, {"Connection", "close"}, {"X-Good", "1"},
		}
		d.Event.Type, d.ID = "A\r\nX-Evil: 1", "dlv\nX-Evil: 1"
		out, err := s.Send(t.Context(), target, d)
		if err != nil {
			t.Fatal(err)
		}
		check(t, out, "204")
		req := <-got
		all := strings.ToLower(strings.Join(req.head, "\n"))
		if strings.Contains(all, "evil") || strings.Contains(all, "chunked") || strings.Contains(all, "connection") {
			t.Errorf("a forged line reached the wire:\n%s", all)
		}
		if !slices.Contains(req.head, "X-Good: 1") || string(req.body) != string(d.Event.Body) {
			t.Errorf("the honest parts are missing:\n%s", all)
		}
	})
}

func TestStatusDecides(t *testing.T) {
	for _, test := range []struct {
		name, answer, want string
		body               string
	}{
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
		{"200 without reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
		{"200 bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200", "ok"},
		{"201 chunked", "HTTP/1.1 201 C\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n", "201", "abcde"},
		{"202 until close", "HTTP/1.1 202 A\r\nConnection: close\r\n\r\nall of it", "202", "all of it"},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "204", ""},
		{"204 with body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "204", ""},
		{"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304", ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nold", "200", "old"},
		{"301", "HTTP/1.1 301 Moved\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", "301", ""},
		{"302 unparsable", "HTTP/1.1 302 F\r\nLocation: http://[::bad/%zz\r\nContent-Length: 0\r\n\r\n", "302", ""},
		{"307 private", "HTTP/1.1 307 T\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "307", ""},
		{"308 itself", "HTTP/1.1 308 P\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "308", ""},
		{"400", "HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad", "400", "bad"},
		{"410", "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", "410", ""},
		{"500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "500", ""},
		{"999", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "999", ""},
		{"100 then 200", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
		{"103s then 200", strings.Repeat("HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n", 3) +
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
		{"space before a colon", "HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
		{"folded header", "HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
		{"unknown header bytes", "HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\r\nContent-Length: 2\r\n\r\nok", "200", "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
				r := serve(t, func(p *peer, _ int64) {
					if _, _, ok := p.request(); ok {
						p.say(test.answer)
						p.Conn.(*net.TCPConn).CloseWrite()
						p.linger()
					}
				})
				out := send(t, build(Config{RequestTimeout: patient}), makeTarget(t, r.URL))
				check(t, out, test.want)
				if string(out.ResponseBody) != test.body || out.ResponseSize != int64(len(test.body)) {
					t.Errorf("body %q of %d bytes, want %q", out.ResponseBody, out.ResponseSize, test.body)
				}
				if n := r.requests.Load(); n != 1 {
					t.Errorf("%d requests on the wire, want 1", n)
				}
			})
		})
	}
}

// After a 101 nothing is read: the connection is no longer HTTP, and must not hold the attempt.
func TestSwitchingProtocolsIsAStatus(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := serve(t, func(p *peer, _ int64) {
			p.request()
			p.say("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes")
			p.linger()
		})
		start := time.Now()
		out := send(t, build(Config{RequestTimeout: patient}), makeTarget(t, r.URL))
		check(t, out, "101")
		if out.Succeeded() || time.Since(start) > patient/2 {
			t.Errorf("took %v, succeeded %v", time.Since(start), out.Succeeded())
		}
	})
}

func TestRetryAfterOnlyWhereItMeansSomething(t *testing.T) {
	for status, want := range map[int]time.Duration{429: 17 * time.Second, 503: 17 * time.Second, 500: 0, 200: 0, 301: 0} {
		eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
			r := answering(t, fmt.Sprintf("HTTP/1.1 %d X\r\nretry-after: 17\r\nContent-Length: 0\r\n\r\n", status))
			out := send(t, build(Config{}), makeTarget(t, r.URL))
			if out.RetryAfter != want {
				t.Errorf("%d: RetryAfter %v, want %v", status, out.RetryAfter, want)
			}
		})
	}
}

func TestCancellingEndsSend(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		arrived := make(chan struct{})
		r := serve(t, func(p *peer, _ int64) {
			p.request()
			close(arrived)
			p.linger()
		})
		s := build(Config{RequestTimeout: time.Minute})
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-arrived
			cancel(cause)
		}()
		start := time.Now()
		_, err := s.Send(ctx, makeTarget(t, r.URL), makeDelivery(64))
		if !errors.Is(err, cause) || time.Since(start) > 5*time.Second {
			t.Errorf("err %v after %v", err, time.Since(start))
		}
		if _, err = s.Send(ctx, makeTarget(t, r.URL), makeDelivery(64)); !errors.Is(err, cause) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestTimingSaysWhereTheTimeWent(t *testing.T) {
	const wait = 300 * time.Millisecond // half of which the client may come late to look at its clock
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := serve(t, func(p *peer, _ int64) {
			p.request()
			time.Sleep(wait)
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			time.Sleep(wait)
			p.say("ok")
		})
		out := send(t, build(Config{}), makeTarget(t, r.URL))
		check(t, out, "200")
		timing := out.Timing
		if timing.Wait < wait/2 || timing.Read < wait/2 || timing.Connect <= 0 || timing.Reused || timing.TLS != 0 {
			t.Errorf("timing %+v", timing)
		}
		sum := timing.DNS + timing.Connect + timing.Wait + timing.Read
		if out.Duration < sum || time.Since(out.Start) < out.Duration {
			t.Errorf("duration %v, parts %v", out.Duration, sum)
		}
	})
}

func TestConcurrentAttempts(t *testing.T) {
	eachEngine(t, func(t *testing.T, build func(Config) *Sender) {
		r := answering(t, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok")
		s, target := build(Config{RequestTimeout: patient, MaxIdlePerHost: 4}), makeTarget(t, r.URL)
		const workers, each = 16, 40
		results := make(chan fanout.Outcome, workers*each) // all of them, so that no worker blocks
		for range workers {
			go func() {
				for range each {
					out, err := s.Send(t.Context(), target, makeDelivery(700))
					if err != nil {
						t.Error(err)
					}
					results <- out
				}
			}()
		}
		for range workers * each {
			if out := <-results; out.HTTPStatus != 200 || string(out.ResponseBody) != "ok" || len(out.ResponseHeaders) != 2 {
				t.Errorf("%s %q %q", verdictOf(out), out.ResponseBody, out.ResponseHeaders)
			}
		}
		if n := r.requests.Load(); n != workers*each {
			t.Errorf("%d requests for %d attempts", n, workers*each)
		}
	})
}
