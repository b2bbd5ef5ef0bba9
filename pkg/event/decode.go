package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// DecodeRecord reads the value of a history record whose `record-type` header is kind. Unknown
// fields are skipped; a field that is absent or null is zero.
func DecodeRecord(kind RecordType, value []byte) (Record, error) {
	d := reader{scanner: scanner{b: value}}
	var r Record
	switch kind { // with a reader that stays on the stack
	case TypeEvent:
		e := new(EventRecord)
		e.read(&d)
		r = e
	case TypeAttempt:
		a := new(AttemptRecord)
		a.read(&d)
		r = a
	case TypeDelivery:
		s := new(DeliveryRecord)
		s.read(&d)
		r = s
	case TypeErasure:
		e := new(ErasureRecord)
		e.read(&d)
		r = e
	case TypeWebhook:
		w := new(WebhookRecord)
		w.read(&d)
		r = w
	default:
		return nil, fmt.Errorf("%w: %q", ErrUnknownRecord, kind)
	}
	if d.end(); d.fault != "" {
		return nil, fmt.Errorf("decode %s record: %s", kind, at(d.where, d.fault))
	}
	return r, nil
}

// DecodeNotice reads the value of a record of the notices topic.
func DecodeNotice(value []byte) (*Notice, error) {
	d := reader{scanner: scanner{b: value}}
	n := new(Notice)
	n.read(&d)
	if d.end(); d.fault != "" {
		return nil, fmt.Errorf("decode notice: %s", at(d.where, d.fault))
	}
	return n, nil
}

func (r *EventRecord) read(d *reader) {
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "event_id":
			r.EventID = d.text()
		case "event":
			r.Event = d.text()
		case "workspace_id":
			r.WorkspaceID = d.text()
		case "session_id":
			r.SessionID = d.text()
		case "occurrence":
			r.Occurrence = d.occurrence()
		case "timestamp":
			r.Timestamp = d.text()
		case "record_timestamp":
			r.RecordTimestamp = d.time()
		case "received_at":
			r.ReceivedAt = d.time()
		case "source":
			r.Source = d.source()
		case "generation":
			r.Generation = d.int64()
		case "body_size":
			r.BodySize = d.int()
		case "body_sha256":
			r.BodySHA256 = d.digest()
		case "matched":
			r.Matched = d.matched()
		case "unmatched":
			r.Unmatched = d.unmatched()
		case "reason":
			r.Reason = MissReason(d.text())
		default:
			d.skip()
		}
	}
}

func (d *reader) matched() []Match {
	if d.null() {
		return nil
	}
	list := []Match{}
	for d.open('['); d.next(']'); {
		var m Match
		for d.open('{'); d.next('}'); {
			switch string(d.key) {
			case "webhook_id":
				m.WebhookID = d.text()
			case "delivery_id":
				m.DeliveryID = d.text()
			case "epoch":
				m.Epoch = d.int64()
			default:
				d.skip()
			}
		}
		list = append(list, m)
	}
	return list
}

func (d *reader) unmatched() []Miss {
	if d.null() {
		return nil
	}
	list := []Miss{}
	for d.open('['); d.next(']'); {
		var m Miss
		for d.open('{'); d.next('}'); {
			switch string(d.key) {
			case "webhook_id":
				m.WebhookID = d.text()
			case "reason":
				m.Reason = MissReason(d.text())
			default:
				d.skip()
			}
		}
		list = append(list, m)
	}
	return list
}

func (r *DeliveryRecord) read(d *reader) {
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "delivery_id":
			r.DeliveryID = d.text()
		case "webhook_id":
			r.WebhookID = d.text()
		case "workspace_id":
			r.WorkspaceID = d.text()
		case "event_id":
			r.EventID = d.text()
		case "event":
			r.Event = d.text()
		case "session_id":
			r.SessionID = d.text()
		case "occurrence":
			r.Occurrence = d.occurrence()
		case "source":
			r.Source = d.source()
		case "event_timestamp":
			r.EventTimestamp = d.text()
		case "chain":
			r.Chain = d.int()
		case "attempts":
			r.Attempts = d.int()
		case "epoch":
			r.Epoch = d.int64()
		case "status":
			r.Status = Status(d.text())
		case "cause":
			r.Cause = Cause(d.text())
		case "next_attempt_at":
			r.NextAttemptAt = d.time()
		case "at":
			r.At = d.time()
		default:
			d.skip()
		}
	}
}

func (r *ErasureRecord) read(d *reader) {
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "id":
			r.ID = d.text()
		case "workspace_id":
			r.WorkspaceID = d.text()
		case "event_id":
			r.EventID = d.text()
		case "session_id":
			r.SessionID = d.text()
		case "at":
			r.At = d.time()
		default:
			d.skip()
		}
	}
}

func (r *WebhookRecord) read(d *reader) {
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "workspace_id":
			r.WorkspaceID = d.text()
		case "webhook_id":
			r.WebhookID = d.text()
		case "epoch":
			r.Epoch = d.int64()
		case "cause":
			r.Cause = Cause(d.text())
		case "at":
			r.At = d.time()
		default:
			d.skip()
		}
	}
}

func (n *Notice) read(d *reader) {
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "id":
			n.ID = d.text()
		case "type":
			n.Type = NoticeType(d.text())
		case "timestamp":
			n.Timestamp = d.time()
		case "workspace_id":
			n.WorkspaceID = d.text()
		case "webhook_id":
			n.WebhookID = d.text()
		case "delivery_id":
			n.DeliveryID = d.text()
		case "event_id":
			n.EventID = d.text()
		case "event":
			n.Event = d.text()
		case "session_id":
			n.SessionID = d.text()
		case "reason":
			n.Reason = d.text()
		case "detail":
			n.Detail = d.text()
		case "failing_since":
			n.FailingSince = d.time()
		case "attempts":
			n.Attempts = d.int()
		case "http_status":
			n.HTTPStatus = d.int()
		case "source":
			n.Source = d.source()
		case "count":
			n.Count = d.int64()
		default:
			d.skip()
		}
	}
}

// UnmarshalJSON reads milliseconds, rounded to the microsecond.
func (m *Millis) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	ms, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(ms) > float64(math.MaxInt64/int64(time.Millisecond))/2 {
		return errors.New("not a number of milliseconds")
	}
	*m = Millis(time.Duration(math.Round(ms*1000)) * time.Microsecond)
	return nil
}

// MarshalJSON writes milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) { return m.append(nil), nil }

// UnmarshalJSON reads a string.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s != nil {
		*t = Text(*s)
	}
	return nil
}

// MarshalJSON writes a string.
func (t Text) MarshalJSON() ([]byte, error) { return appendQuoted(nil, t), nil }
