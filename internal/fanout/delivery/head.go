package delivery

import (
	"strconv"
	"strings"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Names of our request headers, spelled as the documentation for receivers spells them.
const (
	headerContentType = "Content-Type"
	headerUserAgent   = "User-Agent"
	headerEvent       = "X-Voxagent-Event"
	headerDelivery    = "X-Voxagent-Delivery"
	headerAttempt     = "X-Voxagent-Attempt"
	headerTest        = "X-Voxagent-Test"
	headerID          = "webhook-id"
	headerTimestamp   = "webhook-timestamp"
	headerStandard    = "webhook-signature"

	contentType = "application/json"
)

// AppendHeader implements http1.Exchange: the request's header lines, each with its CRLF, without Host and
// Content-Length. Signatures are made here, straight into the buffer that is sent.
func (a *attempt) AppendHeader(dst []byte) []byte {
	ev, t, s := a.delivery.Event, a.target, a.sender
	unix := a.start.Unix()
	sums := t.Signer.Sums(ev.ID, unix, ev.Body)
	dst = append(dst, s.fixedHead...)
	dst = append(append(dst, s.signatureHeader...), ": "...)
	if a.previous {
		dst = t.Previous.AppendHex(dst, ev.Body)
	} else {
		dst = append(dst, sums.Hex[:]...)
	}
	dst = append(dst, "\r\n"...)
	dst = appendLine(dst, headerEvent, ev.Type)
	dst = appendLine(dst, headerDelivery, a.delivery.ID)
	dst = append(dst, headerAttempt+": "...)
	dst = append(strconv.AppendInt(dst, int64(a.delivery.Attempt), 10), "\r\n"...)
	if isTest(ev) {
		dst = appendLine(dst, headerTest, "1")
	}
	dst = appendLine(dst, headerID, ev.ID)
	dst = append(dst, headerTimestamp+": "...)
	dst = append(strconv.AppendInt(dst, unix, 10), "\r\n"...)
	dst = append(append(dst, headerStandard+": "...), sums.Standard[:]...)
	if a.previous {
		dst = t.Previous.AppendStandard(append(dst, ' '), ev.ID, unix, ev.Body)
	}
	dst = append(dst, "\r\n"...)
	for _, h := range t.Headers {
		if s.rules.CheckHeader(h[0], h[1]) == nil {
			dst = appendLine(dst, h[0], h[1])
		}
	}
	return dst
}

// appendLine appends one header line. Ids and types are made of letters when they come from Kafka; a value that could
// end its line, wherever it came from, is sent empty.
func appendLine(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	if isFieldValue(value) {
		dst = append(dst, value...)
	}
	return append(dst, "\r\n"...)
}

// recordedHead lists the same headers as AppendHeader, as history may show them.
func (a *attempt) recordedHead() []event.Header {
	ev, t, s := a.delivery.Event, a.target, a.sender
	head := make([]event.Header, 0, 10+len(t.Headers))
	head = append(head,
		event.Header{headerContentType, contentType},
		event.Header{headerUserAgent, s.userAgent},
		event.Header{s.signatureHeader, hidden},
		event.Header{headerEvent, ev.Type},
		event.Header{headerDelivery, a.delivery.ID},
		event.Header{headerAttempt, strconv.Itoa(a.delivery.Attempt)})
	if isTest(ev) {
		head = append(head, event.Header{headerTest, "1"})
	}
	head = append(head,
		event.Header{headerID, ev.ID},
		event.Header{headerTimestamp, strconv.FormatInt(a.start.Unix(), 10)},
		event.Header{headerStandard, hidden})
	for _, h := range t.Headers {
		if s.rules.CheckHeader(h[0], h[1]) == nil {
			head = append(head, event.Header{h[0], hidden})
		}
	}
	return head
}

func isTest(ev *fanout.Event) bool { return strings.HasPrefix(ev.ID, event.PrefixTest) }
