package delivery

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/delivery/http1"
	"github.com/voxagent/dispatcher/pkg/event"
)

// attempt is one request on its way and what came of it. It is the body of its http.Request, because that is what
// passes through net/http's client untouched: the transport finds the body's bytes here and leaves its findings.
//
// The goroutine that called Send is its only user. It is not reused: with net/http a late goroutine may still hold it.
type attempt struct {
	sender   *Sender
	target   *fanout.Target
	delivery *fanout.Delivery
	start    time.Time
	previous bool // a rotation's overlap: the previous secret signs too

	// Left by the transport.
	times  http1.Times
	fields []event.Header
	kept   int // bytes of fields

	// Left by the recorder.
	reached   bool // the transport was asked
	status    int
	err       error // the transport's, when there is no status
	body      []byte
	size      int // bytes of the answer's body that were read
	truncated bool
	answered  time.Time // when the header section was complete, or the transport gave up
	end       time.Time
}

func (s *Sender) newAttempt(t *fanout.Target, d *fanout.Delivery) *attempt {
	now := time.Now()
	return &attempt{
		sender: s, target: t, delivery: d, start: now,
		previous: t.Previous != nil && now.Before(t.PreviousUntil),
	}
}

// Read implements io.Reader. Transports take the bytes by Payload instead.
func (a *attempt) Read([]byte) (int, error) { return 0, errNotStreamed }

var errNotStreamed = errors.New("an attempt's body is not read, it is taken whole")

// Close implements io.Closer.
func (a *attempt) Close() error { return nil }

// Payload implements http1.Exchange: the body, byte for byte as every attempt sends it.
func (a *attempt) Payload() []byte { return a.delivery.Event.Body }

// Deadline implements http1.Exchange.
func (a *attempt) Deadline() time.Time { return a.start.Add(a.sender.timeout) }

// AddField implements http1.Exchange: it keeps the answer's header as far as the limit allows.
func (a *attempt) AddField(name, value string) {
	if a.kept += len(name) + len(value) + len(": \r\n"); a.kept > maxKeptHead {
		return
	}
	if a.fields == nil {
		a.fields = make([]event.Header, 0, 8)
	}
	a.fields = append(a.fields, event.Header{name, value})
}

// SetTimes implements http1.Exchange.
func (a *attempt) SetTimes(t http1.Times) { a.times = t }

// field returns the first value of a header of the answer; name is in canonical form.
func (a *attempt) field(name string) (string, bool) {
	for _, f := range a.fields {
		if len(f[0]) == len(name) && http.CanonicalHeaderKey(f[0]) == name {
			return f[1], true
		}
	}
	return "", false
}

// take reads what is to be kept of an answer. An error in here is no error of the attempt: the status stands.
func (a *attempt) take(resp *http.Response) {
	a.status = resp.StatusCode
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// What follows a 101 is no body, and net/http would not hold it to the deadline.
		return
	}
	buf, ok := a.sender.bodies.Get().(*bodyBuffer)
	if !ok {
		buf = new(bodyBuffer)
	}
	defer a.sender.bodies.Put(buf)
	n, whole := readSome(resp.Body, buf[:])
	a.size, a.truncated = n, !whole || n > maxKeptBody
	if n = min(n, maxKeptBody); n > 0 {
		a.body = append(make([]byte, 0, n), buf[:n]...)
	}
}

// readSome fills buf from r and says whether r ended before buf did.
func readSome(r io.Reader, buf []byte) (n int, whole bool) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err != nil {
			return n, err == io.EOF
		}
	}
	return n, false
}

// bodyBuffer is one byte longer than what is kept: the last byte tells a body that just fits from one that is cut.
type bodyBuffer [maxKeptBody + 1]byte

// outcome says what came of the attempt, whose parts are all set.
func (a *attempt) outcome() fanout.Outcome {
	out := fanout.Outcome{
		Start: a.start, Duration: a.end.Sub(a.start), HTTPStatus: a.status,
		RequestURL: recordedURL(a.target.URL), RequestHeaders: a.recordedHead(),
		ResponseHeaders: a.fields, ResponseBody: a.body,
		ResponseSize: int64(a.size), Truncated: a.truncated,
		Timing: fanout.Timing{DNS: a.times.DNS, Connect: a.times.Connect, TLS: a.times.TLS, Reused: a.times.Reused},
	}
	if !a.times.Wrote.IsZero() {
		out.Timing.Wait = a.answered.Sub(a.times.Wrote)
	}
	if a.status != 0 {
		out.Timing.Read = a.end.Sub(a.answered)
		out.Detail = statusDetail(a.status)
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		if value, ok := a.field("Retry-After"); ok {
			out.RetryAfter, _ = ParseRetryAfter(value, a.end)
		}
	}
	return out
}

// statusDetail explains the answers that surprise people.
func statusDetail(status int) string {
	switch {
	case status == http.StatusSwitchingProtocols:
		return "your server tried to switch protocols"
	case status >= 300 && status < 400:
		return "redirects are not followed: enter the address that the redirect leads to"
	case status == http.StatusGone:
		return "your server answered 410: the webhook is disabled"
	case status < 200 || status >= 300:
		return "your server answered " + strconv.Itoa(status)
	default:
		return ""
	}
}
